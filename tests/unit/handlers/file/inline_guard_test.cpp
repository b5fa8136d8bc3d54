// SPDX-License-Identifier: Apache-2.0
#include "file/inline_guard.h"

#include <gtest/gtest.h>

namespace tcmud::file {
namespace {

constexpr uint64_t kFast = 5'000;
constexpr uint64_t kSlow = InlineGuard::kSlowNs;

TEST(InlineGuard, stays_open_while_calls_are_quick) {
  InlineGuard guard;
  for (uint64_t now = 1; now < 1'000'000; now += kFast) {
    EXPECT_TRUE(guard.open(now));
    EXPECT_FALSE(guard.watching());
    guard.ended(now, now + kFast, false);
  }
}

TEST(InlineGuard, one_slow_call_makes_it_watch_and_the_next_that_slept_closes_it_for_a_while) {
  InlineGuard guard;
  guard.ended(0, kSlow, false);
  EXPECT_TRUE(guard.open(kSlow));
  EXPECT_TRUE(guard.watching());
  guard.ended(kSlow, 2 * kSlow, true);
  EXPECT_FALSE(guard.open(2 * kSlow));
  EXPECT_FALSE(guard.open(2 * kSlow + InlineGuard::kFirstPauseNs - 1));
  EXPECT_TRUE(guard.open(2 * kSlow + InlineGuard::kFirstPauseNs));
}

// On a crowded machine the CPU is taken away in the middle of a call: io_uring would not make that
// better.
TEST(InlineGuard, slow_calls_that_never_slept_do_not_close_it) {
  InlineGuard guard;
  for (uint64_t now = 0; now < 100 * kSlow; now += kSlow) {
    guard.ended(now, now + kSlow, false);
    EXPECT_TRUE(guard.open(now + kSlow));
  }
}

TEST(InlineGuard, stops_watching_after_enough_quick_calls) {
  InlineGuard guard;
  guard.ended(0, kSlow, false);
  for (uint32_t i = 0; i < InlineGuard::kWatchedCalls; ++i) {
    EXPECT_TRUE(guard.watching());
    guard.ended(kSlow, kSlow + kFast, true);
  }
  EXPECT_FALSE(guard.watching());
}

TEST(InlineGuard, pauses_longer_each_time_but_never_for_good) {
  InlineGuard guard;
  uint64_t now = 0;
  uint64_t last_pause = 0;
  guard.ended(now, now + kSlow, true);
  for (int i = 0; i < 20; ++i) {
    guard.ended(now, now + kSlow, true);
    now += kSlow;
    uint64_t pause = 0;
    while (!guard.open(now + pause)) {
      pause += InlineGuard::kFirstPauseNs;
    }
    EXPECT_GE(pause, last_pause);
    EXPECT_LE(pause, InlineGuard::kLongestPauseNs);
    last_pause = pause;
    now += pause;
  }
  EXPECT_EQ(last_pause, InlineGuard::kLongestPauseNs);
  for (uint32_t i = 0; i < InlineGuard::kWatchedCalls; ++i) {
    guard.ended(now, now + kFast, false);
  }
  guard.ended(now, now + kSlow, true);
  guard.ended(now, now + kSlow, true);
  EXPECT_TRUE(guard.open(now + kSlow + InlineGuard::kFirstPauseNs)) << "quick calls make good";
}

}  // namespace
}  // namespace tcmud::file
