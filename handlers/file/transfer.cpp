// SPDX-License-Identifier: Apache-2.0
#include "transfer.h"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <sched.h>

namespace tcmud::file {
namespace {

// EAGAIN from a descriptor that may wait: the kernel was short of something. So many tries, then
// BUSY.
constexpr int kAgainTries = 100;

}  // namespace

bool next_slice(const tcmud_request& request, const Cursor& cursor, Slice& slice) {
  if (cursor.index >= request.iovcnt) {
    return false;
  }
  const iovec& first = request.iov[cursor.index];
  if (cursor.skip != 0) {
    slice.rest = {static_cast<char*>(first.iov_base) + cursor.skip, first.iov_len - cursor.skip};
    slice.iov = &slice.rest;
    slice.count = 1;
  } else {
    slice.iov = &first;
    slice.count = static_cast<int>(std::min<uint32_t>(request.iovcnt - cursor.index, IOV_MAX));
  }
  return true;
}

void advance(const tcmud_request& request, Cursor& cursor, uint64_t n) {
  cursor.done += n;
  cursor.skip += n;
  while (cursor.index < request.iovcnt && cursor.skip >= request.iov[cursor.index].iov_len) {
    cursor.skip -= request.iov[cursor.index].iov_len;
    ++cursor.index;
  }
}

ssize_t transfer_slice(const System& system, int fd, const tcmud_request& request,
                       const Cursor& cursor, int rwf_flags) {
  Slice slice;
  if (!next_slice(request, cursor, slice)) {
    return -EINVAL;  // fewer bytes in the iovecs than the request is long
  }
  const auto offset = static_cast<off_t>(request.offset + cursor.done);
  const auto call = request.op == TCMUD_OP_READ ? system.preadv2 : system.pwritev2;
  ssize_t n;
  do {
    n = call(fd, slice.iov, slice.count, offset, rwf_flags);
  } while (n == -EINTR);
  return n;
}

Outcome failed_at(const tcmud_request& request, const Cursor& cursor, ssize_t result, bool exact) {
  const Direction direction = direction_of(request);
  // 0: somebody cut the file while we serve it. What is missing must not read as zeroes.
  const int32_t status = status_of_errno(result == 0 ? EIO : static_cast<int>(-result), direction);
  const bool medium = status == TCMUD_READ_ERROR || status == TCMUD_WRITE_ERROR;
  return {status, medium && (exact || result == 0) ? request.offset + cursor.done : TCMUD_NO_INFO};
}

Outcome transfer_all(const System& system, int fd, const tcmud_request& request, Cursor& cursor,
                     int rwf_flags, bool direct) {
  int again = 0;
  while (cursor.done < request.length) {
    const ssize_t n = transfer_slice(system, fd, request, cursor, rwf_flags);
    if (n > 0) {
      advance(request, cursor, static_cast<uint64_t>(n));
    } else if (n == -EAGAIN && ++again < kAgainTries) {
      ::sched_yield();
    } else {
      return failed_at(request, cursor, n, !direct);
    }
  }
  return {};
}

}  // namespace tcmud::file
