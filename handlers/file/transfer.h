// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include <sys/uio.h>

#include <tcmud/handler.h>

#include "status.h"
#include "system.h"

namespace tcmud::file {

// How far a READ or WRITE has come. A transfer may stop anywhere, be it in the middle of an iovec,
// and may have more iovecs than one system call takes.
struct Cursor {
  uint64_t done = 0;   // bytes
  uint32_t index = 0;  // the iovec to go on with
  uint64_t skip = 0;   // bytes of it that are done
};

// What one system call is given next. In the middle of an iovec it is the rest of that one alone,
// so that nobody needs a changed copy of the list.
struct Slice {
  const iovec* iov = nullptr;
  int count = 0;
  iovec rest = {};  // what iov points to, in the middle of an iovec
};

// Fills in slice; false if nothing is left.
bool next_slice(const tcmud_request& request, const Cursor& cursor, Slice& slice);

// Moves on by n bytes that a system call has done.
void advance(const tcmud_request& request, Cursor& cursor, uint64_t n);

[[nodiscard]] inline Direction direction_of(const tcmud_request& request) {
  return request.op == TCMUD_OP_READ ? Direction::kRead : Direction::kWrite;
}

// One system call for the next slice: bytes, or the negative errno. -EINTR is retried here.
ssize_t transfer_slice(const System& system, int fd, const tcmud_request& request,
                       const Cursor& cursor, int rwf_flags);

// What it means when a system call ended with result <= 0 (0: the end of the file). `exact` says
// whether the failure lies right at the cursor; a direct transfer may have failed anywhere in its
// range.
[[nodiscard]] Outcome failed_at(const tcmud_request& request, const Cursor& cursor, ssize_t result,
                                bool exact);

// The whole of a READ or WRITE from the cursor on, waiting for it.
[[nodiscard]] Outcome transfer_all(const System& system, int fd, const tcmud_request& request,
                                   Cursor& cursor, int rwf_flags, bool direct);

}  // namespace tcmud::file
