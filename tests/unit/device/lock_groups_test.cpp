// SPDX-License-Identifier: Apache-2.0
#include "device/lock_groups.h"

#include <gtest/gtest.h>

namespace tcmud::device {
namespace {

using scsi::AccessState;
using scsi::StateRequest;
using scsi::TargetPortGroup;

constexpr uint8_t kAll = 0xFF;

TargetPortGroup group(uint16_t id, bool ours, AccessState state, bool implicitly = true,
                      bool explicitly = false, uint8_t supported = kAll) {
  TargetPortGroup group;
  group.id = id;
  group.state = state;
  group.implicitly = implicitly;
  group.explicitly = explicitly;
  group.supported = supported;
  group.ports.resize(1);
  group.ports[0].enabled = ours;
  return group;
}

tcmud_lock_status status(uint32_t state, int32_t group = -1) {
  tcmud_lock_status status{};
  status.size = sizeof status;
  status.state = state;
  status.group = group;
  return status;
}

using Changes = std::vector<StateRequest>;

TEST(LockGroups, TheHoldersGroupIsOptimizedAndTheOthersAreNot) {
  const std::vector groups = {group(1, true, AccessState::kActiveNonOptimized),
                              group(2, false, AccessState::kActiveOptimized)};
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_ENABLED)),
            (Changes{{1, AccessState::kActiveOptimized}, {2, AccessState::kActiveNonOptimized}}));
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_FOREIGN, 2)), Changes{});
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_FOREIGN, 1)),
            (Changes{{1, AccessState::kActiveOptimized}, {2, AccessState::kActiveNonOptimized}}));
}

TEST(LockGroups, WhileNobodyHasTheLockTheAdministratorsStatesStand) {
  const std::vector groups = {group(1, true, AccessState::kActiveNonOptimized)};
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_FREE)), Changes{});
}

// The holder may be one of the groups that are not ours, and nobody knows which.
TEST(LockGroups, AnUnknownHolderMakesOnlyOurOwnGroupsLess) {
  const std::vector groups = {group(1, true, AccessState::kActiveOptimized),
                              group(2, false, AccessState::kActiveOptimized)};
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_FOREIGN)),
            (Changes{{1, AccessState::kActiveNonOptimized}}));
}

TEST(LockGroups, AGroupThatMovesExplicitlyOnlyIsInStandbyWithoutTheLock) {
  const std::vector groups = {group(1, true, AccessState::kActiveOptimized, false, true),
                              group(2, false, AccessState::kStandby, false, true)};
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_FOREIGN, 2)),
            (Changes{{1, AccessState::kStandby}, {2, AccessState::kActiveOptimized}}));
}

TEST(LockGroups, WhatAGroupDoesNotSupportItIsNotMade) {
  const uint8_t no_non_optimized = kAll & ~scsi::kSupportsActiveNonOptimized;
  const uint8_t neither = no_non_optimized & ~scsi::kSupportsStandby;
  const std::vector groups = {
      group(1, true, AccessState::kActiveOptimized, true, false, no_non_optimized),
      group(2, true, AccessState::kActiveOptimized, true, false, neither)};
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_FOREIGN)),
            (Changes{{1, AccessState::kStandby}}));
}

TEST(LockGroups, WhatAnAdministratorPutAsideStaysSo) {
  const std::vector groups = {group(1, true, AccessState::kUnavailable),
                              group(2, true, AccessState::kOffline),
                              group(3, true, AccessState::kTransitioning),
                              group(4, true, AccessState::kActiveNonOptimized, false, false)};
  EXPECT_EQ(states_for_lock(groups, status(TCMUD_LOCK_ENABLED)), Changes{});
}

TEST(LockGroups, OurGroupIsKnownWhereThereIsExactlyOne) {
  EXPECT_EQ(our_group({}), -1);
  EXPECT_EQ(our_group({group(1, false, AccessState::kStandby)}), -1);
  EXPECT_EQ(
      our_group({group(1, false, AccessState::kStandby), group(7, true, AccessState::kStandby)}),
      7);
  EXPECT_EQ(
      our_group({group(1, true, AccessState::kStandby), group(7, true, AccessState::kStandby)}),
      -1);
}

TEST(LockGroups, TheLockMovesWithCommandsUnlessAllOurGroupsMoveExplicitlyOnly) {
  const auto state = AccessState::kActiveOptimized;
  EXPECT_FALSE(moves_explicitly({}));
  EXPECT_FALSE(moves_explicitly({group(1, false, state, false, true)}));
  EXPECT_TRUE(moves_explicitly({group(1, true, state, false, true), group(2, false, state)}));
  EXPECT_FALSE(moves_explicitly({group(1, true, state, true, true)}));
  EXPECT_FALSE(
      moves_explicitly({group(1, true, state, false, true), group(2, true, state, true, false)}));
  EXPECT_FALSE(moves_explicitly({group(1, true, state, false, false)}));
}

}  // namespace
}  // namespace tcmud::device
