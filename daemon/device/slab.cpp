// SPDX-License-Identifier: Apache-2.0
#include "device/slab.h"

#include <cstring>
#include <new>

#include <sys/mman.h>

namespace tcmud::device {

Result<std::unique_ptr<Slab>> Slab::create(uint32_t slots, uint32_t context_size) {
  std::unique_ptr<Slab> slab(new Slab);
  slab->slots_ = slots;
  slab->context_stride_ = (context_size + kCacheLine - 1) / kCacheLine * kCacheLine;
  const size_t slot_bytes = size_t{slots} * sizeof(Slot);
  const size_t context_bytes = size_t{slots} * slab->context_stride_;
  const size_t size = slot_bytes + context_bytes + size_t{slots} * kIovecStride;
  // NORESERVE: most of it is never touched, and 512 LUNs must not count as gigabytes of commitment.
  void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return fail(errno, "no memory for {} commands ({} bytes): {}", slots, size,
                std::strerror(errno));
  }
  slab->memory_ = Mapping(base, size);
  slab->base_ = static_cast<std::byte*>(base);
  slab->contexts_ = slab->base_ + slot_bytes;
  slab->iovecs_ = slab->contexts_ + context_bytes;
  return slab;
}

Slab::~Slab() {
  for (uint32_t i = 0; i < constructed_; ++i) {
    at(i)->~Slot();
  }
}

Slot* Slab::take() {
  if (free_ != nullptr) {
    Slot* slot = free_;
    free_ = slot->next_completed;
    ++in_use_;
    return slot;
  }
  if (constructed_ == slots_) {
    return nullptr;
  }
  ++in_use_;
  const uint32_t index = constructed_++;
  Slot* slot = new (at(index)) Slot;
  slot->index = static_cast<uint16_t>(index);
  slot->request.c.size = sizeof slot->request.c;
  slot->request.c.ctx = context_stride_ == 0 ? nullptr : contexts_ + index * context_stride_;
  return slot;
}

void Slab::give_back(Slot* slot) {
  if (slot->spill != nullptr) {
    slot->spill.reset();
  }
  --in_use_;
  slot->next_completed = free_;
  free_ = slot;
}

}  // namespace tcmud::device
