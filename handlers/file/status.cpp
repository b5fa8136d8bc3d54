// SPDX-License-Identifier: Apache-2.0
#include "status.h"

#include <cerrno>

namespace tcmud::file {

int32_t status_of_errno(int error, Direction direction) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:  // a limit of the file system or of RLIMIT_FSIZE: no room, and no fault of the
                 // medium
      return TCMUD_NO_SPACE;
    case EROFS:
    case EPERM:
    case EACCES:
    case EBADF:    // a write through a descriptor opened for reading
    case ETXTBSY:  // the file is in use as swap space
      return direction == Direction::kWrite ? TCMUD_WRITE_PROTECTED : TCMUD_READ_ERROR;
    case ENOMEM:
    case ENOBUFS:
      return TCMUD_NO_RESOURCE;
    case EAGAIN:
    case EBUSY:
      return TCMUD_BUSY;
    case ENODEV:  // the block device, its path or the file server is gone
    case ENXIO:
    case ENOLINK:
    case ESHUTDOWN:
    case ENOTCONN:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ESTALE:
      return TCMUD_NOT_READY;
    case ETIMEDOUT:
      return TCMUD_TIMEOUT;
    case ECANCELED:
      return TCMUD_ABORTED;
    case EOPNOTSUPP:
    case ENOSYS:
      return TCMUD_NOT_SUPPORTED;
    case EFAULT:  // buffers or alignment: a mistake of ours or of the host, the medium is well
    case EINVAL:
      return TCMUD_INTERNAL;
    default:  // EIO, ENODATA, EILSEQ, EREMOTEIO and whatever a driver invents
      return direction == Direction::kWrite ? TCMUD_WRITE_ERROR : TCMUD_READ_ERROR;
  }
}

}  // namespace tcmud::file
