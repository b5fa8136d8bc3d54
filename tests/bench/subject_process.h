// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace tcmud::bench {

// What a process has used since it began, summed over its threads, and what it has now
// (/proc/<pid>).
struct ProcessUsage {
  uint64_t cpu_ns = 0;
  uint64_t context_switches = 0;  // voluntary and not
  uint64_t io_system_calls =
      0;  // the read and write families: what the kernel counts for every process
  uint64_t threads = 0;
  uint64_t rss_kib = 0;  // resident, shared memory of the devices not counted
};

// CPU time that the whole machine has spent since it began (ns, in steps of some ms), also what its
// host took away.
[[nodiscard]] uint64_t machine_cpu_ns();
// CPU time of this process (ns).
[[nodiscard]] uint64_t own_cpu_ns();

// The program that plays the daemon.
class SubjectProcess {
 public:
  // Throws std::system_error.
  explicit SubjectProcess(const std::vector<std::string>& arguments);
  ~SubjectProcess();  // SIGTERM, SIGKILL after two seconds
  SubjectProcess(const SubjectProcess&) = delete;
  SubjectProcess& operator=(const SubjectProcess&) = delete;

  [[nodiscard]] ProcessUsage usage() const;
  [[nodiscard]] bool running();

 private:
  pid_t pid_ = -1;
};

}  // namespace tcmud::bench
