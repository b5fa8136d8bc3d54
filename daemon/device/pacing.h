// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

namespace tcmud::device {

// Is it worth looking at the ring for a moment before sleeping? Sleeping and being woken costs some
// 10 µs of CPU and more of latency, so while commands follow each other closely a loop that looks
// is faster and cheaper than one that sleeps; while they don't, looking is waste.
//
// Learns from its own tries: while every second one finds work it goes on, since a sleep also slows
// the other side down, and the next command comes later for it. At a score of zero there is only a
// probe now and then, ever rarer. So an idle LUN costs nothing, a busy one is found out within a
// few commands, and a machine short of CPUs (a try that was interrupted) is left alone for a while.
// Pure: one thread, no clock of its own.
class Poller {
 public:
  explicit Poller(uint32_t limit_ns) : limit_ns_(limit_ns) {}

  // The loop has nothing to do: how long may it look (ns)? 0: go to sleep. The limit is meant for
  // small commands; where the last one had more `bytes` of data, the other side has those to copy
  // before it can go on.
  [[nodiscard]] uint32_t budget(uint64_t bytes) {
    if (limit_ns_ == 0 || (score_ == 0 && ++sleeps_ < probe_after_)) {
      return 0;
    }
    sleeps_ = 0;
    return limit_ns_ +
           static_cast<uint32_t>(std::min<uint64_t>(bytes / kBytesPerNs, limit_ns_ * 2));
  }

  void found_work() {
    score_ = std::min(score_ + 1, kMaxScore);
    probe_after_ = kFirstProbe;
  }
  void found_nothing() {
    score_ = std::max(score_ - 1, 0);
    probe_after_ = std::min(probe_after_ * 2, kRarestProbe);
  }
  // The thread was off its CPU while it looked: somebody else needs it.
  void interrupted() {
    score_ = 0;
    sleeps_ = 0;
    probe_after_ = kRarestProbe;
  }

 private:
  static constexpr int kMaxScore = 5;
  static constexpr uint64_t kBytesPerNs = 6;  // what a CPU copies from another one's cache
  static constexpr uint32_t kFirstProbe = 4, kRarestProbe = 256;

  uint32_t limit_ns_;
  int score_ = 0;
  uint32_t sleeps_ = 0;
  uint32_t probe_after_ = kFirstProbe;
};

// How many finished commands, and bytes of data-in, are collected before the kernel is told.
//
// Half the queue: while we work on one half, the other side completes and refills the other. Later
// would leave it idle, and a shallow queue stuttering; sooner costs kicks, each a system call. How
// deep the queue is shows when there is a look at the ring: the most that was outstanding lately.
// The kernel copies data-in under locks while it is kicked, so bytes are bounded too. Pure: one
// thread.
class KickPolicy {
 public:
  static constexpr uint32_t kMostCommands = 64;
  static constexpr uint64_t kMostBytes = 512 << 10;  // data-in

  // A look found so many commands, counting all that the kernel has not been told the end of.
  void seen(uint32_t outstanding) {
    const uint32_t faded = depth_ - (depth_ + kFade - 1) / kFade;
    depth_ = std::max(faded, outstanding);
  }

  [[nodiscard]] bool due(uint32_t unkicked, uint64_t bytes) const {
    const uint32_t half = depth_ / 2;
    return unkicked >= std::clamp(half, 2U, kMostCommands + 1) - 1 || bytes >= kMostBytes;
  }

 private:
  static constexpr uint32_t kFade = 16;

  uint32_t depth_ = 0;
};

}  // namespace tcmud::device
