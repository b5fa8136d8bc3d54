// SPDX-License-Identifier: Apache-2.0
// A naive but correct client passes, in every mode of the fake.
#include "support/fake_device.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "support/fake_kernel.h"
#include "support/scsi_client.h"
#include "unit/support/naive_client.h"

namespace tcmud::test {
namespace {

using namespace std::chrono_literals;

class FakeDeviceTest : public ::testing::Test {
 protected:
  NaiveClient& attach(DeviceSpec spec = {}) {
    device_ = kernel_.create_device(spec);
    disk_.resize(1 << 20);
    return client_.emplace(device_->open().value());
  }

  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> device_;
  std::vector<uint8_t> disk_;
  std::optional<NaiveClient> client_;
};

TEST_F(FakeDeviceTest, WhatIsWrittenIsReadBack) {
  attach({.ring = {.check_data_in = true}}).start(disk_);
  ScsiClient scsi(*device_);
  const Bytes data = pattern(1, 9 * 4096 + 512);
  EXPECT_TRUE(scsi.write(7, data).good());
  const Outcome read = scsi.read(7, static_cast<uint32_t>(data.size() / 512));
  EXPECT_TRUE(read.good());
  EXPECT_EQ(read.data_in, data);
  EXPECT_EQ(read.residual, 0U);
}

TEST_F(FakeDeviceTest, CompletionsMayBeTakenBeforeTheKick) {
  attach({.eager = true}).start(disk_);
  ScsiClient scsi(*device_);
  std::deque<Ticket> reads;
  for (int i = 0; i < 500; ++i) {
    reads.push_back(scsi.start_read(0, 8));
    if (reads.size() > 4) {
      EXPECT_TRUE(reads.front().wait().good());
      reads.pop_front();
    }
  }
  for (const Ticket& read : reads) {
    EXPECT_TRUE(read.wait().good());
  }
}

TEST_F(FakeDeviceTest, ManualDriveNeedsNoThread) {
  NaiveClient& client = attach({.drive = Drive::kManual});
  const Ticket ticket = device_->submit(cdb::test_unit_ready());
  EXPECT_FALSE(device_->process_kicks());
  EXPECT_EQ(client.serve(disk_), 1U);
  EXPECT_FALSE(ticket.ready());
  EXPECT_TRUE(device_->process_kicks());
  EXPECT_TRUE(ticket.ready());
  EXPECT_TRUE(ticket.wait().good());
}

TEST_F(FakeDeviceTest, ManyThreadsMayBeInitiatorsAtOnce) {
  DeviceSpec spec;
  spec.ring.geometry.ring_bytes = 8192;
  spec.ring.geometry.data_area_bytes = 64 << 10;
  attach(spec).start(disk_);
  std::vector<std::thread> initiators;
  for (uint32_t i = 0; i < 4; ++i) {
    initiators.emplace_back([&, i] {
      ScsiClient scsi(*device_);
      for (uint32_t round = 0; round < 60; ++round) {
        const Bytes data = pattern(i * 1000 + round, size_t{1 + round % 20} * 512);
        EXPECT_TRUE(scsi.write(i * 100, data).good());
        EXPECT_EQ(scsi.read(i * 100, static_cast<uint32_t>(data.size() / 512)).data_in, data);
      }
    });
  }
  for (auto& initiator : initiators) {
    initiator.join();
  }
}

TEST_F(FakeDeviceTest, OutOfOrderAnswersReachTheirCommands) {
  NaiveClient& client = attach({.drive = Drive::kManual});
  std::vector<Ticket> writes;
  for (uint8_t i = 0; i < 20; ++i) {
    writes.push_back(device_->submit(cdb::write_16(i, 1), Bytes(512, i)));
  }
  EXPECT_EQ(client.serve(disk_, true), 20U);
  std::vector<Ticket> reads;
  for (uint8_t i = 0; i < 20; ++i) {
    EXPECT_TRUE(writes[i].wait().good());
    reads.push_back(device_->submit(cdb::read_16(i, 1), {}, 512));
  }
  client.serve(disk_, true);
  for (uint8_t i = 0; i < 20; ++i) {
    EXPECT_EQ(reads[i].wait().data_in, Bytes(512, i));
  }
}

TEST_F(FakeDeviceTest, PluggedCommandsGiveOneEvent) {
  NaiveClient& client = attach({.drive = Drive::kManual});
  const auto events = [&] {
    int32_t count = 0;
    return ::read(client.port().event_fd.get(), &count, sizeof count) == sizeof count ? count : 0;
  };
  EXPECT_EQ(events(), 0);
  device_->plug();
  std::vector<Ticket> tickets;
  for (int i = 0; i < 3; ++i) {
    tickets.push_back(device_->submit(cdb::test_unit_ready()));
  }
  EXPECT_EQ(events(), 0);
  device_->unplug();
  EXPECT_EQ(events(), 1);
  tickets.push_back(device_->submit(cdb::test_unit_ready()));
  tickets.push_back(device_->submit(cdb::test_unit_ready()));
  EXPECT_EQ(events(), 3) << "unread events coalesce; the counter counts on";
  device_->spurious_event();
  EXPECT_EQ(events(), 4);
  client.serve(disk_);
  for (const Ticket& ticket : tickets) {
    EXPECT_TRUE(ticket.wait().good());
  }
}

TEST_F(FakeDeviceTest, ASecondOpenIsBusyUntilTheFirstIsClosed) {
  attach();
  EXPECT_TRUE(device_->is_open());
  EXPECT_EQ(device_->open().error().code, EBUSY);
  client_.reset();
  EXPECT_FALSE(device_->is_open());
  EXPECT_TRUE(device_->open().has_value());
}

TEST_F(FakeDeviceTest, ANewOpenerFindsTheCommandsOfTheOldOneAndNoOldEvents) {
  attach({.drive = Drive::kManual});
  const Ticket ticket = device_->submit(cdb::test_unit_ready());
  client_.reset();
  client_.emplace(device_->open().value());
  int32_t count = 0;
  EXPECT_EQ(::read(client_->port().event_fd.get(), &count, sizeof count), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(client_->serve(disk_), 1U);
  EXPECT_TRUE(ticket.wait().good());
}

TEST_F(FakeDeviceTest, WhatTheDaemonKickedBeforeItClosedCounts) {
  attach({.drive = Drive::kManual}).serve(disk_);
  const Ticket ticket = device_->submit(cdb::test_unit_ready());
  client_->serve(disk_);
  client_.reset();
  EXPECT_FALSE(device_->is_open());
  EXPECT_TRUE(ticket.ready());
}

TEST_F(FakeDeviceTest, HangUpEndsCommandsAndFailsKicks) {
  NaiveClient& client = attach({.drive = Drive::kManual});
  const Ticket ticket = device_->submit(cdb::test_unit_ready());
  device_->hang_up();
  EXPECT_TRUE(ticket.wait().check(0x02, 0x08, 0x00)) << ticket.wait().describe();
  EXPECT_FALSE(client.port().kick());
  EXPECT_EQ(device_->open().error().code, ENXIO);
  EXPECT_TRUE(device_->run(cdb::test_unit_ready()).check(0x02, 0x08, 0x00));
}

TEST_F(FakeDeviceTest, AfterAHangUpTheDaemonMayFinishItsWrites) {
  NaiveClient& client = attach({.drive = Drive::kManual});
  const Ticket ticket = device_->submit(cdb::read_16(0, 8), {}, 4096);
  const auto entry = client.take_command();
  device_->hang_up();
  static_cast<uint8_t*>(entry.data[0].iov_base)[0] = 1;
  device_->verify();
}

TEST_F(FakeDeviceTest, CommandTimeoutAnswersAndTakesTheLateCompletionSilently) {
  NaiveClient& client = attach({.ring = {.command_timeout = 30s}, .drive = Drive::kManual});
  const Ticket ticket = device_->submit(cdb::read_16(0, 8), {}, 4096);
  const auto entry = client.take_command();
  device_->advance(29s);
  EXPECT_FALSE(ticket.ready());
  device_->advance(2s);
  EXPECT_TRUE(ticket.wait().check(0x02, 0x08, 0x00));
  EXPECT_EQ(device_->in_flight(), 1U) << "id and blocks stay with user space";
  client.complete(entry);
  EXPECT_TRUE(device_->process_kicks());
  EXPECT_EQ(device_->in_flight(), 0U);
}

TEST_F(FakeDeviceTest, TimersRunOnTheKernelThreadToo) {
  attach({.ring = {.command_timeout = 50ms}});
  EXPECT_TRUE(device_->run(cdb::test_unit_ready()).check(0x02, 0x08, 0x00));
  const auto entry = client_->take_command();
  client_->complete(entry);
}

TEST_F(FakeDeviceTest, FreeBlocksAreOutOfReachWhereAsked) {
  NaiveClient& client = attach({.drive = Drive::kManual});
  device_->protect_free_blocks(client.port());
  const Ticket ticket = device_->submit(cdb::read_16(0, 8), {}, 4096);
  const auto entry = client.take_command();
  const Fd zero(::memfd_create("zero", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(zero.get(), 8192), 0);
  EXPECT_EQ(::pread(zero.get(), entry.data[0].iov_base, 4096, 0), 4096);
  EXPECT_EQ(::pread(zero.get(), static_cast<char*>(entry.data[0].iov_base) + 4096, 1, 0), -1);
  EXPECT_EQ(errno, EFAULT);
  client.complete(entry);
  EXPECT_TRUE(ticket.wait().good());
  EXPECT_EQ(::pread(zero.get(), entry.data[0].iov_base, 4096, 0), -1);
  EXPECT_EQ(errno, EFAULT);
}

TEST_F(FakeDeviceTest, AttributesAreThoseOfTheDevice) {
  attach({.bytes = 1 << 20, .block_size = 4096, .serial = "abc"});
  EXPECT_EQ(device_->read_attribute("attrib/hw_block_size").value(), "4096");
  EXPECT_EQ(device_->read_attribute("attrib/dev_size").value(), "1048576");
  EXPECT_EQ(device_->read_attribute("wwn/vpd_unit_serial").value(),
            "T10 VPD Unit Serial Number: abc");
  EXPECT_EQ(device_->read_attribute("attrib/nonsense").error().code, ENOENT);
  EXPECT_EQ(device_->write_attribute("attrib/dev_size", "1").error().code, EDEADLK);
  EXPECT_EQ(device_->write_attribute("action/reset_ring", "3").error().code, EINVAL);
  EXPECT_EQ(device_->write_attribute("action/free_kept_buf", "1").error().code, EINVAL);
  device_->fail_attribute("attrib/hw_block_size", EIO);
  EXPECT_EQ(device_->read_attribute("attrib/hw_block_size").error().code, EIO);
}

TEST_F(FakeDeviceTest, ABlockedDeviceAnswersBusy) {
  attach({.drive = Drive::kManual});
  EXPECT_TRUE(device_->write_attribute("action/block_dev", "1").has_value());
  EXPECT_EQ(device_->read_attribute("action/block_dev").value(), "1");
  EXPECT_EQ(device_->run(cdb::test_unit_ready()).status, kStatusBusy);
  EXPECT_TRUE(device_->write_attribute("action/block_dev", "0").has_value());
  const Ticket ticket = device_->submit(cdb::test_unit_ready());
  client_->serve(disk_);
  EXPECT_TRUE(ticket.wait().good());
}

}  // namespace
}  // namespace tcmud::test
