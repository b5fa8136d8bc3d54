// SPDX-License-Identifier: Apache-2.0
#include "control/process.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include <sys/resource.h>

#include "base/log.h"

namespace tcmud::control {
namespace {

// Plenty: a LUN takes less than ten. The kernel allows at most fs.nr_open.
constexpr rlim_t kNofile = 1000000;

rlim_t kernel_limit() {
  rlim_t limit = kNofile;
  std::ifstream("/proc/sys/fs/nr_open") >> limit;
  return limit;
}

}  // namespace

void raise_nofile(std::optional<uint64_t> wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t target =
      wanted ? *wanted : std::max(limit.rlim_cur, std::min(kNofile, kernel_limit()));
  rlimit raised{target, std::max<rlim_t>(target, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
    return;
  }
  // The hard limit takes a privilege (CAP_SYS_RESOURCE); up to that we may go in any case.
  const int error = errno;
  raised = {std::min<rlim_t>(target, limit.rlim_max), limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) != 0 || wanted) {
    log::warning("", "can't raise the limit of open files to {}: {}; it is {}", target,
                 std::strerror(error), raised.rlim_cur);
  }
}

std::filesystem::path default_handler_path() {
  std::error_code error;
  const auto executable = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    auto beside = executable.parent_path().parent_path() / "lib" / "tcmud";
    if (std::filesystem::is_directory(beside, error)) {
      return beside;
    }
  }
  return TCMUD_HANDLER_DIR;
}

}  // namespace tcmud::control
