// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace tcmud {

// std::hardware_destructive_interference_size is absent in clang 14 and not ABI-stable in GCC.
inline constexpr std::size_t kCacheLine = 64;

}  // namespace tcmud
