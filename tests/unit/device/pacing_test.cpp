// SPDX-License-Identifier: Apache-2.0
#include "device/pacing.h"

#include <gtest/gtest.h>

namespace tcmud::device {
namespace {

TEST(Poller, LooksAllTheTimeWhileThatFindsWork) {
  Poller poller(50'000);
  while (poller.budget(4096) == 0) {
  }
  poller.found_work();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(poller.budget(0), 50'000U);
    poller.found_work();
  }
}

TEST(Poller, LooksLongerWhereTheOtherSideHasMuchToCopyButNotMuchLonger) {
  Poller poller(50'000);
  poller.found_work();
  EXPECT_LT(poller.budget(4096), 52'000U);
  EXPECT_GT(poller.budget(512 << 10), 100'000U);
  EXPECT_EQ(poller.budget(UINT64_MAX), 150'000U);
}

TEST(Poller, StopsSoonWhenTheCommandsStop) {
  Poller poller(50'000);
  while (poller.budget(4096) == 0) {
  }
  for (int i = 0; i < 1000; ++i) {
    poller.found_work();
  }
  int looks = 0;
  while (poller.budget(4096) > 0) {
    poller.found_nothing();
    ++looks;
  }
  EXPECT_LE(looks, 5);
}

TEST(Poller, ProbesEverMoreRarelyWhereLookingFindsNothing) {
  Poller poller(50'000);
  int looks = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (poller.budget(4096) > 0) {
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
  while (poller.budget(4096) == 0) {
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
    EXPECT_EQ(poller.budget(4096), 0U);
  }
}

TEST(Poller, ALimitOfZeroMeansNever) {
  Poller poller(0);
  poller.found_work();
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(poller.budget(4096), 0U);
  }
}

TEST(KickPolicy, AShallowQueueIsToldOfEveryAnswer) {
  KickPolicy policy;
  EXPECT_TRUE(policy.due(1, 0));
  for (const uint32_t depth : {1U, 2U, 4U, 5U}) {
    policy.seen(depth);
    EXPECT_TRUE(policy.due(1, 0)) << depth;
  }
}

TEST(KickPolicy, ADeepOneInBatchesOfHalfOfIt) {
  KickPolicy policy;
  policy.seen(32);
  EXPECT_FALSE(policy.due(14, 0));
  EXPECT_TRUE(policy.due(15, 0));
  policy.seen(4096);
  EXPECT_FALSE(policy.due(KickPolicy::kMostCommands - 1, 0));
  EXPECT_TRUE(policy.due(KickPolicy::kMostCommands, 0));
}

TEST(KickPolicy, RemembersTheDepthForAWhileAndNotForEver) {
  KickPolicy policy;
  policy.seen(64);
  policy.seen(40);
  EXPECT_FALSE(policy.due(28, 0)) << "one look may meet half a queue";
  for (int i = 0; i < 100; ++i) {
    policy.seen(1);
  }
  EXPECT_TRUE(policy.due(1, 0));
}

TEST(KickPolicy, ManyBytesAreNotKeptBack) {
  KickPolicy policy;
  policy.seen(128);
  EXPECT_FALSE(policy.due(1, KickPolicy::kMostBytes - 1));
  EXPECT_TRUE(policy.due(1, KickPolicy::kMostBytes));
}

}  // namespace
}  // namespace tcmud::device
