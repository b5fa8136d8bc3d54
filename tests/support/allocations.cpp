// SPDX-License-Identifier: Apache-2.0
// The program's malloc, counting. A library of its own: only programs that ask for the count get
// it, and no sanitizer build does, because a sanitizer has a malloc of its own.
#include "support/allocations.h"

#include <cstddef>

extern "C" {
void* __libc_malloc(size_t size);  // NOLINT(bugprone-reserved-identifier): glibc's names
void* __libc_calloc(size_t count, size_t size);        // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* memory, size_t size);       // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT(bugprone-reserved-identifier)
}

namespace {
// Initial-exec: counting must not itself ask for memory.
__attribute__((tls_model("initial-exec"))) thread_local uint64_t count = 0;
}  // namespace

namespace tcmud::test {
uint64_t allocations() {
  return count;
}
}  // namespace tcmud::test

extern "C" {
void* malloc(size_t size) {
  ++count;
  return __libc_malloc(size);
}
void* calloc(size_t number, size_t size) {
  ++count;
  return __libc_calloc(number, size);
}
void* realloc(void* memory, size_t size) {
  ++count;
  return __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  ++count;
  return __libc_memalign(alignment, size);
}
}
