// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <tcmud/handler.h>

namespace tcmud::file {

// How a request ended, as host->complete takes it.
struct Outcome {
  int32_t status = TCMUD_OK;
  uint64_t info = TCMUD_NO_INFO;
};

enum class Direction : uint8_t { kRead, kWrite };

// What a failed system call means for the LUN; error is a positive errno. Never TCMUD_OK.
[[nodiscard]] int32_t status_of_errno(int error, Direction direction);

}  // namespace tcmud::file
