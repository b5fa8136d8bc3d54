// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tcmud::test {

// How often this thread has asked for memory: malloc, calloc, realloc, aligned_alloc, and operator
// new, which calls them.
[[nodiscard]] uint64_t allocations();

}  // namespace tcmud::test
