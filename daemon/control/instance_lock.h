// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "base/fd.h"
#include "base/result.h"

namespace tcmud::control {

// That no two daemons serve the same LUNs: a lock on a file, tcmu-runner's own one (fcntl), so that
// it excludes that too. The kernel frees it with the process.
class InstanceLock {
 public:
  // EBUSY: another process has it, named by its id.
  static Result<InstanceLock> acquire(const std::filesystem::path& file);

 private:
  explicit InstanceLock(Fd file) : file_(std::move(file)) {}
  Fd file_;
};

}  // namespace tcmud::control
