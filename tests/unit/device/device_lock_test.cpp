// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <string>
#include <thread>

#include "device_fixture.h"

// A LUN whose storage other hosts serve, too: who writes without the lock waits until it is known
// whether it can be had, and is then answered BUSY whatever the outcome.
namespace tcmud::test {
namespace {

constexpr uint8_t kBusy = 0x08;
constexpr const char* kPortal = "iscsi/iqn.2024-01.org.x:y/tpgt_1";
constexpr const char* kMember = "iSCSI/iqn.2024-01.org.x:y/tpgt_1/lun_0";
constexpr const char* kOtherPortal = "iscsi/iqn.2024-01.org.x:y/tpgt_2";
constexpr const char* kOtherMember = "iSCSI/iqn.2024-01.org.x:y/tpgt_2/lun_0";

class DeviceLockTest : public DeviceTest {
 protected:
  void SetUp() override {
    control_.lock.used = true;
    bring_up();
  }

  // Two gateways: group 1 is ours, group 2 that of the other host. `type` as configfs takes it:
  // 1 implicit, 2 explicit.
  void set_up_groups(const char* type) {
    for (const char* portal : {kPortal, kOtherPortal}) {
      const std::string statistics = std::string(portal) + "/lun/lun_0/statistics/";
      kernel_.set_fabric_attribute(statistics + "scsi_port/indx", "1");
      kernel_.set_fabric_attribute(statistics + "scsi_transport/proto_id", "5");
    }
    kernel_.set_fabric_attribute(std::string(kPortal) + "/enable", "1");
    kernel_.set_fabric_attribute(std::string(kOtherPortal) + "/enable", "0");
    fake_->add_port_group("ao", 1, kMember);
    fake_->add_port_group("ano", 2, kOtherMember);
    const char* shown = std::string(type) == "1" ? "Implicit" : "Explicit";
    fake_->set_attribute("alua/ao/alua_access_type", shown);
    fake_->set_attribute("alua/ano/alua_access_type", shown);
  }
  int state_of(const char* name) {
    return std::stoi(*fake_->read_attribute("alua/" + std::string(name) + "/alua_access_state"));
  }
  Outcome stpg(uint8_t state, uint16_t group) {
    const Bytes list = {0, 0, 0, 0, state, 0, 0, static_cast<uint8_t>(group)};
    return fake_->run(Cdb{0xA4, 0x0A, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, list);
  }
  Outcome write(uint8_t seed) { return client_->write(0, pattern(seed, 4096)); }
  // As initiators do: until it is anything but BUSY.
  Outcome write_until_done(uint8_t seed) {
    Outcome outcome;
    EXPECT_TRUE(eventually([&] {
      outcome = write(seed);
      return outcome.status != kBusy;
    }));
    return outcome;
  }
  uint32_t lock_state() { return control_.lock_status().state; }
  // How often the handler was asked for the lock.
  uint32_t acquires() {
    const std::lock_guard lock(control_.lock.mutex);
    return control_.lock.acquires;
  }
};

INSTANTIATE_TEST_SUITE_P(Models, DeviceLockTest,
                         ::testing::Values(RamControl::Model::kInline, RamControl::Model::kThreaded,
                                           RamControl::Model::kPool),
                         [](const auto& model) {
                           switch (model.param) {
                             case RamControl::Model::kInline:
                               return "inline";
                             case RamControl::Model::kThreaded:
                               return "threaded";
                             default:
                               return "pool";
                           }
                         });

TEST_P(DeviceLockTest, AWriteBringsTheLockAndIsRepeated) {
  const Outcome first = write(1);
  EXPECT_EQ(first.status, kBusy) << first.describe();
  EXPECT_TRUE(write_until_done(2).good());
  EXPECT_EQ(lock_state(), TCMUD_LOCK_ENABLED);
  EXPECT_EQ(control_.writes, 1U) << "what came before the lock was ours is never done";
  EXPECT_EQ(acquires(), 1U);
  EXPECT_FALSE(fake_->blocked());
}

TEST_P(DeviceLockTest, TheStatusTellsWhoHasTheLock) {
  ASSERT_TRUE(device_->status().lock);
  EXPECT_EQ(device_->status().lock->state, TCMUD_LOCK_FREE);
  EXPECT_TRUE(write_until_done(1).good());
  EXPECT_EQ(device_->status().lock->state, TCMUD_LOCK_ENABLED);
  control_.move_lock(TCMUD_LOCK_FOREIGN, 2);
  ASSERT_TRUE(eventually([this] { return device_->status().lock->state == TCMUD_LOCK_FOREIGN; }));
  EXPECT_EQ(device_->status().lock->group, 2);
}

TEST_P(DeviceLockTest, ReadsNeedNoLock) {
  EXPECT_TRUE(client_->read(0, 8).good());
  EXPECT_TRUE(client_->flush().good());
  EXPECT_EQ(acquires(), 0U);
}

// An initiator whose session broke may have sent the same block, newer, by way of the host that had
// the lock meanwhile.
TEST_P(DeviceLockTest, NothingThatCameBeforeTheLockIsEverWritten) {
  control_.lock.grants = false;
  std::vector<Ticket> waiting;
  for (uint8_t i = 0; i < 20; ++i) {
    waiting.push_back(client_->start_write(i * 8U, pattern(i, 4096)));
  }
  ASSERT_TRUE(eventually([this] { return acquires() == 1; }));
  EXPECT_TRUE(client_->read(0, 8).good()) << "reads go on meanwhile";
  control_.move_lock(TCMUD_LOCK_ACQUIRED, -1, true);
  for (const Ticket& ticket : waiting) {
    EXPECT_EQ(ticket.wait().status, kBusy);
  }
  ASSERT_TRUE(eventually([this] { return lock_state() == TCMUD_LOCK_ENABLED; }));
  EXPECT_EQ(control_.writes, 0U);
  EXPECT_TRUE(write_until_done(1).good());
}

// More than there are slots: what the ring still holds when the lock comes, came before it, too.
TEST_P(DeviceLockTest, WhatTheRingHeldWhenTheLockCameIsNotWritten) {
  control_.lock.grants = false;
  std::vector<Ticket> waiting;
  for (uint32_t i = 0; i < 1400; ++i) {
    waiting.push_back(client_->start_write(i % 2048, pattern(i, 512)));
  }
  ASSERT_TRUE(eventually([this] { return acquires() > 0; }));
  control_.move_lock(TCMUD_LOCK_ACQUIRED, -1, true);
  for (const Ticket& ticket : waiting) {
    EXPECT_EQ(ticket.wait().status, kBusy);
  }
  EXPECT_EQ(control_.writes, 0U);
  EXPECT_TRUE(write_until_done(1).good());
}

// Where the data area is full, commands wait in the kernel.
TEST_P(DeviceLockTest, WhatTheKernelHadNoRoomForWhenTheLockCameIsNotWritten) {
  take_down();
  DeviceSpec wanted = spec();
  wanted.ring.geometry.data_area_bytes = 16 * 4096;
  bring_up(wanted);
  control_.lock.grants = false;
  std::vector<Ticket> waiting;
  for (uint32_t i = 0; i < 100; ++i) {
    waiting.push_back(client_->start_write(i * 8U, pattern(i, 4096)));
  }
  ASSERT_TRUE(eventually([this] { return fake_->queued() > 50 && acquires() > 0; }));
  control_.move_lock(TCMUD_LOCK_ACQUIRED, -1, true);
  for (const Ticket& ticket : waiting) {
    EXPECT_EQ(ticket.wait().status, kBusy);
  }
  EXPECT_EQ(control_.writes, 0U);
  EXPECT_TRUE(write_until_done(1).good());
}

// It would be done once the other one has ended, and that may be after the lock was enabled.
TEST_P(DeviceLockTest, ACommandThatWaitsForAnothersBlocksIsNotDoneWhenTheLockComes) {
  ASSERT_EQ(write(1).status, kBusy);
  ASSERT_TRUE(write_until_done(1).good());
  control_.move_lock(TCMUD_LOCK_FOREIGN);
  control_.lock.grants = false;
  std::atomic<bool> let_go{false};
  std::atomic<uint32_t> held{0};
  control_.verdict = [&](const tcmud_request& request) -> int32_t {
    if (request.op == TCMUD_OP_READ && GetParam() != Model::kInline) {
      ++held;
      while (!let_go) {
        std::this_thread::sleep_for(1ms);
      }
    }
    return TCMUD_OK;
  };
  // COMPARE AND WRITE is composed of a read and a write, and keeps its blocks to itself.
  const Ticket compare = fake_->submit(cdb::compare_and_write(0, 1), Bytes(1024));
  if (GetParam() != Model::kInline) {
    ASSERT_TRUE(eventually([&] { return held == 1; }));
  }
  const Ticket behind = client_->start_write(0, pattern(9, 512));
  std::this_thread::sleep_for(20ms);
  control_.lock.grants = true;
  control_.move_lock(TCMUD_LOCK_ACQUIRED, -1, true);
  std::this_thread::sleep_for(20ms);
  let_go = true;
  const uint64_t writes = control_.writes;
  EXPECT_FALSE(compare.wait().good());
  EXPECT_EQ(behind.wait().status, kBusy);
  EXPECT_EQ(control_.writes, writes);
  EXPECT_TRUE(write_until_done(1).good());
}

TEST_P(DeviceLockTest, ALockThatIsNotToBeHadMakesBusy) {
  control_.lock.grants = false;
  const Ticket waiting = client_->start_write(0, pattern(1, 512));
  ASSERT_TRUE(eventually([this] { return acquires() == 1; }));
  control_.move_lock(TCMUD_LOCK_FOREIGN, -1, true);
  EXPECT_EQ(waiting.wait().status, kBusy);
  EXPECT_FALSE(fake_->blocked());
  control_.lock.grants = true;
  EXPECT_TRUE(write_until_done(1).good()) << "it is asked for again";
}

TEST_P(DeviceLockTest, ALockThatGoesToAnotherHostIsAskedForAgain) {
  ASSERT_TRUE(write_until_done(1).good());
  control_.move_lock(TCMUD_LOCK_FOREIGN);
  EXPECT_EQ(write(2).status, kBusy);
  EXPECT_TRUE(write_until_done(3).good());
  EXPECT_EQ(acquires(), 2U);
  EXPECT_EQ(control_.writes, 2U);
}

TEST_P(DeviceLockTest, AWriteThatWasFencedIsBusyAndTheLockIsAskedForAgain) {
  ASSERT_TRUE(write_until_done(1).good());
  std::atomic<bool> fenced{true};
  control_.verdict = [&](const tcmud_request& request) -> int32_t {
    if (request.op == TCMUD_OP_WRITE && fenced.exchange(false)) {
      control_.move_lock(TCMUD_LOCK_FREE);
      return TCMUD_LOCK_LOST;
    }
    return TCMUD_OK;
  };
  EXPECT_EQ(write(2).status, kBusy);
  EXPECT_TRUE(write_until_done(3).good());
}

TEST_P(DeviceLockTest, ALockThatIsLostWhileItSettlesIsNotEnabled) {
  control_.lock.grants = false;
  const Ticket waiting = client_->start_write(0, pattern(1, 512));
  ASSERT_TRUE(eventually([this] { return acquires() == 1; }));
  control_.move_lock(TCMUD_LOCK_ACQUIRED, -1, true);
  control_.move_lock(TCMUD_LOCK_FOREIGN);
  EXPECT_EQ(waiting.wait().status, kBusy);
  EXPECT_TRUE(eventually([this] { return !fake_->blocked(); }));
  EXPECT_NE(lock_state(), TCMUD_LOCK_ENABLED);
  control_.lock.grants = true;
  EXPECT_TRUE(write_until_done(1).good());
}

TEST_P(DeviceLockTest, AnAbortedCommandDoesNotWaitForTheLock) {
  control_.lock.grants = false;
  const Ticket waiting = client_->start_write(0, pattern(1, 512));
  ASSERT_TRUE(eventually([this] { return acquires() == 1; }));
  fake_->task_management(1, std::vector<Ticket>{waiting});
  waiting.wait();  // a ticket that is never answered fails the test
  EXPECT_EQ(control_.writes, 0U);
}

TEST_P(DeviceLockTest, ALunThatIsRemovedWhileItWaitsForTheLockGoesAtOnce) {
  control_.lock.grants = false;
  const Ticket waiting = client_->start_write(0, pattern(1, 512));
  ASSERT_TRUE(eventually([this] { return acquires() == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  take_down();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_P(DeviceLockTest, WhatTakesLongIsNotBegunWithoutTheLock) {
  const Cdb format = {0x04, 0, 0, 0, 0, 0};
  EXPECT_EQ(fake_->run(format).status, kBusy);
  Outcome outcome;
  ASSERT_TRUE(eventually([&] {
    outcome = fake_->run(format);
    return outcome.status != kBusy;
  }));
  EXPECT_TRUE(outcome.good()) << outcome.describe();
  EXPECT_TRUE(client_->read(0, 8).good()) << "the medium is not out of order";
}

// --- Asymmetric access

TEST_P(DeviceLockTest, TheLocksOwnerIsToldAsTheOptimizedGroup) {
  set_up_groups("1");
  fake_->set_attribute("alua/ao/alua_access_state", "1");
  ASSERT_TRUE(write_until_done(1).good());
  {
    const std::lock_guard lock(control_.lock.mutex);
    EXPECT_EQ(control_.lock.asked_for_group, 1);
  }
  EXPECT_TRUE(eventually([this] { return state_of("ao") == 0 && state_of("ano") == 1; }));
  control_.move_lock(TCMUD_LOCK_FOREIGN, 2);
  EXPECT_TRUE(eventually([this] { return state_of("ao") == 1 && state_of("ano") == 0; }));
  const Outcome told = fake_->run(cdb::report_target_port_groups(), {}, 256);
  EXPECT_EQ(told.data_in.at(4) & 0x0F, 1);
  EXPECT_EQ(told.data_in.at(4 + 12) & 0x0F, 0);
  EXPECT_EQ(*fake_->read_attribute("alua/ao/alua_access_status"), "Altered by Implicit ALUA");
}

// rtslib makes them after it enabled the LUN.
TEST_P(DeviceLockTest, GroupsThatComeLaterTellTheOwnerToo) {
  control_.move_lock(TCMUD_LOCK_FOREIGN, 2);
  std::this_thread::sleep_for(20ms);
  set_up_groups("1");
  const Outcome told = fake_->run(cdb::report_target_port_groups(), {}, 256);
  ASSERT_TRUE(told.good()) << told.describe();
  EXPECT_EQ(told.data_in.at(4) & 0x0F, 1);
  EXPECT_EQ(told.data_in.at(4 + 12) & 0x0F, 0);
}

TEST_P(DeviceLockTest, WithExplicitAccessAWriteDoesNotMoveTheLock) {
  set_up_groups("2");
  const Outcome outcome = write(1);
  EXPECT_TRUE(outcome.check(0x02, 0x04, 0x0B)) << outcome.describe();
  EXPECT_EQ(acquires(), 0U);
  EXPECT_EQ(state_of("ao"), 2);
}

TEST_P(DeviceLockTest, SetTargetPortGroupsMovesTheLock) {
  set_up_groups("2");
  ASSERT_TRUE(write(1).check(0x02, 0x04, 0x0B));
  const Outcome to_us = stpg(0, 1);
  ASSERT_TRUE(to_us.good()) << to_us.describe();
  EXPECT_EQ(lock_state(), TCMUD_LOCK_ENABLED);
  EXPECT_EQ(state_of("ao"), 0);
  EXPECT_TRUE(write_until_done(1).good());
  const Outcome away = stpg(2, 1);
  ASSERT_TRUE(away.good()) << away.describe();
  EXPECT_EQ(control_.lock.releases, 1U);
  EXPECT_EQ(state_of("ao"), 2);
}

TEST_P(DeviceLockTest, SetTargetPortGroupsTellsWhenTheLockIsNotToBeHad) {
  set_up_groups("2");
  ASSERT_TRUE(write(1).check(0x02, 0x04, 0x0B));
  control_.lock.grants = false;
  const Bytes list = {0, 0, 0, 0, 0, 0, 0, 1};
  const Ticket asking = fake_->submit(Cdb{0xA4, 0x0A, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0}, list);
  ASSERT_TRUE(eventually([this] { return acquires() == 1; }));
  control_.move_lock(TCMUD_LOCK_FOREIGN, 2, true);
  EXPECT_TRUE(asking.wait().check(0x04, 0x67, 0x0A));
}

TEST_P(DeviceLockTest, AnotherHostsGroupIsMadeActiveThroughThatHost) {
  set_up_groups("2");
  ASSERT_TRUE(write(1).check(0x02, 0x04, 0x0B));
  fake_->set_attribute("alua/ano/alua_access_state", "2");
  const Outcome outcome = stpg(0, 2);
  EXPECT_TRUE(outcome.check(0x04, 0x67, 0x0A)) << outcome.describe();
  EXPECT_EQ(state_of("ano"), 2);
}

// --- What else storage tells by itself

TEST_P(DeviceLockTest, TheLunTakesTheSizeOfItsStorage) {
  {
    const std::lock_guard lock(control_.mutex);
    control_.data.resize(2 * kBytes);
  }
  control_.tell_resized();
  EXPECT_TRUE(eventually([this] { return client_->test_unit_ready().check(0x06, 0x2A, 0x09); }));
  const Outcome capacity = fake_->run(cdb::read_capacity_16(), {}, 32);
  ASSERT_TRUE(capacity.good());
  EXPECT_EQ(capacity.data_in.at(6), (2 * kBytes / 512 - 1) >> 8);
}

TEST_P(DeviceLockTest, TheHandlerKnowsTheKernelsTimeLimit) {
  EXPECT_EQ(control_.command_timeout, 0U);
  fake_->set_attribute("attrib/cmd_time_out", "7");
  ASSERT_TRUE(client_->inquiry().good());
  EXPECT_EQ(control_.command_timeout, 7U);
}

}  // namespace
}  // namespace tcmud::test
