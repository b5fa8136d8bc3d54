// SPDX-License-Identifier: Apache-2.0
#include "unit/dbus/child_process.h"

#include <stdexcept>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

extern char** environ;

namespace tcmud::test {

ChildProcess::ChildProcess(const std::vector<std::string>& argv, const std::string& file) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::runtime_error("pipe2");
  }
  pipe_.reset(ends[0]);
  const Fd theirs(ends[1]);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDERR_FILENO);
  // As a shell would start it, whatever the test has blocked.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = ::posix_spawnp(&pid_, file.empty() ? argv[0].c_str() : file.c_str(), &actions,
                                   &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    pid_ = -1;
    throw std::runtime_error("cannot run " + argv[0]);
  }
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
}

void ChildProcess::read_some(int timeout_ms) {
  pollfd readable{pipe_.get(), POLLIN, 0};
  if (::poll(&readable, 1, timeout_ms) <= 0) {
    return;
  }
  char buffer[4096];
  const ssize_t got = ::read(pipe_.get(), buffer, sizeof buffer);
  if (got > 0) {
    output_.append(buffer, static_cast<size_t>(got));
  } else if (got == 0) {
    ended_ = true;
  }
}

std::string ChildProcess::read_line(const std::function<void()>& meanwhile) {
  while (output_.find('\n') == std::string::npos && !ended_) {
    if (meanwhile) {
      meanwhile();
    }
    read_some(meanwhile ? 1 : -1);
  }
  const size_t end = output_.find('\n');
  std::string line = output_.substr(0, end);
  output_.erase(0, end == std::string::npos ? end : end + 1);
  return line;
}

int ChildProcess::wait(const std::function<void()>& meanwhile) {
  while (!ended_) {
    if (meanwhile) {
      meanwhile();
    }
    read_some(meanwhile ? 1 : -1);
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ChildProcess::kill(int signal) const {
  ::kill(pid_, signal);
}

}  // namespace tcmud::test
