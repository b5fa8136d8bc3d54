// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include <time.h>

namespace tcmud::file {

[[nodiscard]] inline uint64_t monotonic_ns() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

// Decides whether I/O that might wait is done on the loop. It is while it turns out quick; after a
// slow one (memory full of dirty pages, a disk that has to be asked) everything goes to io_uring
// for a while, longer each time in a row. The LUN's loop alone.
class InlineGuard {
 public:
  static constexpr uint64_t kSlowNs = 500'000;
  static constexpr uint64_t kFirstPauseNs = 10'000'000;
  static constexpr uint64_t kLongestPauseNs = 1'000'000'000;

  [[nodiscard]] bool open(uint64_t now) const { return now >= closed_until_; }

  // An inline call that began at `start` has just ended.
  void ended(uint64_t start, uint64_t now) {
    if (now - start < kSlowNs) {
      pause_ = kFirstPauseNs;
      return;
    }
    closed_until_ = now + pause_;
    pause_ = std::min(pause_ * 2, kLongestPauseNs);
  }

 private:
  uint64_t closed_until_ = 0;
  uint64_t pause_ = kFirstPauseNs;
};

}  // namespace tcmud::file
