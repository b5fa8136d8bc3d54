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
    guard.ended(now, now + kFast);
  }
}

TEST(InlineGuard, closes_for_a_while_after_a_slow_call) {
  InlineGuard guard;
  guard.ended(0, kSlow);
  EXPECT_FALSE(guard.open(kSlow));
  EXPECT_FALSE(guard.open(kSlow + InlineGuard::kFirstPauseNs - 1));
  EXPECT_TRUE(guard.open(kSlow + InlineGuard::kFirstPauseNs));
}

TEST(InlineGuard, pauses_longer_each_time_but_never_for_good) {
  InlineGuard guard;
  uint64_t now = 0;
  uint64_t last_pause = 0;
  for (int i = 0; i < 20; ++i) {
    guard.ended(now, now + kSlow);
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
  guard.ended(now, now + kFast);
  guard.ended(now, now + kSlow);
  EXPECT_TRUE(guard.open(now + kSlow + InlineGuard::kFirstPauseNs)) << "a quick call makes good";
}

}  // namespace
}  // namespace tcmud::file
