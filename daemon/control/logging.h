// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>

#include "base/log.h"

namespace tcmud::control {

inline constexpr const char* kLogFileName = "tcmu-runner.log";

// Takes every line of log.h while it lives, and has a thread of its own write it to stderr and,
// once there is a directory, to <directory>/tcmu-runner.log:
//
//   2026-01-31 12:00:00.123 4711 [ERROR] user_0/disk: what happened
//
// Who logs never waits for a disk or a terminal: where the writer can't keep up the oldest lines
// are dropped, and their number is written. One at a time in a process.
class Logging {
 public:
  Logging();
  ~Logging();  // writes what is queued
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;

  // From here on lines go to a file there as well; the directory is made if need be. Where that
  // fails, stderr says so, and an earlier file stays in use. Returns at once: the writer's thread
  // does it.
  void set_directory(const std::filesystem::path& directory);

  // The file was renamed (logrotate): continue in a new one. Returns at once.
  void reopen();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// How a level is named in the file.
[[nodiscard]] const char* to_string(log::Level level);

}  // namespace tcmud::control
