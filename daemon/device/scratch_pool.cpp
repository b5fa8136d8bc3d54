// SPDX-License-Identifier: Apache-2.0
#include "device/scratch_pool.h"

#include <cstring>
#include <utility>

#include <sys/mman.h>

#include "device/slab.h"

namespace tcmud::device {

Result<std::unique_ptr<ScratchPool>> ScratchPool::create() {
  constexpr size_t kSize = kBuffers * kBytes;
  void* base = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return fail(errno, "no memory for {} bytes of scratch: {}", kSize, std::strerror(errno));
  }
  std::unique_ptr<ScratchPool> pool(new ScratchPool);
  pool->memory_ = Mapping(base, kSize);
  for (std::byte* buffer = static_cast<std::byte*>(base) + kSize; pool->free_count_ < kBuffers;) {
    buffer -= kBytes;
    pool->free_[pool->free_count_++] = buffer;
  }
  return pool;
}

bool ScratchPool::take(Slot& slot) {
  if (free_count_ > 0 && !wanted()) {
    slot.scratch = free_[--free_count_];
    return true;
  }
  slot.next_completed = nullptr;
  (waiting_first_ == nullptr ? waiting_first_ : waiting_last_->next_completed) = &slot;
  waiting_last_ = &slot;
  return false;
}

void ScratchPool::give_back(Slot& slot) {
  free_[free_count_++] = std::exchange(slot.scratch, nullptr);
}

Slot* ScratchPool::take_served() {
  if (free_count_ == 0 || waiting_first_ == nullptr) {
    return nullptr;
  }
  Slot* slot = waiting_first_;
  waiting_first_ = slot->next_completed;
  slot->scratch = free_[--free_count_];
  return slot;
}

}  // namespace tcmud::device
