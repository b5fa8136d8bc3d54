// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "rbd/ceph.h"

namespace tcmud::rbd::test {

// Ceph's libraries as far as opening, serving and closing an image goes, with a script of what goes
// wrong, and a count of what is open. One at a time.
class FakeCeph {
 public:
  // One operation that librbd has.
  struct Operation {
    std::string name;
    uint64_t offset, length;
    int flags;
    std::string data;  // what was to be written
    rbd_callback_t callback;
    void* arg;
    int64_t result;
    uint64_t* mismatch;
  };

  FakeCeph();
  ~FakeCeph();  // fails the test if anything is still open
  FakeCeph(const FakeCeph&) = delete;
  FakeCeph& operator=(const FakeCeph&) = delete;

  [[nodiscard]] static const Ceph& table();

  // The k-th call from now on that can fail, from 1, answers `error` (negative). 0 = none.
  void fail_call(uint64_t k, int error);
  // Every call of that name answers `error` from now on; 0 = no more.
  void fail_all(const std::string& name, int error);
  // Calls that can fail since the last fail_call.
  [[nodiscard]] uint64_t calls();
  // What failed last by fail_call.
  [[nodiscard]] std::string failed();

  // Ends the oldest operation, or all that there are, with that result.
  void end(int64_t result);
  void end_all(int64_t result);
  [[nodiscard]] std::vector<Operation> operations();
  // The image's header changed.
  void change_header();

  [[nodiscard]] int open_things() const { return open_; }
  [[nodiscard]] std::string conf(const std::string& key);
  void set_conf(const std::string& key, const std::string& value);

  std::atomic<uint64_t> size = 8u << 20;
  uint64_t features = 0;
  bool tells_at_once = false;  // the header changes as soon as somebody watches it
  std::map<std::string, std::string> image_config{{"rbd_cache", "false"},
                                                  {"rbd_discard_granularity_bytes", "65536"}};
  std::map<std::string, std::string> monitors;  // a word of a command, and its answer
  std::string service_daemon, service_metadata;
  // What the service map was told last; "" = nothing yet. Any thread.
  std::string service_status();
  void tell_service_status(std::string status);
  std::atomic<int> connects{0};

 private:
  friend struct FakeCalls;
  int step(const char* name);
  int submit(rbd_completion_t completion, Operation operation);

  std::mutex mutex_;
  std::string service_status_;
  uint64_t calls_ = 0, fail_at_ = 0;
  int error_ = 0;
  std::string failed_;
  std::map<std::string, int> failing_;
  std::map<std::string, std::string> conf_;
  std::deque<Operation*> operations_;
  rbd_update_callback_t header_callback_ = nullptr;
  void* header_arg_ = nullptr;
  std::atomic<int> open_{0};
};

}  // namespace tcmud::rbd::test
