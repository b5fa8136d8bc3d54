// SPDX-License-Identifier: Apache-2.0
// The program's operator new. In a file of its own, out of the compiler's sight where it is called.
#include "unit/kernel/allocations.h"

#include <cstdlib>
#include <new>

namespace {
thread_local uint64_t count = 0;
}

namespace tcmud::kernel::test {
uint64_t allocations() {
  return count;
}
}  // namespace tcmud::kernel::test

void* operator new(size_t size) {
  ++count;
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
