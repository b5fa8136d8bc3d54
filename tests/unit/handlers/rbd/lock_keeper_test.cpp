// SPDX-License-Identifier: Apache-2.0
#include "rbd/lock_keeper.h"

#include <algorithm>
#include <cerrno>

#include <gtest/gtest.h>

#include "unit/handlers/rbd/lock_world.h"

namespace tcmud::rbd::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kHold(3000);

class LockKeeperTest : public ::testing::Test {
 protected:
  LockWorld world;
  Gateway a{world, "A", kHold};
  Gateway b{world, "B", kHold};

  static uint32_t state(Gateway& gateway) { return gateway.status().state; }
};

TEST_F(LockKeeperTest, AFreeLockIsTakenAtOnceAndWritesGoOnceEnabled) {
  EXPECT_EQ(state(a), TCMUD_LOCK_FREE);
  a.keeper.acquire(1);
  EXPECT_FALSE(a.gate.is_open());
  world.pass(milliseconds(0));
  EXPECT_EQ(state(a), TCMUD_LOCK_ACQUIRED);
  EXPECT_FALSE(a.gate.is_open()) << "before the core allowed it";
  EXPECT_GT(a.events, 0);
  a.keeper.enable();
  EXPECT_EQ(state(a), TCMUD_LOCK_ENABLED);
  EXPECT_TRUE(a.gate.is_open());
  EXPECT_EQ(a.status().attempts, 1u);
  EXPECT_EQ(a.status().acquired, 1u);
  EXPECT_TRUE(world.fenced.empty());
}

TEST_F(LockKeeperTest, EnableWithoutTheLockOpensNothing) {
  a.keeper.enable();
  EXPECT_FALSE(a.gate.is_open());
  ASSERT_TRUE(a.get());
  a.keeper.release();
  a.keeper.enable();
  EXPECT_FALSE(a.gate.is_open());
  world.pass(milliseconds(10));
  a.keeper.enable();
  EXPECT_FALSE(a.gate.is_open());
}

TEST_F(LockKeeperTest, RepeatedCallsOfAcquireAreOneAttempt) {
  a.keeper.acquire(1);
  a.keeper.acquire(1);
  a.keeper.acquire(1);
  world.pass(seconds(1));
  EXPECT_EQ(a.status().attempts, 1u);
  EXPECT_EQ(a.status().acquired, 1u);
}

TEST_F(LockKeeperTest, AskedForItsOwnerGivesItUpAndIsNotFenced) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  const int events = a.events;
  ASSERT_TRUE(b.get(milliseconds(100)));
  EXPECT_FALSE(a.gate.is_open());
  EXPECT_GT(a.events, events);
  EXPECT_EQ(a.status().lost, 0u) << "given away, not lost";
  EXPECT_TRUE(world.fenced.empty());
}

TEST_F(LockKeeperTest, TheOwnerKeepsItForItsHoldTimeAndWhoAsksIsTold) {
  ASSERT_TRUE(a.get());
  world.pass(milliseconds(1000));
  b.keeper.acquire(2);
  world.pass(milliseconds(0));
  EXPECT_EQ(state(b), TCMUD_LOCK_FOREIGN);
  EXPECT_EQ(b.status().wait_ms, 2000u);
  EXPECT_EQ(b.status().attempts, 0u) << "it goes on";
  EXPECT_TRUE(a.gate.is_open());
  world.pass(milliseconds(1999));
  EXPECT_TRUE(a.gate.is_open());
  world.pass(milliseconds(20));
  EXPECT_EQ(state(b), TCMUD_LOCK_ACQUIRED);
  EXPECT_EQ(b.status().attempts, 1u);
  EXPECT_TRUE(world.fenced.empty());
}

TEST_F(LockKeeperTest, WritesUnderWayEndBeforeItIsGivenUp) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  ASSERT_TRUE(a.gate.enter());
  b.keeper.acquire(2);
  world.later(milliseconds(500), [&] {
    EXPECT_FALSE(a.gate.is_open()) << "no further ones";
    EXPECT_EQ(world.owner, a.address());
    EXPECT_EQ(state(b), TCMUD_LOCK_FOREIGN);
    a.gate.leave();
  });
  world.pass(milliseconds(600));
  EXPECT_EQ(state(b), TCMUD_LOCK_ACQUIRED);
  EXPECT_TRUE(world.fenced.empty());
}

// A slow cluster is no reason to fence an owner that is alive.
TEST_F(LockKeeperTest, AnOwnerWhoseWritesTakeLongAsksForPatience) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  ASSERT_TRUE(a.gate.enter());
  b.keeper.acquire(2);
  world.pass(seconds(7));
  EXPECT_EQ(world.owner, a.address());
  EXPECT_TRUE(world.fenced.empty());
  a.gate.leave();
  world.pass(seconds(1));
  EXPECT_EQ(state(b), TCMUD_LOCK_ACQUIRED);
  EXPECT_TRUE(world.fenced.empty());
}

