// SPDX-License-Identifier: Apache-2.0
#include "unit/handlers/file/allocation_counter.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace tcmud::file {
namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

uint64_t allocation_count() {
  return allocations.load();
}

}  // namespace tcmud::file

// In a file of their own: where the compiler inlines one of them and not the other, it takes them
// for a mismatch.
void* operator new(size_t size) {
  tcmud::file::allocations.fetch_add(1, std::memory_order_relaxed);
  void* p = std::malloc(size);
  if (p == nullptr) {
    throw std::bad_alloc();
  }
  return p;
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, size_t) noexcept {
  std::free(p);
}
