// SPDX-License-Identifier: Apache-2.0
#include "bench/subject_process.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>
#include <thread>

#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tcmud::bench {
namespace {

namespace fs = std::filesystem;

// "key:   number" lines; 0 where there is none.
uint64_t field(const fs::path& path, std::string_view key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    if (word == key) {
      uint64_t value = 0;
      file >> value;
      return value;
    }
  }
  return 0;
}

}  // namespace

uint64_t machine_cpu_ns() {
  // cpu user nice system idle iowait irq softirq steal
  std::ifstream file("/proc/stat");
  std::string word;
  file >> word;
  uint64_t ticks = 0;
  for (int column = 0; column < 8; ++column) {
    uint64_t value = 0;
    file >> value;
    ticks += column == 3 || column == 4 ? 0 : value;
  }
  return ticks * (1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK)));
}

uint64_t own_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

SubjectProcess::SubjectProcess(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) {
    argv.push_back(const_cast<char*>(argument.c_str()));
  }
  argv.push_back(nullptr);
  const int error = ::posix_spawnp(&pid_, argv[0], nullptr, nullptr, argv.data(), environ);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), arguments[0]);
  }
}

bool SubjectProcess::running() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) {
    pid_ = -1;
  }
  return pid_ > 0;
}

SubjectProcess::~SubjectProcess() {
  if (!running()) {
    return;
  }
  ::kill(pid_, SIGTERM);
  for (int i = 0; i < 200; ++i) {
    if (!running()) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

ProcessUsage SubjectProcess::usage() const {
  ProcessUsage usage;
  const fs::path process = fmt::format("/proc/{}", pid_);
  std::error_code gone;
  for (const auto& task : fs::directory_iterator(process / "task", gone)) {
    uint64_t cpu_ns = 0;
    std::ifstream(task.path() / "schedstat") >> cpu_ns;
    usage.cpu_ns += cpu_ns;
    usage.context_switches += field(task.path() / "status", "voluntary_ctxt_switches:") +
                              field(task.path() / "status", "nonvoluntary_ctxt_switches:");
    ++usage.threads;
  }
  usage.io_system_calls = field(process / "io", "syscr:") + field(process / "io", "syscw:");
  usage.rss_kib = field(process / "status", "VmRSS:") - field(process / "status", "RssShmem:");
  return usage;
}

}  // namespace tcmud::bench
