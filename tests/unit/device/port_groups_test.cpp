// SPDX-License-Identifier: Apache-2.0
#include "device/port_groups.h"

#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "device_fixture.h"

namespace tcmud::test {
namespace {

using namespace std::chrono_literals;
using device::Altered;
using device::PortGroups;
using device::read_port_groups;
using device::set_group_states;
using scsi::AccessState;

constexpr const char* kIscsi = "iscsi/iqn.2024-01.org.x:y/tpgt_3";
constexpr const char* kIscsiMember = "iSCSI/iqn.2024-01.org.x:y/tpgt_3/lun_5";
constexpr const char* kLoop = "loopback/naa.6001405000000011/tpgt_1";
constexpr const char* kLoopMember = "loopback/naa.6001405000000011/tpgt_1/lun_0";

// As the kernel lists members: each line ends with a NUL, too.
std::string lines(std::initializer_list<std::string> members) {
  std::string text;
  for (const std::string& member : members) {
    text += member;
    text += std::string("\n\0", 2);
  }
  return text;
}

void add_port(FakeKernel& kernel, const std::string& portal_group, const std::string& lun,
              const char* relative_id, const char* protocol) {
  const std::string statistics = portal_group + "/lun/" + lun + "/statistics/";
  kernel.set_fabric_attribute(statistics + "scsi_port/indx", relative_id);
  kernel.set_fabric_attribute(statistics + "scsi_transport/proto_id", protocol);
}

// A LUN that is exported twice: by iSCSI, and by a loopback, which can't be disabled.
class PortGroupsTest : public ::testing::Test {
 protected:
  PortGroupsTest()
      : fake_(kernel_.create_device()),
        directory_(kernel_.open_directory(fake_->device_name()).value()) {
    add_port(kernel_, kIscsi, "lun_5", "7", "5");
    kernel_.set_fabric_attribute(std::string(kIscsi) + "/enable", "1");
    add_port(kernel_, kLoop, "lun_0", "2", "6");
  }
  PortGroups read() { return read_port_groups(kernel_, *directory_); }
  void set(const std::string& file, std::string_view value) {
    fake_->set_attribute("alua/" + file, value);
  }
  std::string get(const std::string& file) { return *fake_->read_attribute("alua/" + file); }

  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> fake_;
  std::unique_ptr<kernel::DeviceDirectory> directory_;
};

TEST_F(PortGroupsTest, AGroupIsWhatItsFilesSay) {
  fake_->add_port_group("ao", 300, lines({kIscsiMember, kLoopMember}));
  set("ao/alua_access_state", "2");
  set("ao/alua_access_type", "Implicit");
  set("ao/alua_access_status", "Altered by Implicit ALUA");
  set("ao/preferred", "1");
  set("ao/implicit_trans_secs", "45");
  set("ao/alua_support_offline", "0");
  set("ao/alua_support_lba_dependent", "1");
  const PortGroups read = this->read();
  ASSERT_EQ(read.groups.size(), 1U);
  EXPECT_EQ(read.names, std::vector<std::string>{"ao"});
  EXPECT_EQ(read.implicit_transition_seconds, 45);
  const scsi::TargetPortGroup& group = read.groups[0];
  EXPECT_EQ(group.id, 300);
  EXPECT_EQ(group.state, AccessState::kStandby);
  EXPECT_TRUE(group.preferred);
  EXPECT_TRUE(group.implicitly);
  EXPECT_FALSE(group.explicitly);
  EXPECT_EQ(group.status, 2);
  EXPECT_EQ(group.supported, 0x9F);
  ASSERT_EQ(group.ports.size(), 2U);
  EXPECT_EQ(group.ports[0].relative_id, 2);
  EXPECT_EQ(group.ports[0].protocol, 6);
  EXPECT_TRUE(group.ports[0].enabled);
  EXPECT_EQ(group.ports[0].target, "naa.6001405000000011");
  EXPECT_EQ(group.ports[0].tag, 1);
  EXPECT_EQ(group.ports[1].relative_id, 7);
  EXPECT_EQ(group.ports[1].protocol, 5);
  EXPECT_TRUE(group.ports[1].enabled);
  EXPECT_EQ(group.ports[1].target, "iqn.2024-01.org.x:y");
  EXPECT_EQ(group.ports[1].tag, 3);
}

TEST_F(PortGroupsTest, EachStateHasItsSupportFile) {
  fake_->add_port_group("ao", 1, kLoopMember);
  const std::pair<const char*, int> files[] = {
      {"active_optimized", 0x01}, {"active_nonoptimized", 0x02}, {"standby", 0x04},
      {"unavailable", 0x08},      {"lba_dependent", 0x10},       {"offline", 0x40},
      {"transitioning", 0x80}};
  for (const auto& [file, bit] : files) {
    set(std::string("ao/alua_support_") + file, "0");
  }
  for (const auto& [file, bit] : files) {
    set(std::string("ao/alua_support_") + file, "1");
    EXPECT_EQ(read().groups.at(0).supported, bit);
    set(std::string("ao/alua_support_") + file, "0");
  }
}

TEST_F(PortGroupsTest, EachAccessTypeAndStatusHasItsText) {
  fake_->add_port_group("ao", 1, kLoopMember);
  const struct {
    const char* text;
    bool implicitly, explicitly;
  } types[] = {{"None", false, false},
               {"Implicit", true, false},
               {"Explicit", false, true},
               {"Implicit and Explicit", true, true}};
  for (const auto& type : types) {
    set("ao/alua_access_type", type.text);
    EXPECT_EQ(read().groups.at(0).implicitly, type.implicitly) << type.text;
    EXPECT_EQ(read().groups.at(0).explicitly, type.explicitly) << type.text;
  }
  const std::pair<const char*, int> statuses[] = {
      {"None", 0}, {"Altered by Explicit STPG", 1}, {"Altered by Implicit ALUA", 2}};
  for (const auto& [text, status] : statuses) {
    set("ao/alua_access_status", text);
    EXPECT_EQ(read().groups.at(0).status, status);
  }
}

TEST_F(PortGroupsTest, APortOfADisabledPortalGroupIsNotEnabled) {
  fake_->add_port_group("ao", 1, kIscsiMember);
  kernel_.set_fabric_attribute(std::string(kIscsi) + "/enable", "0");
  EXPECT_FALSE(read().groups.at(0).ports.at(0).enabled);
}

TEST_F(PortGroupsTest, GroupsAreInTheOrderOfTheirIds) {
  fake_->add_port_group("a", 30, kLoopMember);
  fake_->add_port_group("b", 4, kIscsiMember);
  fake_->add_port_group("c", 20, "");
  EXPECT_EQ(read().names, (std::vector<std::string>{"b", "c", "a"}));
}

TEST_F(PortGroupsTest, AGroupWithoutAnIdIsLeftOut) {
  fake_->add_port_group("ao", 1, kLoopMember);
  fake_->add_port_group("new", 2, "");
  set("new/tg_pt_gp_id", "");
  EXPECT_EQ(read().names, std::vector<std::string>{"ao"});
}

TEST_F(PortGroupsTest, AGroupThatCannotBeReadIsLeftOut) {
  fake_->add_port_group("ao", 1, kLoopMember);
  fake_->add_port_group("gone", 2, kIscsiMember);
  for (const char* file : {"tg_pt_gp_id", "alua_access_type", "alua_access_state", "members"}) {
    const std::string path = std::string("alua/gone/") + file;
    fake_->fail_attribute(path, ENOENT);
    EXPECT_EQ(read().names, std::vector<std::string>{"ao"}) << file;
    fake_->fail_attribute(path, 0);
  }
  EXPECT_EQ(read().names, (std::vector<std::string>{"ao", "gone"}));
}

TEST_F(PortGroupsTest, APortThatItsFabricDoesNotKnowIsLeftOut) {
  fake_->add_port_group("ao", 1,
                        lines({"vhost/naa.1/tpgt_1/lun_0", kLoopMember, "iSCSI/x", "/", "",
                               "iSCSI/iqn.2024-01.org.x:y/tpgt_x/lun_5"}));
  ASSERT_EQ(read().groups.at(0).ports.size(), 1U);
  EXPECT_EQ(read().groups[0].ports[0].relative_id, 2);
}

TEST_F(PortGroupsTest, NobodyHasSetUpAnythingOnAPlainLun) {
  EXPECT_TRUE(read().groups.empty());
  set("default_tg_pt_gp/members", kLoopMember);
  EXPECT_TRUE(read().groups.empty());
  // A group that no port is in yet.
  fake_->add_port_group("ao", 1, "");
  EXPECT_TRUE(read().groups.empty());
}

TEST_F(PortGroupsTest, TheDefaultGroupCountsOnceItWasChanged) {
  const std::pair<const char*, const char*> changes[] = {
      {"alua_access_type", "Implicit"},
      {"alua_access_type", "Explicit"},
      {"alua_access_status", "Altered by Implicit ALUA"},
      {"preferred", "1"}};
  for (const auto& [file, value] : changes) {
    FakeKernel kernel;
    const auto device = kernel.create_device();
    add_port(kernel, kLoop, "lun_0", "2", "6");
    const std::string root = "alua/default_tg_pt_gp/";
    device->set_attribute(root + "members", kLoopMember);
    device->set_attribute(root + file, value);
    const auto directory = kernel.open_directory(device->device_name()).value();
    EXPECT_EQ(read_port_groups(kernel, *directory).groups.size(), 1U) << file;
    // Not where asymmetric access is switched off.
    device->set_attribute(root + "alua_access_type", "None");
    EXPECT_TRUE(read_port_groups(kernel, *directory).groups.empty()) << file;
  }
}

TEST_F(PortGroupsTest, TheDefaultGroupCountsBesideOthersIfPortsAreInIt) {
  fake_->add_port_group("ao", 1, kIscsiMember);
  EXPECT_EQ(read().names, std::vector<std::string>{"ao"});
  set("default_tg_pt_gp/members", kLoopMember);
  EXPECT_EQ(read().names, (std::vector<std::string>{"default_tg_pt_gp", "ao"}));
}

TEST_F(PortGroupsTest, NoneCountsWhereTheKernelLeavesAsymmetricAccessAlone) {
  fake_->add_port_group("ao", 1, kIscsiMember);
  fake_->set_attribute("attrib/alua_support", "0");
  EXPECT_TRUE(read().groups.empty());
}

TEST_F(PortGroupsTest, NoMoreThanInitiatorsCanBeTold) {
  std::string members;
  for (int lun = 0; lun < 300; ++lun) {
    const std::string name = "lun_" + std::to_string(lun);
    add_port(kernel_, kLoop, name, std::to_string(lun + 1).c_str(), "6");
    members += lines({std::string(kLoop) + "/" + name});
  }
  for (uint16_t id = 1; id <= 5; ++id) {
    fake_->add_port_group("g" + std::to_string(id), id, members);
  }
  const PortGroups read = this->read();
  ASSERT_EQ(read.groups.size(), 4U);  // 5 * 255 ports are too many
  EXPECT_EQ(read.groups[0].ports.size(), scsi::kMaxPortsOfGroup);
}

TEST_F(PortGroupsTest, StatesAreSetByTheGroupsDirectories) {
  fake_->add_port_group("ao", 1, kIscsiMember);
  fake_->add_port_group("ano", 2, kLoopMember);
  const std::vector<scsi::StateRequest> requests = {{2, AccessState::kUnavailable},
                                                    {1, AccessState::kStandby}};
  ASSERT_TRUE(set_group_states(*directory_, read(), requests, Altered::kExplicitly));
  EXPECT_EQ(get("ano/alua_access_state"), "3");
  EXPECT_EQ(get("ano/alua_access_status"), "Altered by Explicit STPG");
  EXPECT_EQ(get("ao/alua_access_state"), "2");
  EXPECT_EQ(get("ao/alua_access_status"), "Altered by Explicit STPG");
}

TEST_F(PortGroupsTest, AGroupThatChangesExplicitlyOnlyIsOpenedAndClosedAgain) {
  fake_->add_port_group("ao", 1, kIscsiMember);
  set("ao/alua_access_type", "Explicit");
  const std::vector<scsi::StateRequest> requests = {{1, AccessState::kStandby}};
  ASSERT_TRUE(set_group_states(*directory_, read(), requests, Altered::kExplicitly));
  EXPECT_EQ(get("ao/alua_access_state"), "2");
  EXPECT_EQ(get("ao/alua_access_type"), "Explicit");
  fake_->fail_attribute("alua/ao/alua_access_state", EIO);
  EXPECT_FALSE(set_group_states(*directory_, read(), {{{1, AccessState::kUnavailable}}},
                                Altered::kExplicitly));
  EXPECT_EQ(get("ao/alua_access_type"), "Explicit");
}

TEST_F(PortGroupsTest, TheFirstStateThatCannotBeSetIsTheEnd) {
  for (int k = 1; k <= 3; ++k) {
    for (uint16_t id = 1; id <= 3; ++id) {
      fake_->add_port_group("g" + std::to_string(id), id, kLoopMember);
    }
    const std::string failing = "alua/g" + std::to_string(k) + "/alua_access_state";
    const PortGroups groups = read();
    fake_->fail_attribute(failing, EIO);
    const std::vector<scsi::StateRequest> requests = {
        {1, AccessState::kStandby}, {2, AccessState::kStandby}, {3, AccessState::kStandby}};
    const auto set = set_group_states(*directory_, groups, requests, Altered::kExplicitly);
    ASSERT_FALSE(set);
    EXPECT_EQ(set.error().code, EIO);
    fake_->fail_attribute(failing, 0);
    for (int id = 1; id <= 3; ++id) {
      EXPECT_EQ(get("g" + std::to_string(id) + "/alua_access_state"), id < k ? "2" : "0");
    }
  }
}

// --- A whole LUN

class PortGroupsOfALun : public DeviceTest {
 protected:
  void SetUp() override { bring_up(); }
  void TearDown() override {
    if (device_ != nullptr) {
      take_down();
    }
    DeviceTest::TearDown();
  }

