// SPDX-License-Identifier: Apache-2.0
#include "sqe.h"

namespace tcmud::file {

void prepare_sqe(io_uring_sqe& sqe, int fd, const tcmud_request& request, const Cursor& cursor) {
  if (request.op == TCMUD_OP_FLUSH) {
    ::io_uring_prep_fsync(&sqe, fd, IORING_FSYNC_DATASYNC);
    return;
  }
  Slice slice;  // none left: the kernel moves 0 bytes of 0 vectors, which the engine takes for the
                // error that it is
  next_slice(request, cursor, slice);
  const bool read = request.op == TCMUD_OP_READ;
  const uint64_t offset = request.offset + cursor.done;
  const auto count = static_cast<unsigned>(slice.count);
  if (count == 1) {
    // Also what makes it safe that `slice`, which may hold the vector, goes: address and length are
    // copied.
    const auto length = static_cast<unsigned>(slice.iov->iov_len);
    if (read) {
      ::io_uring_prep_read(&sqe, fd, slice.iov->iov_base, length, offset);
    } else {
      ::io_uring_prep_write(&sqe, fd, slice.iov->iov_base, length, offset);
    }
  } else if (read) {
    ::io_uring_prep_readv(&sqe, fd, slice.iov, count, offset);
  } else {
    ::io_uring_prep_writev(&sqe, fd, slice.iov, count, offset);
  }
  if (!read && (request.flags & TCMUD_FLAG_FUA) != 0) {
    sqe.rw_flags = RWF_DSYNC;
  }
}

}  // namespace tcmud::file
