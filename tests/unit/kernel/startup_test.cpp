// SPDX-License-Identifier: Apache-2.0
#include "kernel/startup.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "unit/kernel/temporary_directory.h"

namespace tcmud::kernel {
namespace {

class StartupTest : public testing::Test {
 protected:
  static constexpr const char* kBlock = "module/target_core_user/parameters/block_netlink";
  static constexpr const char* kReset = "module/target_core_user/parameters/reset_netlink";

  Result<void> run(Result<void> joined = {}) {
    return with_events_blocked(paths, [&]() -> Result<void> {
      ++joins;
      blocked_at_join = sysfs.read(kBlock);
      reset_at_join = sysfs.read(kReset);
      return joined;
    });
  }

  test::TemporaryDirectory sysfs;
  const KernelPaths paths = {sysfs.path(), "/nowhere"};
  int joins = 0;
  std::string blocked_at_join;
  std::string reset_at_join;
};

TEST_F(StartupTest, JoinsWithEventsBlockedAndWaitersFreed) {
  sysfs.write(kBlock, "");
  sysfs.write(kReset, "");
  ASSERT_TRUE(run());
  EXPECT_EQ(joins, 1);
  EXPECT_EQ(blocked_at_join, "1");
  EXPECT_EQ(reset_at_join, "1");
  EXPECT_EQ(sysfs.read(kBlock)[0], '0');
}

TEST_F(StartupTest, EventsComeAgainAlsoIfJoiningFails) {
  sysfs.write(kBlock, "");
  sysfs.write(kReset, "");
  const auto joined = run(fail(ENOENT, "no family"));
  ASSERT_FALSE(joined);
  EXPECT_EQ(joined.error().code, ENOENT);
  EXPECT_EQ(sysfs.read(kBlock)[0], '0');
}

TEST_F(StartupTest, AKernelWithoutTheParametersIsJoinedAllTheSame) {
  ASSERT_TRUE(run());
  EXPECT_EQ(joins, 1);
}

TEST_F(StartupTest, WaitersAreNotFreedWhileEventsComeIn) {
  sysfs.write(kReset, "");
  ASSERT_TRUE(run());
  EXPECT_EQ(reset_at_join, "");
}

TEST_F(StartupTest, EventsThatStayBlockedAreAnError) {
  sysfs.write(kBlock, "");
  const auto joined = with_events_blocked(paths, [&]() -> Result<void> {
    std::filesystem::remove(sysfs.at(kBlock));
    return {};
  });
  ASSERT_FALSE(joined);
  EXPECT_NE(joined.error().message.find("events"), std::string::npos);
}

TEST_F(StartupTest, WaitersForLostEventsAreFreedWhileEventsAreBlocked) {
  sysfs.write(kBlock, "");
  sysfs.write(kReset, "");
  const auto freed = free_waiters(paths, [&] {
    EXPECT_EQ(sysfs.read(kBlock), "1");
    EXPECT_EQ(sysfs.read(kReset), "");
    return true;
  });
  EXPECT_TRUE(freed.value());
  EXPECT_EQ(sysfs.read(kReset), "1");
  EXPECT_EQ(sysfs.read(kBlock)[0], '0');
}

TEST_F(StartupTest, NobodyIsFreedWhoWaitsForAnAnswerOfOurs) {
  sysfs.write(kBlock, "");
  sysfs.write(kReset, "");
  EXPECT_FALSE(free_waiters(paths, [] { return false; }).value());
  EXPECT_EQ(sysfs.read(kReset), "");
  EXPECT_EQ(sysfs.read(kBlock)[0], '0');
}

TEST_F(StartupTest, WhereNobodyCanBeFreedNothingIsLeftToDo) {
  EXPECT_TRUE(free_waiters(paths, [] { return false; }).value());
}

}  // namespace
}  // namespace tcmud::kernel