  // Two groups, as a gateway has them.
  void set_up_groups() {
    add_port(kernel_, kIscsi, "lun_5", "7", "5");
    kernel_.set_fabric_attribute(std::string(kIscsi) + "/enable", "1");
    add_port(kernel_, kLoop, "lun_0", "2", "6");
    fake_->add_port_group("ao", 1, kIscsiMember);
    fake_->add_port_group("ano", 2, kLoopMember);
  }

  Outcome rtpg() { return fake_->run(cdb::report_target_port_groups(), {}, 256); }
  Outcome inquiry() { return fake_->run(cdb::inquiry(), {}, 96); }
  Outcome stpg(const std::vector<std::pair<uint8_t, uint16_t>>& wanted) {
    std::vector<uint8_t> list(4, 0);
    for (const auto& [state, group] : wanted) {
      list.insert(list.end(),
                  {state, 0, static_cast<uint8_t>(group >> 8), static_cast<uint8_t>(group)});
    }
    const std::vector<uint8_t> cdb = {
        0xA4, 0x0A, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(list.size()), 0, 0};
    return fake_->run(cdb, list);
  }
  std::string get(const std::string& file) { return *fake_->read_attribute("alua/" + file); }
};

INSTANTIATE_TEST_SUITE_P(Models, PortGroupsOfALun,
                         ::testing::Values(RamControl::Model::kInline, RamControl::Model::kPool),
                         [](const auto& model) {
                           return model.param == RamControl::Model::kPool ? "pool" : "inline";
                         });

TEST_P(PortGroupsOfALun, APlainLunHasNone) {
  EXPECT_TRUE(rtpg().check(0x05, 0x20, 0x00));
  EXPECT_TRUE(stpg({{0, 0}}).check(0x05, 0x20, 0x00));
  EXPECT_EQ(inquiry().data_in.at(5) & 0x30, 0x00);
}

// rtslib makes the groups after it enabled the LUN; initiators may have asked before.
TEST_P(PortGroupsOfALun, GroupsThatAreSetUpLaterAreTold) {
  EXPECT_TRUE(rtpg().check(0x05, 0x20, 0x00));
  set_up_groups();
  const Outcome outcome = rtpg();
  ASSERT_TRUE(outcome.good()) << outcome.describe();
  const std::vector<uint8_t> expected = {0, 0,    0, 24,                          //
                                         0, 0xCF, 0, 1,  0, 0, 0, 1, 0, 0, 0, 7,  //
                                         0, 0xCF, 0, 2,  0, 0, 0, 1, 0, 0, 0, 2};
  ASSERT_GE(outcome.data_in.size(), expected.size());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), outcome.data_in.begin()));
  EXPECT_EQ(inquiry().data_in.at(5) & 0x30, 0x30);
}

