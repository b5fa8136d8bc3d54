// SPDX-License-Identifier: Apache-2.0
#include "cluster/ceph_tools.h"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include <sys/wait.h>
#include <unistd.h>

namespace tcmud::test {
namespace {

const std::string& directory() {
  static const std::string kDirectory = [] {
    const char* given = std::getenv("TCMUD_CEPH_CLUSTER");
    if (given == nullptr || ::access((std::string(given) + "/ceph.conf").c_str(), R_OK) != 0) {
      std::fprintf(
          stderr,
          "no Ceph cluster: run this by ctest, or start one (scripts/ceph-cluster start DIR "
          "--mgr) and set TCMUD_CEPH_CLUSTER=DIR\n");
      std::exit(2);
    }
    return std::string(given);
  }();
  return kDirectory;
}

}  // namespace

const std::string& ceph_conf() {
  static const std::string kConf = directory() + "/ceph.conf";
  return kConf;
}

Ran shell(const std::string& line) {
  const std::string command = "export CEPH_CONF='" + ceph_conf() + "'; { " + line + "; } 2>&1";
  FILE* pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) {
    return {-1, "no process"};
  }
  Ran ran{0, ""};
  std::array<char, 4096> buffer;
  while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    ran.out.append(buffer.data(), n);
  }
  const int status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

std::string must(const std::string& line) {
  const Ran ran = shell(line);
  if (ran.status != 0) {
    std::fprintf(stderr, "%s: %d: %s\n", line.c_str(), ran.status, ran.out.c_str());
    std::abort();
  }
  return ran.out;
}

void cluster(const std::string& verb, const std::string& words) {
  must(std::string(TCMUD_CEPH_CLUSTER_SCRIPT) + " " + verb + " '" + directory() + "' " + words);
}

std::string unique_name(const std::string& what) {
  static std::atomic<unsigned> number{0};
  return what + "-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

}  // namespace tcmud::test
