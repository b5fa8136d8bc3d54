// SPDX-License-Identifier: Apache-2.0
#include "device/way_reader.h"

#include <algorithm>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "support/fake_fabrics.h"

namespace tcmud::device {
namespace {

using namespace std::chrono_literals;
using test::FakeFabrics;

constexpr const char* kIscsi = "iscsi/iqn.2024-01.org.x:y/tpgt_1";
constexpr const char* kLoop = "loopback/naa.6001405000000011/tpgt_1";
constexpr const char* kOne = "iqn.x:one";
constexpr const char* kTwo = "iqn.x:two";

// "NAME: LUN LUN-", a line each, ascending; "-": not to be written.
std::string shown(FakeFabrics& fabrics) {
  const auto read = read_ways(fabrics);
  if (!read) {
    return read.error().message;
  }
  std::vector<std::string> lines;
  for (const copy::Way& way : read->ways) {
    std::string line = way.name + ":";
    for (const auto& reach : way.reach) {
      line += " " + reach.lun + (reach.writable ? "" : "-");
    }
    lines.push_back(line + "\n");
  }
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) {
    all += line;
  }
  return all;
}

class WaysOfFabrics : public ::testing::Test {
 protected:
  // A portal group of iSCSI, where nobody is admitted without an ACL; two LUNs of ours in it.
  WaysOfFabrics() {
    set("enable", "1");
    set("attrib/generate_node_acls", "0");
    set("attrib/cache_dynamic_acls", "0");
    set("attrib/demo_mode_write_protect", "1");
    set("dynamic_sessions", "");
    fabrics_.add_lun(kIscsi, "lun_0", "user_1/a");
    fabrics_.add_lun(kIscsi, "lun_1", "user_2/b");
    fabrics_.set_attribute(std::string(kIscsi) + "/lun/lun_0/statistics/scsi_port/indx", "1");
    fabrics_.set_attribute("iscsi/discovery_auth/enable", "1");
    fabrics_.set_attribute("core/user_1/a/enable", "1");
  }
  void set(const std::string& file, std::string_view value) {
    fabrics_.set_attribute(std::string(kIscsi) + "/" + file, value);
  }
  static std::string acl(const char* initiator, const std::string& luns) {
    return std::string(kIscsi) + "/acls/" + initiator + ":" + luns + "\n";
  }
  FakeFabrics fabrics_;
};

TEST_F(WaysOfFabrics, EachAclIsAWayToWhatItMaps) {
  EXPECT_EQ(shown(fabrics_), "");
  fabrics_.map(kIscsi, kOne, "lun_0");
  fabrics_.map(kIscsi, kOne, "lun_1");
  fabrics_.map(kIscsi, kTwo, "lun_0", true);
  fabrics_.set_attribute(std::string(kIscsi) + "/acls/" + kTwo + "/attrib/dataout_timeout", "3");
  EXPECT_EQ(shown(fabrics_), acl(kOne, " user_1/a user_2/b") + acl(kTwo, " user_1/a-"));
}

TEST_F(WaysOfFabrics, WhatIsMappedIsWhatTheLinkSaysWhateverItsNumber) {
  fabrics_.link(std::string(kIscsi) + "/acls/" + kOne + "/lun_7/x",
                std::string("../../../../../../../target/") + kIscsi + "/lun/lun_1");
  // No write_protect to be read: not to be written.
  EXPECT_EQ(shown(fabrics_), acl(kOne, " user_2/b-"));
}

TEST_F(WaysOfFabrics, WhoNeedsNoAclReachesAllLunsOfTheGroup) {
  const std::string anybody = std::string(kIscsi) + ": user_1/a- user_2/b-\n";
  fabrics_.map(kIscsi, kOne, "lun_0");
  for (const char* attribute : {"attrib/generate_node_acls", "attrib/cache_dynamic_acls"}) {
    set(attribute, "1");
    EXPECT_EQ(shown(fabrics_), acl(kOne, " user_1/a") + anybody) << attribute;
    set(attribute, "0");
  }
  set("dynamic_sessions", "iqn.x:left");
  EXPECT_EQ(shown(fabrics_), acl(kOne, " user_1/a") + anybody);
  set("attrib/demo_mode_write_protect", "0");
  EXPECT_EQ(shown(fabrics_),
            acl(kOne, " user_1/a") + std::string(kIscsi) + ": user_1/a user_2/b\n");
  set("dynamic_sessions", "");
  EXPECT_EQ(shown(fabrics_), acl(kOne, " user_1/a"));
}

TEST_F(WaysOfFabrics, AFabricWithoutAclsAdmitsAnybodyToWriteToo) {
  fabrics_.add_lun(kLoop, "lun_0", "user_1/a");
  fabrics_.set_attribute(std::string(kLoop) + "/nexus", "naa.6001405000000012");
  EXPECT_EQ(shown(fabrics_), std::string(kLoop) + ": user_1/a\n");
}

TEST_F(WaysOfFabrics, ADisabledGroupIsNoWay) {
  fabrics_.map(kIscsi, kOne, "lun_0");
  set("enable", "0");
  EXPECT_EQ(shown(fabrics_), "");
}

TEST_F(WaysOfFabrics, OtherBackstoresAreNoLunsOfOurs) {
  fabrics_.add_lun(kIscsi, "lun_2", "iblock_0/c");
  fabrics_.map(kIscsi, kOne, "lun_0");
  fabrics_.map(kIscsi, kOne, "lun_2");
  EXPECT_EQ(shown(fabrics_), acl(kOne, " user_1/a"));
}

TEST_F(WaysOfFabrics, NothingIsKnownWhereNotAllCanBeRead) {
  fabrics_.map(kIscsi, kOne, "lun_0");
  const std::string group = kIscsi;
  for (const std::string& path :
       {std::string(), std::string("iscsi"), std::string("iscsi/iqn.2024-01.org.x:y"),
        group + "/lun", group + "/lun/lun_1", group + "/acls", group + "/acls/" + kOne,
        group + "/acls/" + kOne + "/lun_0"}) {
    fabrics_.fail_list(path, EIO);
    EXPECT_EQ(shown(fabrics_), path + ": made to fail");
    fabrics_.fail_list(path, ENOENT);  // but what is gone leads nowhere
    EXPECT_TRUE(read_ways(fabrics_)) << path;
    fabrics_.fail_list(path, 0);
  }
}

// ---- WayReader

class WayReaderTest : public ::testing::Test {
 protected:
  WayReaderTest() { fabrics_->add_lun(kLoop, "lun_0", "user_1/a"); }