TEST_P(PortGroupsOfALun, EveryChangeIsToldByTheNextAnswer) {
  set_up_groups();
  for (int i = 0; i < 200; ++i) {
    const uint8_t state = i % 4;
    fake_->set_attribute("alua/ao/alua_access_state", std::to_string(state));
    ASSERT_EQ(rtpg().data_in.at(4), state);
  }
  // Ports, too.
  kernel_.set_fabric_attribute(std::string(kIscsi) + "/lun/lun_5/statistics/scsi_port/indx", "9");
  EXPECT_EQ(rtpg().data_in.at(15), 9);
  kernel_.set_fabric_attribute(std::string(kIscsi) + "/enable", "0");
  const Outcome page = fake_->run(cdb::inquiry_vpd(0x83), {}, 255);
  const std::vector<uint8_t> loops = {0x61, 0x94, 0, 4, 0, 0, 0, 2, 0x61, 0x95, 0, 4, 0, 0, 0, 2};
  EXPECT_NE(std::search(page.data_in.begin(), page.data_in.end(), loops.begin(), loops.end()),
            page.data_in.end());
}

TEST_P(PortGroupsOfALun, NothingIsReadWhileNothingChanges) {
  set_up_groups();
  ASSERT_TRUE(rtpg().good());
  const uint64_t before = fake_->attribute_reads();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(rtpg().good());
    ASSERT_TRUE(inquiry().good());
    ASSERT_TRUE(fake_->run(cdb::inquiry_vpd(0x83), {}, 255).good());
  }
  std::this_thread::sleep_for(1100ms);  // not by age, either
  ASSERT_TRUE(rtpg().good());
  EXPECT_EQ(fake_->attribute_reads(), before);
}

