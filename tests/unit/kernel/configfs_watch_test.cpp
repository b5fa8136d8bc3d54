// SPDX-License-Identifier: Apache-2.0
#include "kernel/configfs_watch.h"

#include <chrono>
#include <functional>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/kernel/temporary_directory.h"

namespace tcmud::kernel {
namespace {

using namespace std::chrono_literals;

// A directory that stands for configfs, whose every file system tells of changes in the same way.
class ConfigfsWatchTest : public ::testing::Test {
 protected:
  ConfigfsWatchTest() {
    sysfs_.write(kDevice + "wwn/vpd_unit_serial", "");
    sysfs_.write(kDevice + "attrib/alua_support", "1");
    sysfs_.write(kDevice + "attrib/emulate_write_cache", "1");
    sysfs_.write(kDevice + "alua/default_tg_pt_gp/alua_access_state", "0");
    sysfs_.write(kGroup + "enable", "0");
    sysfs_.write(kGroup + "lun/lun_0/alua_tg_pt_gp", "");
    sysfs_.write(kGroup + "lun/lun_0/alua_tg_pt_write_md", "0");
    watch_.emplace(KernelPaths{sysfs_.path(), "/nowhere"});
    EXPECT_TRUE(watch_->watch(device_, changes_));
    settle();
  }

