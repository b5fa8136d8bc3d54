// SPDX-License-Identifier: Apache-2.0
#include "support/fake_kernel.h"

#include <gtest/gtest.h>

#include "support/scsi_client.h"

namespace tcmud::test {
namespace {

using namespace std::chrono_literals;
using kernel::Event;

class FakeKernelTest : public ::testing::Test {
 protected:
  Event next() {
    auto event = kernel_.next_event(5s);
    EXPECT_TRUE(event.has_value());
    return std::move(*event);
  }

  FakeKernel kernel_{nullptr};
};

TEST_F(FakeKernelTest, ScanShowsTheDevicesThatExist) {
  kernel_.create_device({.hba = 3, .name = "a", .dev_config = "file//tmp/x;y=1"});
  const auto gone = kernel_.create_device({.name = "b", .dev_config = "null"});
  kernel_.create_device({.name = "c"});
  kernel_.vanish(gone);
  const auto found = kernel_.scan().value();
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].device, (kernel::DeviceName{3, "a", "file", "/tmp/x;y=1"}));
  EXPECT_EQ(found[1].minor, 2U);
  EXPECT_EQ(kernel_.create_device({.name = "d"})->minor(), 1U)
      << "the lowest free minor is used again";
  EXPECT_EQ(kernel_.open_uio(7).error().code, ENOENT);
  EXPECT_EQ(kernel_.open_directory(gone->device_name()).error().code, ENOENT);
}

TEST_F(FakeKernelTest, AnAddedDeviceIsConfiguredByItsReply) {
  auto [device, reply] = kernel_.add_device({.name = "a"});
  Event event = next();
  EXPECT_TRUE(std::holds_alternative<kernel::DeviceAdded>(event.what));
  EXPECT_EQ(event.device.name, "a");
  EXPECT_EQ(event.device_id, device->device_id());
  EXPECT_FALSE(reply.replied());
  const auto directory = kernel_.open_directory(event.device).value();
  EXPECT_EQ(directory->read("enable").value(), "0");
  EXPECT_EQ(directory->write("action/block_dev", "1").error().code, EINVAL);
  EXPECT_TRUE(directory->write("attrib/emulate_write_cache", "1").has_value())
      << "nobody is told before the device is configured";
  EXPECT_EQ(kernel_.scan().value().size(), 1U);
  event.reply.send(0);
  EXPECT_EQ(reply.wait(), 0);
  EXPECT_TRUE(directory->write("action/block_dev", "1").has_value());
  EXPECT_EQ(kernel_.violations().count(), 0U);
}

TEST_F(FakeKernelTest, ARefusedDeviceIsGone) {
  auto [device, reply] = kernel_.add_device();
  next().reply.send(-ENOENT);
  EXPECT_EQ(reply.wait(), -ENOENT);
  EXPECT_TRUE(kernel_.scan().value().empty());
  EXPECT_EQ(kernel_.violations().count(), 0U);
}

TEST_F(FakeKernelTest, RefusingADeviceThatIsStillOpenIsAViolation) {
  auto [device, reply] = kernel_.add_device();
  const auto port = kernel_.open_uio(device->minor());
  ASSERT_TRUE(port.has_value());
  next().reply.send(-EIO);
  EXPECT_EQ(kernel_.violations().all(), std::vector{Violation::kReplyWhileOpen});
}

TEST_F(FakeKernelTest, AReplyThatIsNeverSentIsEioAtTheLatest) {
  auto added = kernel_.add_device();
  { const Event event = next(); }
  EXPECT_EQ(added.reply.wait(), -EIO);
}

TEST_F(FakeKernelTest, ASecondReplyIsAViolation) {
  auto added = kernel_.add_device();
  next().reply.send(0);
  FakeKernel::reply_by_hand(added.reply, 0);
  EXPECT_EQ(kernel_.violations().all(), std::vector{Violation::kReplyTwice});
}

TEST_F(FakeKernelTest, APositiveStatusIsAViolation) {
  auto added = kernel_.add_device();
  next().reply.send(EIO);
  EXPECT_EQ(kernel_.violations().all(), std::vector{Violation::kBadReply});
}

TEST_F(FakeKernelTest, AnEventWithoutAReplyIsAViolation) {
  auto added = kernel_.add_device();
  Event event = next();
  event.reply.leave_to_another_daemon();
  EXPECT_EQ(added.reply.wait(1s), std::nullopt);
  EXPECT_EQ(kernel_.violations().all(), std::vector{Violation::kNoAnswer});
}

