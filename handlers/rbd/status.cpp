// SPDX-License-Identifier: Apache-2.0
#include "status.h"

#include <cerrno>

#include <tcmud/handler.h>

namespace tcmud::rbd {

int32_t status_of_errno(int error, Access access) {
  switch (error) {
    case ESHUTDOWN:  // the cluster has fenced this client
      return access == Access::kLockedWrite ? TCMUD_LOCK_LOST : TCMUD_BUSY;
    case EROFS:  // refused before anything was done: another client has the image's lock
      return access == Access::kLockedWrite ? TCMUD_NO_LOCK
             : access == Access::kWrite     ? TCMUD_BUSY
                                            : TCMUD_READ_ERROR;
    case ETIMEDOUT:
      return TCMUD_TIMEOUT;
    case ENOSPC:  // the OSDs are full
    case EDQUOT:  // the pool is, or its quota
      return TCMUD_NO_SPACE;
    case EACCES:
      return access == Access::kRead ? TCMUD_READ_ERROR : TCMUD_WRITE_PROTECTED;
    case EPERM:   // the pool is gone, or this client's capabilities are
    case ENOENT:  // the image or its pool
    case ENOTCONN:
      return TCMUD_NOT_READY;
    case EAGAIN:
    case EBUSY:
      return TCMUD_BUSY;
    case ENOMEM:
    case ENOBUFS:
      return TCMUD_NO_RESOURCE;
    case EOPNOTSUPP:
      return TCMUD_NOT_SUPPORTED;
    case EINVAL:
      return TCMUD_INTERNAL;
    case ECANCELED:
      return TCMUD_ABORTED;
    default:
      return access == Access::kRead ? TCMUD_READ_ERROR : TCMUD_WRITE_ERROR;
  }
}

}  // namespace tcmud::rbd
