// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/gateway.h"

namespace tcmud::test {

// An initiator with several paths to one LUN, which knows what the LUN must hold: it repeats each
// write until it is done, by way of another path if need be, and then writes something newer there.
class MultipathLoad {
 public:
  static constexpr uint32_t kBlockBytes = 4096;  // one write
  using Clock = std::chrono::steady_clock;

  enum class Policy {
    kFailover,  // all go one way, and the next when that is dead
    kAlternate  // each write goes another way than the one before
  };

  MultipathLoad(std::vector<Gateway*> paths, uint64_t bytes, unsigned writers, Policy policy,
                std::chrono::milliseconds patience);
  ~MultipathLoad() { stop(); }
  MultipathLoad(const MultipathLoad&) = delete;
  MultipathLoad& operator=(const MultipathLoad&) = delete;

  void start();
  void stop();  // after the writes under way have ended

  // Since then: how long until the first write was done. Waits for it.
  std::chrono::milliseconds first_done_after(Clock::time_point when,
                                             std::chrono::milliseconds limit);
  [[nodiscard]] uint64_t done() const { return done_; }
  [[nodiscard]] uint64_t repeated() const { return repeated_; }  // answered BUSY

  // With nothing under way: is all of it as it must be?
  [[nodiscard]] ::testing::AssertionResult holds_through(const Gateway& gateway) const;
  [[nodiscard]] ::testing::AssertionResult holds_in_export(const std::string& image) const;

 private:
  void write(unsigned writer);
  [[nodiscard]] std::vector<uint8_t> content(uint64_t block, uint32_t version) const;
  [[nodiscard]] ::testing::AssertionResult holds(const std::vector<uint8_t>& all) const;

  const std::vector<Gateway*> paths_;
  const unsigned writers_;
  const Policy policy_;
  const std::chrono::milliseconds patience_;
  std::vector<uint32_t> versions_;  // of each block, 0 = never written; each writer has its own
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> done_{0};
  std::atomic<uint64_t> repeated_{0};
  mutable std::mutex mutex_;
  Clock::time_point watched_from_;  // guarded by mutex_, as is
  Clock::time_point first_done_;    // the first one that was begun after watched_from_
  std::string failure_;
};

}  // namespace tcmud::test