TEST_P(PortGroupsOfALun, WithoutNotificationChangesAreToldAfterASecond) {
  kernel_.refuse_watches(true);
  set_up_groups();
  ASSERT_TRUE(rtpg().good());
  const uint64_t before = fake_->attribute_reads();
  fake_->set_attribute("alua/ao/alua_access_state", "2");
  EXPECT_TRUE(eventually([this] { return rtpg().data_in.at(4) == 2; }));
  EXPECT_GT(fake_->attribute_reads(), before);
  // Watching is tried again and again.
  kernel_.refuse_watches(false);
  std::this_thread::sleep_for(1100ms);
  ASSERT_TRUE(rtpg().good());
  const uint64_t watched = fake_->attribute_reads();
  std::this_thread::sleep_for(1100ms);
  ASSERT_TRUE(rtpg().good());
  EXPECT_EQ(fake_->attribute_reads(), watched);
}

// A command waits for what was changed before it, not for what is changed all the time.
TEST_P(PortGroupsOfALun, ChangesWithoutEndKeepNobodyWaiting) {
  set_up_groups();
  std::atomic<bool> stop{false};
  std::thread administrator([this, &stop] {
    while (!stop) {
      fake_->set_attribute("wwn/product_id", "x");
    }
  });
  for (int i = 0; i < 100; ++i) {
    const Outcome outcome = i % 2 == 0 ? rtpg() : inquiry();
    EXPECT_TRUE(outcome.good()) << outcome.describe();
  }
  stop = true;
  administrator.join();
}