  const std::shared_ptr<FakeFabrics> fabrics_ = std::make_shared<FakeFabrics>();
  WayReader reader_{fabrics_};
};

TEST_F(WayReaderTest, WhatWasReadServesUntilItIsTooOld) {
  const uint64_t begin = monotonic_ns();
  const auto first = reader_.read(begin, 10s);
  ASSERT_NE(first, nullptr);
  EXPECT_GE(first->read_at, begin);
  EXPECT_EQ(first->ways.size(), 1U);
  EXPECT_EQ(reader_.read(first->read_at, 10s), first);
  EXPECT_EQ(fabrics_->walks(), 1);
  const auto second = reader_.read(first->read_at + 1, 10s);
  ASSERT_NE(second, nullptr);
  EXPECT_GT(second->read_at, first->read_at);
  EXPECT_EQ(fabrics_->walks(), 2);
}

TEST_F(WayReaderTest, ManyWhoAskAtOnceAreServedByFewReadings) {
  fabrics_->hang(true);
  std::vector<std::thread> threads;
  const uint64_t now = monotonic_ns();
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this, now] { EXPECT_NE(reader_.read(now, 10s), nullptr); });
  }
  fabrics_->hang(false);
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(fabrics_->walks(), 1);
}

// One that began before isn't of that time.
TEST_F(WayReaderTest, AReadingUnderWayIsTooOldForWhoAsksForALaterOne) {
  fabrics_->hang(true);
  EXPECT_EQ(reader_.read(monotonic_ns(), 20ms), nullptr);
  const uint64_t later = monotonic_ns();
  std::thread other([this, later] {
    const auto ways = reader_.read(later, 10s);
    ASSERT_NE(ways, nullptr);
    EXPECT_GE(ways->read_at, later);
  });
  std::this_thread::sleep_for(20ms);
  fabrics_->hang(false);
  other.join();
  EXPECT_EQ(fabrics_->walks(), 2);
}

TEST_F(WayReaderTest, ADirectoryThatIsLockedKeepsNobodyForLongerThanHisPatience) {
  fabrics_->hang(true);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(reader_.read(monotonic_ns(), 50ms), nullptr);
  EXPECT_EQ(reader_.read(monotonic_ns(), 50ms), nullptr);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
  EXPECT_LE(fabrics_->walks(), 1);  // nor are there ever two threads in it
  fabrics_->hang(false);
  EXPECT_NE(reader_.read(monotonic_ns(), 10s), nullptr);
}

TEST_F(WayReaderTest, ItsEndLeavesAThreadThatHangsBehind) {
  fabrics_->hang(true);
  {
    WayReader reader(fabrics_);
    EXPECT_EQ(reader.read(monotonic_ns(), 1ms), nullptr);
  }
  fabrics_->hang(false);
}

TEST_F(WayReaderTest, WhatCannotBeReadIsNotKnownUntilItCan) {
  ASSERT_NE(reader_.read(monotonic_ns(), 10s), nullptr);
  fabrics_->fail_list("loopback", EACCES);
  EXPECT_EQ(reader_.read(monotonic_ns(), 10s), nullptr);
  fabrics_->fail_list("loopback", 0);
  EXPECT_NE(reader_.read(monotonic_ns(), 10s), nullptr);
}

TEST(WayReader, AKernelWithoutFabricsHasNoWays) {
  WayReader reader(nullptr);
  const auto ways = reader.read(monotonic_ns(), 1ms);
  ASSERT_NE(ways, nullptr);
  EXPECT_TRUE(ways->ways.empty());
}

}  // namespace
}  // namespace tcmud::device