TEST_F(LockKeeperTest, AnAttemptThatOthersKeepWaitingEndsSomeTime) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  ASSERT_TRUE(a.gate.enter());
  b.keeper.acquire(2);
  world.pass(seconds(12));
  EXPECT_EQ(b.status().attempts, 1u);
  EXPECT_EQ(state(b), TCMUD_LOCK_FOREIGN);
  a.gate.leave();
}

// Its time was over, but an OSD may still have it, and do it after the new owner's writes.
TEST_F(LockKeeperTest, AnOwnerWithAWriteThatMayStillComeIsFenced) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  a.uncertain_write = true;
  ASSERT_TRUE(b.get(milliseconds(100)));
  EXPECT_TRUE(a.fenced());
  a.reopen();
  EXPECT_EQ(a.status().lost, 1u);
  EXPECT_EQ(state(a), TCMUD_LOCK_FOREIGN);
}

TEST_F(LockKeeperTest, AnOwnerThatIsDeadIsFencedWithinFiveSeconds) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  a.kill();
  EXPECT_TRUE(b.get(seconds(5)));
  EXPECT_TRUE(a.fenced());
}

TEST_F(LockKeeperTest, AnOwnerThatDiesWhileItGivesTheLockUpIsFenced) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  ASSERT_TRUE(a.gate.enter());
  b.keeper.acquire(2);
  world.later(milliseconds(100), [&] { a.kill(); });
  world.pass(seconds(5));
  EXPECT_EQ(state(b), TCMUD_LOCK_ACQUIRED);
  EXPECT_TRUE(a.fenced());
}

TEST_F(LockKeeperTest, WhatTheOneWhoAskedDoesNotTakeAnyMoreIsFree) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  ASSERT_TRUE(a.gate.enter());
  b.keeper.acquire(2);
  world.later(milliseconds(100), [&] {
    b.kill();
    a.gate.leave();
  });
  world.pass(milliseconds(200));
  EXPECT_EQ(world.owner, "");
  EXPECT_TRUE(a.get(milliseconds(100)));
  EXPECT_TRUE(world.fenced.empty());
}

// A client that is no gateway of ours: qemu, or the kernel.
TEST_F(LockKeeperTest, AnOwnerThatDoesNotListenIsFenced) {
  world.owner = "somebody/1";
  EXPECT_TRUE(b.get(seconds(1)));
  EXPECT_TRUE(world.fenced.contains("somebody/1"));
}

// The OSDs may be slow and the owner in good health; fencing would be no help.
TEST_F(LockKeeperTest, NobodyIsFencedBecauseAskingFailed) {
  ASSERT_TRUE(a.get());
  world.pass(kHold);
  b.keeper.acquire(2);
  b.fail_with = -ETIMEDOUT;
  b.fail_call = 4;  // is_owner, owner, get_tag, ask
  world.pass(seconds(1));
  EXPECT_TRUE(world.fenced.empty());
  EXPECT_EQ(b.status().attempts, 1u);
  EXPECT_EQ(state(b), TCMUD_LOCK_FOREIGN);
  EXPECT_TRUE(b.get());
  EXPECT_TRUE(world.fenced.empty());
}

// The fence of a third gateway's, of which we know nothing yet: an OSD that has not heard of it
// would do the fenced one's writes after ours.
TEST_F(LockKeeperTest, EvenAFreeLockIsUsedOnlyWhenAllFencesAreKnown) {
  ASSERT_TRUE(a.get());
  world.fence(a.address());
  world.owner.clear();
  ASSERT_TRUE(b.get());
  EXPECT_EQ(b.known_map, world.map);
}

TEST_F(LockKeeperTest, WithoutKnowingOfFencesItIsNotOurs) {
  b.fail_call = 4;  // is_owner, owner, acquire, await_fences
  EXPECT_FALSE(b.get());
  EXPECT_FALSE(b.gate.is_open());
  EXPECT_EQ(b.status().attempts, 1u);
  EXPECT_TRUE(b.get());
}

TEST_F(LockKeeperTest, TheOwnersGroupIsToldToOthers) {
  ASSERT_TRUE(a.get());
  world.pass(milliseconds(1));
  EXPECT_EQ(state(b), TCMUD_LOCK_FOREIGN);
  EXPECT_EQ(b.status().group, 1);
  EXPECT_STREQ(b.status().holder, a.address().c_str());
  EXPECT_EQ(world.tag, "tcmu_tag=1,rbd_client=A/1");
  EXPECT_GT(b.events, 0);
}

