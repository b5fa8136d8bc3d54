// SPDX-License-Identifier: Apache-2.0
#include "control/instance_lock.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>

namespace tcmud::control {

Result<InstanceLock> InstanceLock::acquire(const std::filesystem::path& file) {
  Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) {
    return fail(errno, "can't open the lock file {}: {}", file.string(), std::strerror(errno));
  }
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &whole) == 0) {
    return InstanceLock(std::move(fd));
  }
  if (errno != EAGAIN && errno != EACCES) {
    return fail(errno, "can't lock {}: {}", file.string(), std::strerror(errno));
  }
  // The holder may be gone by now, or in another PID namespace (0).
  const bool known =
      ::fcntl(fd.get(), F_GETLK, &whole) == 0 && whole.l_type == F_WRLCK && whole.l_pid > 0;
  return fail(EBUSY, "tcmu-runner is already running{}: {} is locked; stop it first",
              known ? fmt::format(" (process {})", whole.l_pid) : "", file.string());
}

}  // namespace tcmud::control
