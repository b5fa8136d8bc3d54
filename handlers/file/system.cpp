// SPDX-License-Identifier: Apache-2.0
#include "system.h"

#include <cerrno>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace tcmud::file {
namespace {

// One buffer needs no list, which the kernel would have to copy in and check: a twentieth of a
// small READ from memory.
bool one_plain(int count, int flags) {
  return count == 1 && flags == 0;
}

ssize_t sys_preadv2(int fd, const iovec* iov, int count, off_t offset, int flags) {
  const ssize_t n = one_plain(count, flags) ? ::pread(fd, iov->iov_base, iov->iov_len, offset)
                                            : ::preadv2(fd, iov, count, offset, flags);
  return n < 0 ? -errno : n;
}

ssize_t sys_pwritev2(int fd, const iovec* iov, int count, off_t offset, int flags) {
  const ssize_t n = one_plain(count, flags) ? ::pwrite(fd, iov->iov_base, iov->iov_len, offset)
                                            : ::pwritev2(fd, iov, count, offset, flags);
  return n < 0 ? -errno : n;
}

int sys_fdatasync(int fd) {
  return ::fdatasync(fd) < 0 ? -errno : 0;
}

int sys_fallocate(int fd, int mode, off_t offset, off_t length) {
  return ::fallocate(fd, mode, offset, length) < 0 ? -errno : 0;
}

int sys_discard(int fd, uint64_t offset, uint64_t length) {
  uint64_t range[2] = {offset, length};
  return ::ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

off_t sys_seek(int fd, off_t offset, int whence) {
  const off_t at = ::lseek(fd, offset, whence);
  return at < 0 ? -errno : at;
}

}  // namespace

const System& real_system() {
  static constexpr System kSystem = {sys_preadv2,   sys_pwritev2, sys_fdatasync,
                                     sys_fallocate, sys_discard,  sys_seek};
  return kSystem;
}

}  // namespace tcmud::file