TEST_F(LockKeeperTest, WhoComesLaterReadsTheOwnersGroup) {
  ASSERT_TRUE(a.get());
  world.pass(milliseconds(1));
  Gateway c(world, "C", kHold);
  EXPECT_EQ(state(c), TCMUD_LOCK_FOREIGN);
  EXPECT_EQ(c.status().group, 1);
}

TEST_F(LockKeeperTest, TheGroupOfAnEarlierOwnerIsNotTakenForThisOnes) {
  ASSERT_TRUE(a.get());
  world.pass(milliseconds(1));
  a.gate.close();  // what the model demands of who has it not
  world.owner = "somebody/1";
  b.keeper.look();
  EXPECT_EQ(b.status().group, -1);
  EXPECT_STREQ(b.status().holder, "somebody/1");
}

TEST_F(LockKeeperTest, AnotherGroupOfOursIsToldToo) {
  ASSERT_TRUE(a.get());
  world.pass(milliseconds(1));
  a.keeper.acquire(9);
  world.pass(milliseconds(1));
  EXPECT_EQ(b.status().group, 9);
  EXPECT_EQ(world.tag, "tcmu_tag=9,rbd_client=A/1");
}

// Writing the tag may last: a third client that hangs is waited for.
TEST_F(LockKeeperTest, AnOwnerThatIsBusyWithItselfAnswersAtOnce) {
  a.latency = milliseconds(2000);
  a.keeper.acquire(1);
  ASSERT_TRUE(world.pass_until(seconds(60), [&] { return state(a) == TCMUD_LOCK_ACQUIRED; }));
  a.keeper.enable();
  EXPECT_TRUE(b.get());
  EXPECT_TRUE(world.fenced.empty());
}

TEST_F(LockKeeperTest, GivenUpOnDemandItIsFreeAndTold) {
  ASSERT_TRUE(a.get());
  ASSERT_TRUE(a.gate.enter());
  a.keeper.release();
  world.pass(milliseconds(100));
  EXPECT_FALSE(a.gate.is_open());
  EXPECT_EQ(world.owner, a.address());
  const int events = a.events;
  a.gate.leave();
  world.pass(milliseconds(100));
  EXPECT_EQ(world.owner, "");
  EXPECT_EQ(state(a), TCMUD_LOCK_FREE);
  EXPECT_GT(a.events, events);
}

TEST_F(LockKeeperTest, AnAttemptThatIsNotWantedAnyMoreEndsWithoutTheLock) {
  a.keeper.acquire(1);
  a.keeper.release();
  world.pass(milliseconds(100));
  EXPECT_EQ(world.owner, "");
  EXPECT_EQ(a.status().attempts, 1u);
}

TEST_F(LockKeeperTest, WantedAgainWhileItIsGivenUpItIsTakenAgain) {
  ASSERT_TRUE(a.get());
  ASSERT_TRUE(a.gate.enter());
  a.keeper.release();
  a.keeper.acquire(1);
  world.pass(milliseconds(100));
  a.gate.leave();
  world.pass(milliseconds(100));
  EXPECT_EQ(state(a), TCMUD_LOCK_ACQUIRED);
}

TEST_F(LockKeeperTest, FencedItIsLostAndWithANewClientToBeHadAgain) {
  ASSERT_TRUE(a.get());
  world.fence(a.address());
  const int events = a.events;
  a.keeper.acquire(1);
  a.keeper.suspect();
  EXPECT_EQ(a.status().lost, 1u);
  EXPECT_FALSE(a.gate.is_open());
  EXPECT_GT(a.events, events);
  a.reopen();
  EXPECT_EQ(a.status().lost, 1u) << "once is enough";
  EXPECT_TRUE(a.get());
  EXPECT_EQ(world.owner, "A/2");
  EXPECT_EQ(a.status().acquired, 2u);
}

TEST_F(LockKeeperTest, AnAttemptWaitsForANewClient) {
  a.keeper.detach();
  a.keeper.acquire(1);
  world.pass(seconds(60));
  EXPECT_EQ(a.status().attempts, 0u);
  a.reopen();
  world.pass(milliseconds(1));
  EXPECT_EQ(state(a), TCMUD_LOCK_ACQUIRED);
}

TEST_F(LockKeeperTest, AWriteThatComesBackForWantOfTheLockIsLookedInto) {
  ASSERT_TRUE(a.get());
  a.keeper.suspect();
  EXPECT_TRUE(a.gate.is_open()) << "it is still ours";
  world.owner = "somebody/1";
  a.gate.close();  // what the model demands of who has it not
  a.keeper.suspect();
  EXPECT_EQ(a.status().lost, 1u);
  world.pass(milliseconds(1));
  EXPECT_EQ(state(a), TCMUD_LOCK_FOREIGN);
}

