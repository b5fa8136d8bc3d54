// SPDX-License-Identifier: Apache-2.0
#include "device/pacing.h"

#include <gtest/gtest.h>

namespace tcmud::device {
namespace {

TEST(Poller, LooksAllTheTimeWhileThatFindsWork) {
  Poller poller(50'000);
  while (poller.budget() == 0) {
  }
  poller.found_work();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(poller.budget(), 50'000U);
    poller.found_work();
  }
}

TEST(Poller, StopsSoonWhenTheCommandsStop) {
  Poller poller(50'000);
  while (poller.budget() == 0) {
  }
  for (int i = 0; i < 1000; ++i) {
    poller.found_work();
  }
  int looks = 0;
  while (poller.budget() > 0) {
    poller.found_nothing();
    ++looks;
  }
  EXPECT_LE(looks, 5);
}

TEST(Poller, ProbesEverMoreRarelyWhereLookingFindsNothing) {
  Poller poller(50'000);
  int looks = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (poller.budget() > 0) {
      ++looks;
      poller.found_nothing();
    }
  }
  EXPECT_GT(looks, 300) << "it would never find out that looking pays again";
  EXPECT_LT(looks, 500) << "sleeps: 100000";
}

TEST(Poller, ABusyRingIsFoundOutWithinFewSleeps) {
  Poller poller(50'000);
  int sleeps = 0;
  while (poller.budget() == 0) {
    ++sleeps;
  }
  EXPECT_LT(sleeps, 8);
}

TEST(Poller, AnInterruptionSwitchesItOffForAWhile) {
  Poller poller(50'000);
  for (int i = 0; i < 100; ++i) {
    poller.found_work();
  }
  poller.interrupted();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(poller.budget(), 0U);
  }
}

TEST(Poller, ALimitOfZeroMeansNever) {
  Poller poller(0);
  poller.found_work();
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(poller.budget(), 0U);
  }
}

TEST(KickPolicy, KicksEarlyWhileShallowLateWhileDeepAndNeverLaterThanItsBytes) {
  EXPECT_FALSE(KickPolicy::due(1, 0, 4));
  EXPECT_TRUE(KickPolicy::due(KickPolicy::kShallowBatch, 0, KickPolicy::kShallow));
  EXPECT_FALSE(KickPolicy::due(KickPolicy::kShallowBatch, 0, KickPolicy::kShallow + 1));
  EXPECT_TRUE(KickPolicy::due(KickPolicy::kDeepBatch, 0, 1000));
  EXPECT_TRUE(KickPolicy::due(1, KickPolicy::kBytes, 1000));
}

}  // namespace
}  // namespace tcmud::device