TEST_P(PortGroupsOfALun, InitiatorsSetStates) {
  set_up_groups();
  ASSERT_TRUE(rtpg().good());
  const Outcome outcome = stpg({{2, 1}, {0, 2}});
  ASSERT_TRUE(outcome.good()) << outcome.describe();
  EXPECT_EQ(get("ao/alua_access_state"), "2");
  EXPECT_EQ(get("ao/alua_access_status"), "Altered by Explicit STPG");
  EXPECT_EQ(get("ano/alua_access_status"), "None");  // it was so already
  const Outcome after = rtpg();
  EXPECT_EQ(after.data_in.at(4), 2);
  EXPECT_EQ(after.data_in.at(9), 1);
  EXPECT_EQ(after.data_in.at(16), 0);
  EXPECT_EQ(after.data_in.at(21), 0);
}

TEST_P(PortGroupsOfALun, AStateThatCannotBeSetIsToldAndWhatWasSetTooIsSeen) {
  set_up_groups();
  ASSERT_TRUE(rtpg().good());  // read before it can't be read or written any more
  fake_->fail_attribute("alua/ano/alua_access_state", EIO);
  const Outcome outcome = stpg({{2, 1}, {2, 2}});
  EXPECT_TRUE(outcome.check(0x04, 0x67, 0x0A)) << outcome.describe();
  fake_->fail_attribute("alua/ano/alua_access_state", 0);
  fake_->set_attribute("alua/ano/preferred", "0");
  const Outcome after = rtpg();
  EXPECT_EQ(after.data_in.at(4), 2);
  EXPECT_EQ(after.data_in.at(16), 0);
}