TEST_F(LockKeeperTest, AHeaderThatChangedIsLookedAtByTheOwner) {
  ASSERT_TRUE(a.get());
  a.keeper.look();
  EXPECT_TRUE(a.gate.is_open());
  a.gate.close();  // what the model demands of who has it not
  world.owner.clear();
  a.keeper.look();
  EXPECT_EQ(state(a), TCMUD_LOCK_FREE);
  EXPECT_EQ(a.status().lost, 1u);
}

TEST_F(LockKeeperTest, AWatchThatBrokeIsSetUpAgain) {
  a.fail_call = 1;
  a.keeper.deaf();
  ASSERT_TRUE(b.get());
  world.pass(milliseconds(100));
  world.pass(seconds(2));
  EXPECT_EQ(state(a), TCMUD_LOCK_FOREIGN) << "what was missed is looked up";
}

TEST_F(LockKeeperTest, ClosedItIsGivenUp) {
  {
    Gateway c(world, "C", kHold);
    ASSERT_TRUE(c.get());
  }
  EXPECT_EQ(world.owner, "");
  EXPECT_TRUE(a.get());
  EXPECT_TRUE(world.fenced.empty());
}

TEST_F(LockKeeperTest, ClosedWithAWriteThatMayStillComeItFencesItself) {
  {
    Gateway c(world, "C", kHold);
    ASSERT_TRUE(c.get());
    c.uncertain_write = true;
  }
  EXPECT_TRUE(world.fenced.contains("C/1"));
  EXPECT_TRUE(a.get(seconds(5)));
}

TEST_F(LockKeeperTest, WithSeveralThatAskOneGetsItAndNobodyIsFenced) {
  Gateway c(world, "C", kHold);
  ASSERT_TRUE(a.get());
  for (Gateway* gateway : {&a, &b, &c}) {
    gateway->latency = milliseconds(3);
  }
  for (int round = 0; round < 20; ++round) {
    for (Gateway* gateway : {&a, &b, &c}) {
      gateway->keeper.acquire(1);
    }
    for (int step = 0; step < 100; ++step) {
      world.pass(milliseconds(50));
      for (Gateway* gateway : {&a, &b, &c}) {
        gateway->keeper.enable();
      }
      world.check();
    }
    EXPECT_NE(world.owner, "");
  }
  EXPECT_TRUE(world.fenced.empty());
  // A hundred seconds, each owner keeping it for three.
  EXPECT_GT(world.moves, 20u);
  EXPECT_LE(world.moves, 100u / 3 + 1);
}

// Initiators that send to both paths at once: the hold time bounds how often the lock moves.
TEST_F(LockKeeperTest, TheHoldTimeBoundsTheMoves) {
  for (int second = 0; second < 600; ++second) {
    for (Gateway* gateway : {&a, &b}) {
      gateway->keeper.acquire(1);
      world.pass(milliseconds(50));
      gateway->keeper.enable();
    }
  }
  EXPECT_GE(world.moves, 60u / 4);
  EXPECT_LE(world.moves, 60u / 3 + 1);
  EXPECT_TRUE(world.fenced.empty());
}

// Whatever call to the cluster fails, and whether it was done all the same or not: never do both
// write, and in the end whoever asks gets the lock.
TEST(LockKeeperFailures, EachCallMayFailAtAnyTime) {
  for (const int error : {-EIO, -ETIMEDOUT, -EBUSY, -EROFS, -ENOENT, -EINVAL, -EAGAIN}) {
    for (const bool late : {false, true}) {
      for (const bool dead : {false, true}) {
        for (const bool owner_fails : {false, true}) {
          for (int k = 1; k < 14; ++k) {
            SCOPED_TRACE(std::to_string(error) + (late ? " late" : "") + (dead ? " dead" : "") +
                         (owner_fails ? " at the owner" : "") + ", call " + std::to_string(k));
            LockWorld world;
            Gateway a(world, "A", kHold);
            Gateway b(world, "B", kHold);
            ASSERT_TRUE(a.get());
            world.pass(kHold);
            Gateway& failing = owner_fails ? a : b;
            failing.fail_call = k;
            failing.fail_with = error;
            failing.fail_late = late;
            if (dead) {
              a.kill();
            }
            bool got = false;
            for (int i = 0; i < 4 && !got; ++i) {
              got = b.get();
            }
            EXPECT_TRUE(got);
            if (a.alive && a.fenced()) {
              a.reopen();
            }
            if (a.alive) {
              got = a.get() || a.get() || a.get();
              EXPECT_TRUE(got) << "nor does it find back";
            }
            ASSERT_EQ(world.take_broken(), "");
            if (::testing::Test::HasFailure()) {
              return;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace tcmud::rbd::test
