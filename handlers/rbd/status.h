// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tcmud::rbd {

enum class Access : uint8_t {
  kRead,
  kWrite,       // without a lock of ours
  kLockedWrite  // under the exclusive lock
};

// What an initiator shall know of a positive errno of librbd's. EILSEQ and what lies behind the end
// of the image need more than the number, and are not asked here.
[[nodiscard]] int32_t status_of_errno(int error, Access access);

}  // namespace tcmud::rbd
