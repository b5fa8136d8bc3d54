// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tcmud/handler.h>

namespace tcmud::device {

// Turns a slot's request into a FLUSH.
inline void make_flush(tcmud_request& request) {
  request.op = TCMUD_OP_FLUSH;
  request.flags = 0;
  request.offset = 0;
  request.length = 0;
  request.iov = nullptr;
  request.iovcnt = 0;
}

}  // namespace tcmud::device
