// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <sys/uio.h>

#include "bench/floor.h"

namespace tcmud::bench {

struct FloorAnswer {
  uint8_t status = 0;
  uint8_t sense_key = 0;
  uint8_t asc = 0;
};

// Executes one command: reads and writes at once, and as much of the rest as Linux' sd driver wants
// in order to attach. `iov` holds addresses in this process and may be changed.
FloorAnswer execute(const uint8_t* cdb, iovec* iov, uint32_t iov_count,
                    const FloorOptions& options);

}  // namespace tcmud::bench
