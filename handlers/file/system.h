// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <sys/types.h>
#include <sys/uio.h>

namespace tcmud::file {

// The system calls that carry data, as a table, so that a test can fail the k-th of them. Each
// answers as its namesake does, but with the negative errno in place of -1.
struct System {
  ssize_t (*preadv2)(int fd, const iovec* iov, int count, off_t offset, int flags);
  ssize_t (*pwritev2)(int fd, const iovec* iov, int count, off_t offset, int flags);
  int (*fdatasync)(int fd);
  int (*fallocate)(int fd, int mode, off_t offset, off_t length);
  int (*discard)(int fd, uint64_t offset, uint64_t length);  // BLKDISCARD
  off_t (*seek)(int fd, off_t offset, int whence);
};

[[nodiscard]] const System& real_system();

}  // namespace tcmud::file