  ConfigfsWatch::Directories directories(const std::string& device) {
    const std::string path = sysfs_.at(kTarget + device);
    return {.wwn = path + "wwn", .attrib = path + "attrib", .alua = path + "alua"};
  }
  // What the main loop does.
  void take(std::chrono::milliseconds time) {
    pollfd waiting{watch_->fd(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(time.count()));
    watch_->take_events();
  }
  // Until nothing has happened for a while: the thread has looked at what is new.
  void settle() {
    uint64_t before = 0;
    do {
      before = *changes_;
      for (int i = 0; i < 5; ++i) {
        take(20ms);
      }
    } while (before != *changes_);
  }
  // Is the LUN told when this is done?
  bool counts(const std::function<void()>& change) {
    settle();
    const uint64_t before = *changes_;
    change();
    for (int i = 0; i < 500 && *changes_ == before; ++i) {
      take(10ms);
    }
    return *changes_ != before;
  }
  bool does_not_count(const std::function<void()>& change) {
    settle();
    const uint64_t before = *changes_;
    change();
    settle();
    return *changes_ == before;
  }
  void make_directory(const std::string& path) {
    ASSERT_EQ(::mkdir(sysfs_.at(path).c_str(), 0755), 0);
  }

  static inline const std::string kTarget = "kernel/config/target/";
  static inline const std::string kDevice = kTarget + "core/user_3/disk0/";
  static inline const std::string kGroup = kTarget + "iscsi/iqn.x:y/tpgt_1/";
  const test::TemporaryDirectory sysfs_;
  const ConfigfsWatch::Directories device_ = directories("core/user_3/disk0/");
  const std::shared_ptr<ChangeCount> changes_ = std::make_shared<ChangeCount>(0);
  std::optional<ConfigfsWatch> watch_;
};

TEST_F(ConfigfsWatchTest, WhatIsWrittenOfTheDeviceCounts) {
  EXPECT_TRUE(counts([&] { sysfs_.write(kDevice + "wwn/vpd_unit_serial", "x"); }));
  EXPECT_TRUE(counts([&] { sysfs_.write(kDevice + "attrib/alua_support", "0"); }));
  EXPECT_TRUE(
      counts([&] { sysfs_.write(kDevice + "alua/default_tg_pt_gp/alua_access_state", "1"); }));
}

TEST_F(ConfigfsWatchTest, WhatInitiatorsAreNotToldDoesNotCount) {
  EXPECT_TRUE(does_not_count([&] { sysfs_.write(kDevice + "attrib/emulate_write_cache", "0"); }));
  EXPECT_TRUE(does_not_count([&] { sysfs_.write(kGroup + "nexus", "naa.1"); }));
  EXPECT_TRUE(does_not_count([&] { sysfs_.write(kGroup + "lun/lun_0/alua_tg_pt_write_md", "1"); }));
}

TEST_F(ConfigfsWatchTest, GroupsThatComeAndGoCount) {
  EXPECT_TRUE(counts([&] { make_directory(kDevice + "alua/ao"); }));
  // As who reads them does it.
  ASSERT_TRUE(watch_->watch(device_, changes_));
  EXPECT_TRUE(counts([&] { sysfs_.write(kDevice + "alua/ao/tg_pt_gp_id", "1"); }));
  EXPECT_TRUE(counts([&] { std::filesystem::remove_all(sysfs_.at(kDevice + "alua/ao")); }));
}

TEST_F(ConfigfsWatchTest, PortsThatAreThereCount) {
  EXPECT_TRUE(counts([&] { sysfs_.write(kGroup + "enable", "1"); }));
  EXPECT_TRUE(counts([&] { sysfs_.write(kGroup + "lun/lun_0/alua_tg_pt_gp", "ao"); }));
  const std::string link = sysfs_.at(kGroup + "lun/lun_0/anything");
  EXPECT_TRUE(counts([&] { ASSERT_EQ(::symlink("/nowhere", link.c_str()), 0); }));
  EXPECT_TRUE(counts([&] { ASSERT_EQ(::unlink(link.c_str()), 0); }));
}

TEST_F(ConfigfsWatchTest, PortsThatComeLaterCount) {
  // Everything at once, as targetcli restores it.
  const std::string group = kTarget + "loopback/naa.1/tpgt_7/";
  EXPECT_TRUE(counts([&] {
    for (const std::string& path :
         {kTarget + "loopback", kTarget + "loopback/naa.1", kTarget + "loopback/naa.1/tpgt_7",
          group + "lun", group + "lun/lun_3"}) {
      make_directory(path);
    }
  }));
  const std::string link = sysfs_.at(group + "lun/lun_3/x");
  EXPECT_TRUE(counts([&] { ASSERT_EQ(::symlink("/nowhere", link.c_str()), 0); }));
  EXPECT_TRUE(counts([&] { ASSERT_EQ(::unlink(link.c_str()), 0); }));
  EXPECT_TRUE(counts([&] { make_directory(group + "lun/lun_4"); }));
  EXPECT_TRUE(counts([&] { sysfs_.write(group + "lun/lun_4/alua_tg_pt_gp", "x"); }));
}

TEST_F(ConfigfsWatchTest, ADirectoryThatWasRemovedAndMadeAgainCounts) {
  EXPECT_TRUE(counts([&] { std::filesystem::remove_all(sysfs_.at(kTarget + "iscsi")); }));
  EXPECT_TRUE(counts([&] { sysfs_.write(kGroup + "lun/lun_0/alua_tg_pt_gp", "x"); }));
  EXPECT_TRUE(counts([&] { sysfs_.write(kGroup + "lun/lun_0/alua_tg_pt_gp", "y"); }));
}

TEST_F(ConfigfsWatchTest, EachLunHasItsOwnDirectoriesAndAllHaveThePorts) {
  sysfs_.write(kTarget + "core/user_4/disk1/wwn/vpd_unit_serial", "");
  sysfs_.write(kTarget + "core/user_4/disk1/attrib/alua_support", "1");
  sysfs_.write(kTarget + "core/user_4/disk1/alua/default_tg_pt_gp/alua_access_state", "0");
  const auto other = std::make_shared<ChangeCount>(0);
  ASSERT_TRUE(watch_->watch(directories("core/user_4/disk1/"), other));
  settle();
  uint64_t before = *other;
  EXPECT_TRUE(counts([&] { sysfs_.write(kDevice + "wwn/vpd_unit_serial", "x"); }));
  EXPECT_EQ(*other, before);
  EXPECT_TRUE(counts([&] { sysfs_.write(kGroup + "enable", "1"); }));
  EXPECT_GT(*other, before);
  before = *changes_;
  sysfs_.write(kTarget + "core/user_4/disk1/wwn/vpd_unit_serial", "y");
  settle();
  EXPECT_EQ(*changes_, before);
}

TEST_F(ConfigfsWatchTest, ALunThatHasGoneIsForgotten) {
  {
    const auto gone = std::make_shared<ChangeCount>(0);
    ASSERT_TRUE(watch_->watch(device_, gone));
  }
  sysfs_.write(kDevice + "wwn/vpd_unit_serial", "x");
  sysfs_.write(kGroup + "enable", "1");
  settle();
  ASSERT_TRUE(watch_->watch(device_, changes_));
  EXPECT_TRUE(counts([&] { sysfs_.write(kDevice + "wwn/vpd_unit_serial", "z"); }));
}

TEST_F(ConfigfsWatchTest, ADeviceThatIsNotThereCannotBeWatched) {
  EXPECT_EQ(watch_->watch(directories("core/user_3/none/"), changes_).error().code, ENOENT);
}

TEST_F(ConfigfsWatchTest, MoreEventsThanTheKernelKeepsCountAsAChange) {
  EXPECT_TRUE(counts([&] {
    // Nobody takes events meanwhile. The same event twice in a row is one, so there are two.
    for (int i = 0; i < 20000; ++i) {
      sysfs_.write(kDevice + (i % 2 == 0 ? "attrib/emulate_write_cache" : "attrib/other"), "1");
    }
  }));
  EXPECT_TRUE(counts([&] { sysfs_.write(kGroup + "enable", "1"); }));
}

}  // namespace
}  // namespace tcmud::kernel
