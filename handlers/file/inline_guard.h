// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include <sys/resource.h>
#include <time.h>

namespace tcmud::file {

// Moves by a tick (1 to 10 ms), and costs next to nothing to read.
[[nodiscard]] inline uint64_t coarse_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

// How often this thread has slept so far.
[[nodiscard]] inline uint64_t times_slept() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<uint64_t>(usage.ru_nvcsw);
}

// Decides whether I/O that might wait is done on the loop. It is while it turns out quick; after
// calls that slept (memory full of dirty pages, a disk that has to be asked) everything goes to
// io_uring for a while, longer each time in a row.
//
// The clock is the coarse one, since two exact readings would cost as much as a tenth of a small
// READ. So slow means that a tick fell into the call: a call that sleeps for a millisecond is seen
// with a fair chance, one that sleeps for ten always. A quick call that happened to meet a tick, or
// whose CPU was given to somebody else (which io_uring would make no better), must not count. To
// tell them apart costs two system calls, so it is done only for a number of calls after a slow
// one. The LUN's loop alone.
class InlineGuard {
 public:
  static constexpr uint64_t kSlowNs = 500'000;
  static constexpr uint64_t kFirstPauseNs = 10'000'000;
  static constexpr uint64_t kLongestPauseNs = 1'000'000'000;
  static constexpr uint32_t kWatchedCalls = 32;

  [[nodiscard]] bool open(uint64_t now) const { return now >= closed_until_; }

  // Whether ended() wants to be told if the next call slept.
  [[nodiscard]] bool watching() const { return watch_ > 0; }

  // An inline call that began at `start` has just ended; `slept` counts only while watching().
  void ended(uint64_t start, uint64_t now, bool slept) {
    const bool watched = watching();
    if (now - start < kSlowNs) {
      watch_ -= watched ? 1 : 0;
      pause_ = watch_ == 0 ? kFirstPauseNs : pause_;
      return;
    }
    watch_ = kWatchedCalls;
    if (watched && slept) {
      closed_until_ = now + pause_;
      pause_ = std::min(pause_ * 2, kLongestPauseNs);
    }
  }

 private:
  uint64_t closed_until_ = 0;
  uint64_t pause_ = kFirstPauseNs;
  uint32_t watch_ = 0;  // so many calls yet
};

}  // namespace tcmud::file