TEST_P(PortGroupsOfALun, WhatIsWrongInAListChangesNothing) {
  set_up_groups();
  EXPECT_TRUE(stpg({{2, 1}, {2, 77}}).check(0x05, 0x26, 0x00));
  EXPECT_EQ(get("ao/alua_access_state"), "0");
}

// The kernel keeps the directory locked until the removal is answered, by the thread that reads.
TEST_P(PortGroupsOfALun, ARemovalMayComeWhileTheyAreRead) {
  set_up_groups();
  std::promise<EventReply> removal;
  fake_->before_reading("alua/ao/members",
                        [&] { removal.set_value(kernel_.remove_device(fake_)); });
  const Ticket asking = fake_->submit(cdb::report_target_port_groups(), {}, 256);
  const EventReply reply = removal.get_future().get();
  auto event = kernel_.next_event();
  ASSERT_TRUE(event);
  device_->remove(std::move(event->reply));
  EXPECT_EQ(reply.wait(), 0);
  asking.wait();
  EXPECT_TRUE(eventually([this] { return device_->state() == State::kClosed; }));
  device_.reset();
}

TEST_P(PortGroupsOfALun, ManySettersAtOnceAllGetAnAnswer) {
  set_up_groups();
  ASSERT_TRUE(rtpg().good());
  std::vector<Ticket> tickets;
  for (int i = 0; i < 40; ++i) {
    const auto state = static_cast<uint8_t>(i % 4);
    const std::vector<uint8_t> list = {0, 0, 0, 0, state, 0, 0, 1};
    const std::vector<uint8_t> cdb = {0xA4, 0x0A, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0};
    tickets.push_back(fake_->submit(cdb, list));
    tickets.push_back(fake_->submit(cdb::report_target_port_groups(), {}, 256));
  }
  for (const Ticket& ticket : tickets) {
    const Outcome& outcome = ticket.wait();
    // Beside another, a state may be in transition.
    EXPECT_TRUE(outcome.good() || outcome.check(0x02, 0x04, 0x0A)) << outcome.describe();
  }
}

}  // namespace
}  // namespace tcmud::test