TEST_F(FakeKernelTest, WhileADeviceIsRemovedItsDirectoryIsOutOfBounds) {
  auto device = kernel_.create_device();
  const auto directory = kernel_.open_directory(device->device_name()).value();
  auto reply = kernel_.remove_device(device);
  Event event = next();
  EXPECT_TRUE(std::holds_alternative<kernel::DeviceRemoved>(event.what));
  EXPECT_EQ(directory->read("attrib/dev_size").error().code, ENOENT);
  EXPECT_EQ(directory->list_port_groups().error().code, ENOENT);
  EXPECT_EQ(kernel_.violations().count(), 0U);
  EXPECT_EQ(directory->read("enable").error().code, ENOENT);
  EXPECT_EQ(kernel_.violations().count(), 1U);
  EXPECT_EQ(kernel_.open_directory(event.device).error().code, ENOENT);
  EXPECT_EQ(kernel_.violations().all(),
            (std::vector{Violation::kLockedDirectory, Violation::kLockedDirectory}));
  event.reply.send(0);
  EXPECT_EQ(reply.wait(), 0);
  EXPECT_TRUE(kernel_.scan().value().empty());
}

TEST_F(FakeKernelTest, AReconfiguredAttributeChangesWithTheReplyAlone) {
  auto device = kernel_.create_device({.bytes = 1 << 20});
  const auto size = [&] { return device->read_attribute("attrib/dev_size").value(); };
  auto refused = kernel_.reconfigure(device, kernel::SizeChange{2 << 20});
  next().reply.send(-EINVAL);
  EXPECT_EQ(refused.wait(), -EINVAL);
  EXPECT_EQ(size(), "1048576");
  auto agreed = kernel_.reconfigure(device, kernel::SizeChange{2 << 20});
  Event event = next();
  EXPECT_EQ(
      std::get<kernel::SizeChange>(std::get<kernel::DeviceReconfigured>(event.what).change).bytes,
      2U << 20);
  EXPECT_EQ(size(), "1048576");
  event.reply.send(0);
  EXPECT_EQ(agreed.wait(), 0);
  EXPECT_EQ(size(), "2097152");
}

TEST_F(FakeKernelTest, WhoCausedALostEventWaitsForItsAnswer) {
  kernel_.lose_events(true);
  auto [device, reply] = kernel_.add_device();
  EXPECT_FALSE(kernel_.next_event(0s));
  EXPECT_FALSE(reply.replied());
  EXPECT_EQ(device->read_attribute("statistics/scsi_dev/indx").value(),
            std::to_string(device->device_id()));
  kernel_.reply_to_lost_added(device->device_id()).send(0);
  EXPECT_EQ(reply.wait(), 0);
  kernel_.reply_to_lost_added(device->device_id()).send(0);  // nobody waits: that is no harm
  EXPECT_EQ(kernel_.violations().count(), 0U);
}

TEST_F(FakeKernelTest, AnsweringAnotherEventAsIfItWereAddedIsAViolation) {
  auto device = kernel_.create_device();
  kernel_.lose_events(true);
  auto reply = kernel_.reconfigure(device, kernel::SizeChange{1 << 20});
  kernel_.reply_to_lost_added(device->device_id()).send(0);
  EXPECT_FALSE(reply.replied());
  EXPECT_EQ(kernel_.violations().all(), std::vector{Violation::kBadReply});
}

TEST_F(FakeKernelTest, WhoWaitsForTheAnswerToALostEventCanBeFreed) {
  auto device = kernel_.create_device({.name = "a", .bytes = 1 << 20});
  auto other = kernel_.create_device({.name = "b"});
  kernel_.lose_events(true);
  auto resize = kernel_.reconfigure(device, kernel::SizeChange{2 << 20});
  auto removal = kernel_.remove_device(other);
  EXPECT_FALSE(kernel_.free_waiters([] { return false; }));
  EXPECT_FALSE(resize.replied());
  EXPECT_TRUE(kernel_.free_waiters([] { return true; }));
  EXPECT_EQ(resize.wait(), -EINTR);
  EXPECT_EQ(removal.wait(), -EINTR);
  EXPECT_EQ(device->read_attribute("attrib/dev_size").value(), "1048576");
  EXPECT_EQ(kernel_.scan().value().size(), 1U);
  EXPECT_EQ(kernel_.violations().count(), 0U);
}

TEST_F(FakeKernelTest, FreeingWhomTheDaemonOwesAnAnswerIsAViolation) {
  auto device = kernel_.create_device();
  auto resize = kernel_.reconfigure(device, kernel::SizeChange{1 << 20});
  kernel_.free_waiters([] { return true; });
  EXPECT_EQ(resize.wait(), -EINTR);
  EXPECT_EQ(kernel_.violations().all(), std::vector{Violation::kFreedWhileOwed});
}

TEST_F(FakeKernelTest, EventsGoToTheSinkWhereThereIsOne) {
  std::vector<std::string> seen;
  kernel_.set_event_sink([&](Event event) {
    seen.push_back(event.device.lun());
    event.reply.send(0);
  });
  EXPECT_EQ(kernel_.add_device({.hba = 1, .name = "x"}).reply.wait(), 0);
  EXPECT_EQ(seen, std::vector<std::string>{"user_1/x"});
}

}  // namespace
}  // namespace tcmud::test
