// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tcmud::file {

// How often operator new was called in this program so far.
[[nodiscard]] uint64_t allocation_count();

}  // namespace tcmud::file
