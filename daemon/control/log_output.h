// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace tcmud::control {

// The log file and stderr. Everything but ask() is for the writer's thread.
class LogOutput {
 public:
  explicit LogOutput(int stderr_fd) : stderr_(stderr_fd) {}

  // Any thread: (re)open the file before the next line.
  void ask(std::filesystem::path file);

  // Does what was asked for. A file that can't be opened is told on stderr, and the former one
  // stays in use.
  void open_if_asked();

  // A whole line with its newline.
  void write(std::string_view line);

 private:
  void complain(std::string_view what, int error);
  void write_to_stderr(std::string_view line);

  int stderr_;
  bool stuck_ = false;  // nobody took the last line from stderr
  Fd file_;
  std::filesystem::path path_;
  bool full_ = false;  // the last line did not get into the file

  std::mutex mutex_;
  std::optional<std::filesystem::path> asked_;  // guarded by mutex_
};

}  // namespace tcmud::control
