// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <tcmud/handler.h>

#include "status.h"
#include "system.h"

namespace tcmud::file {

// LBA_STATUS of a regular file: where it has data, and where it has holes. What was reserved but
// not written (fallocate) counts as a hole, since the kernel does not tell the two apart. A
// momentary view: other requests go on beside it. Blocking; any number of threads at once.
[[nodiscard]] Outcome lba_status(const System& system, int fd, const tcmud_request& request,
                                 uint32_t block_size);

}  // namespace tcmud::file
