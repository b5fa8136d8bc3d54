// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <liburing.h>

#include <tcmud/handler.h>

#include "transfer.h"

namespace tcmud::file {

// What the ring is asked for next of a READ, WRITE or FLUSH that has come as far as the cursor
// says.
void prepare_sqe(io_uring_sqe& sqe, int fd, const tcmud_request& request, const Cursor& cursor);

}  // namespace tcmud::file
