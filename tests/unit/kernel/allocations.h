// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tcmud::kernel::test {

// How often this thread has asked operator new for memory.
[[nodiscard]] uint64_t allocations();

}  // namespace tcmud::kernel::test
