// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/uio.h>

#include <tcmud/handler.h>

namespace tcmud::test {

// What a test wants of the RAM disks that are opened from now on, and what they saw. One per test.
struct RamControl {
  enum class Model { kInline, kThreaded, kPool };
  std::atomic<Model> model{Model::kInline};  // open disks go by it from their next request on
  uint32_t threads = 4;                      // kPool
  tcmud_support fua = TCMUD_NATIVE, flush = TCMUD_NATIVE, unmap = TCMUD_NATIVE,
                write_zeroes = TCMUD_NATIVE, write_same = TCMUD_NONE;
  uint32_t compare_and_write_unit = 0;  // bytes; 0 = the core emulates all of them
  uint32_t max_unmap_ranges = 4;
  uint64_t max_write_zeroes = 0;
  bool write_cache = true;
  int event_fd = -1;               // not kPool: an eventfd of the test's, which reap() reads
  std::atomic<uint64_t> heard{0};  // calls by it

  // Asked before each request is done; anything but TCMUD_OK is the answer. Any thread.
  std::function<int32_t(const tcmud_request&)> verdict;
  // The same, told which of the disks it is, in the order of their opening.
  std::function<int32_t(uint64_t disk, const tcmud_request&)> verdict_of;
  // Each disk that is opened has a medium of its own, in `data` behind the ones before it.
  bool separate = false;
  std::function<int32_t()> open_verdict;  // 0 or a negative errno
  bool complete_twice = false;

  std::atomic<uint64_t> opened{0}, closed{0}, requests{0}, queued{0}, fua_writes{0}, flushes{0},
      unmaps{0}, zeroes{0}, writes{0}, compares{0};
  std::mutex mutex;
  std::vector<uint8_t> data;  // the medium; survives close and open

  // The lock extension, for one disk. What is asked for is granted at once, or waits for the test
  // to say what became of it.
  struct Lock {
    bool used = false;  // props.lock
    std::atomic<bool> grants{true};
    std::mutex mutex;  // guards what follows
    tcmud_lock_status status{};
    uint32_t acquires = 0, enables = 0, releases = 0;
    int32_t asked_for_group = -2;
    std::function<void()> tell;  // TCMUD_EVENT_LOCK; while the disk is open
  } lock;
  // As if it came from outside: another state, told.
  void move_lock(uint32_t state, int32_t group = -1, bool attempt_ends = false);
  [[nodiscard]] tcmud_lock_status lock_status();

  std::atomic<uint32_t> command_timeout{UINT32_MAX};  // s, as told last
  std::function<void()> tell_resized;                 // TCMUD_EVENT_RESIZED; while the disk is open
  std::function<void(tcmud_backend_state, const char*)> tell_state;
};

// A handler "ram" that obeys `control`, which must outlive every handle.
const tcmud_handler& ram_handler(RamControl& control);

}  // namespace tcmud::test
