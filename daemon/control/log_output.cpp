// SPDX-License-Identifier: Apache-2.0
#include "control/log_output.h"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

namespace tcmud::control {
namespace {

// How long whoever reads our stderr may take once, before its lines are dropped.
constexpr int kPatienceMs = 200;

// 0, or the errno of what went wrong.
int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(fd, text.data(), text.size());
    if (done >= 0) {
      text.remove_prefix(static_cast<size_t>(done));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

void LogOutput::ask(std::filesystem::path file) {
  const std::lock_guard lock(mutex_);
  asked_ = std::move(file);
}

void LogOutput::open_if_asked() {
  std::optional<std::filesystem::path> asked;
  {
    const std::lock_guard lock(mutex_);
    asked.swap(asked_);
  }
  if (!asked) {
    return;
  }
  std::error_code ignored;  // open() tells it better
  std::filesystem::create_directories(asked->parent_path(), ignored);
  Fd file(::open(asked->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600));
  if (!file.valid()) {
    complain(fmt::format("can't log to {}", asked->string()), errno);
    return;
  }
  file_ = std::move(file);
  path_ = std::move(*asked);
  full_ = false;
}

void LogOutput::write(std::string_view line) {
  write_to_stderr(line);
  if (!file_.valid()) {
    return;
  }
  const int error = write_all(file_.get(), line);
  if (error != 0 && !full_) {
    complain(fmt::format("{} lacks lines", path_.string()), error);
  }
  full_ = error != 0;
}

void LogOutput::complain(std::string_view what, int error) {
  write_to_stderr(fmt::format("{}: {}\n", what, std::strerror(error)));
}

// A pipe that nobody empties holds up neither the file nor the end of the daemon.
void LogOutput::write_to_stderr(std::string_view line) {
  pollfd ready{stderr_, POLLOUT, 0};
  stuck_ = ::poll(&ready, 1, stuck_ ? 0 : kPatienceMs) == 0;
  if (!stuck_) {
    static_cast<void>(write_all(stderr_, line));  // nowhere else to complain
  }
}

}  // namespace tcmud::control
