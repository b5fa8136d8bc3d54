// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"

namespace tcmud::test {

// A program that a test runs, with stdout and stderr in one pipe. Killed and reaped when it goes.
class ChildProcess {
 public:
  // argv[0] is looked up in PATH, unless `file` says where the program is.
  explicit ChildProcess(const std::vector<std::string>& argv, const std::string& file = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // What it says, up to and without the next newline; empty at its end. `meanwhile` as for wait().
  std::string read_line(const std::function<void()>& meanwhile = {});

  // Waits for its end. `meanwhile` is called over and over (to turn a loop that the child waits
  // for). Returns the exit status, or 128 and the number of the signal.
  int wait(const std::function<void()>& meanwhile = {});
  // What it said, once wait() returned.
  [[nodiscard]] const std::string& output() const { return output_; }

  void kill(int signal) const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  void read_some(int timeout_ms);

  pid_t pid_ = -1;
  Fd pipe_;
  bool ended_ = false;
  std::string output_;
};

}  // namespace tcmud::test
