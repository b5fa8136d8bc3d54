// SPDX-License-Identifier: Apache-2.0
// Each mistake a daemon can make with the ring is seen.
#include <cstring>

#include <gtest/gtest.h>

#include "support/eventually.h"
#include "support/fake_kernel.h"
#include "support/ring_layout.h"
#include "support/scsi_client.h"
#include "unit/support/naive_client.h"

namespace tcmud::test {
namespace {

using namespace std::chrono_literals;

class ViolationTest : public ::testing::Test {
 protected:
  void attach(DeviceSpec spec = {}) {
    spec.drive = Drive::kManual;
    device_ = kernel_.create_device(spec);
    client_.emplace(device_->open().value());
  }
  NaiveClient::Entry command(size_t data_in = 0) {
    tickets_.push_back(
        data_in == 0
            ? device_->submit(cdb::test_unit_ready())
            : device_->submit(cdb::read_16(0, static_cast<uint32_t>(data_in / 512)), {}, data_in));
    return client_->take_command();
  }
  std::byte* entry_bytes(const NaiveClient::Entry& entry) {
    return client_->map() + kMailboxSize + entry.offset;
  }
  void kick() {
    client_->kick();
    device_->process_kicks();
  }
  void expect_only(Violation what) { EXPECT_EQ(kernel_.violations().all(), std::vector{what}); }

  FakeKernel kernel_{nullptr};
  std::shared_ptr<FakeDevice> device_;
  std::optional<NaiveClient> client_;
  std::vector<Ticket> tickets_;
};

TEST_F(ViolationTest, NoneForACorrectAnswer) {
  attach();
  client_->complete(command());
  device_->process_kicks();
  device_->verify();
  EXPECT_EQ(kernel_.violations().count(), 0U);
}

TEST_F(ViolationTest, ZeroedHeader) {
  attach();
  const auto entry = command();
  std::memset(entry_bytes(entry), 0, 112);
  client_->pass(entry);
  kick();
  expect_only(Violation::kZeroLengthSlot);
  EXPECT_TRUE(device_->broken());
}

TEST_F(ViolationTest, TailInsideAnEntry) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, entry.id);
  client_->set_tail(entry.offset + 8);
  kick();
  expect_only(Violation::kTailOffBoundary);
}

TEST_F(ViolationTest, TailBeyondTheHead) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, entry.id);
  client_->set_tail(entry.offset + 2 * entry.length);
  kick();
  expect_only(Violation::kTailPastHead);
}

TEST_F(ViolationTest, TailBeyondTheRing) {
  attach();
  command();
  client_->set_tail(client_->ring_size());
  kick();
  expect_only(Violation::kTailPastHead);
}

TEST_F(ViolationTest, TailOnAVirginRing) {
  attach();
  client_->set_tail(4096);
  kick();
  expect_only(Violation::kTailPastHead);
}

TEST_F(ViolationTest, LengthModified) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, entry.id);
  entry_bytes(entry)[0] ^= std::byte{8};
  client_->pass(entry);
  kick();
  expect_only(Violation::kLenOpModified);
}

TEST_F(ViolationTest, OperationCodeModified) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, entry.id);
  entry_bytes(entry)[0] ^= std::byte{1};
  client_->pass(entry);
  kick();
  expect_only(Violation::kLenOpModified);
}

TEST_F(ViolationTest, KernelFlagsWritten) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, entry.id);
  entry_bytes(entry)[offsetof(layout::Header, kflags)] = std::byte{1};
  client_->pass(entry);
  kick();
  expect_only(Violation::kHeaderModified);
}

TEST_F(ViolationTest, FlagsThatDoNotExist) {
  attach();
  client_->complete(command(), {.uflags = 0x80});
  device_->process_kicks();
  expect_only(Violation::kHeaderModified);
}

TEST_F(ViolationTest, CompletionOfAnIdNeverHandedOut) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, 77);
  client_->pass(entry);
  kick();
  expect_only(Violation::kUnknownId);
  EXPECT_TRUE(device_->broken());
  EXPECT_TRUE(device_->run(cdb::test_unit_ready()).check(0x02, 0x08, 0x00))
      << "a broken device takes no commands";
}

TEST_F(ViolationTest, CompletionOfIdZero) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, 0);
  client_->pass(entry);
  kick();
  expect_only(Violation::kUnknownId);
}

TEST_F(ViolationTest, OneCommandCompletedTwice) {
  attach();
  const auto first = command();
  const auto second = command();
  client_->write_answer(first, first.id);
  client_->write_answer(second, first.id);
  client_->pass(second);
  kick();
  expect_only(Violation::kDoubleCompletion);
  EXPECT_TRUE(tickets_[0].ready());
  EXPECT_FALSE(tickets_[1].ready());
}

TEST_F(ViolationTest, CompletionForAnOlderGenerationOfTheId) {
  // With ids reused at once the stale answer would hit the new owner of the id, as it does in the
  // kernel; reused as late as possible it hits nobody.
  attach({.ring = {.reuse = Reuse::kRoundRobin}});
  const auto old = command();
  client_->complete(old);
  device_->process_kicks();
  const auto fresh = command();
  EXPECT_NE(fresh.id, old.id);
  client_->write_answer(fresh, old.id);
  client_->pass(fresh);
  kick();
  expect_only(Violation::kDoubleCompletion);
}

TEST_F(ViolationTest, CompletionAfterReset) {
  attach();
  const auto entry = command();
  device_->reset_ring(1);
  EXPECT_EQ(tickets_[0].wait().status, kStatusBusy);
  client_->complete(entry);
  device_->process_kicks();
  expect_only(Violation::kTailPastHead);
}

TEST_F(ViolationTest, SecondCompletionOfAKeptBuffer) {
  attach();
  const auto first = command();
  const auto second = command();
  client_->write_answer(first, first.id, {.uflags = layout::kFlagKeepBuffer});
  client_->write_answer(second, first.id);
  client_->pass(second);
  kick();
  expect_only(Violation::kDoubleCompletion);
}

TEST_F(ViolationTest, OutOfOrderWithoutTheCapability) {
  DeviceSpec spec;
  spec.ring.geometry.mailbox_flags = 0xf & ~layout::kCapOutOfOrder;
  attach(spec);
  const auto first = command();
  const auto second = command();
  client_->write_answer(first, second.id);
  client_->pass(first);
  kick();
  expect_only(Violation::kMissingCapability);
}

TEST_F(ViolationTest, ReadLengthWithoutTheCapability) {
  DeviceSpec spec;
  spec.ring.geometry.mailbox_flags = layout::kCapOutOfOrder;
  attach(spec);
  client_->complete(command(512), {.uflags = layout::kFlagReadLength, .read_length = 100});
  device_->process_kicks();
  expect_only(Violation::kMissingCapability);
}

TEST_F(ViolationTest, KeepBufferWithoutTheCapability) {
  DeviceSpec spec;
  spec.ring.geometry.mailbox_flags = layout::kCapOutOfOrder;
  attach(spec);
  client_->complete(command(), {.uflags = layout::kFlagKeepBuffer});
  device_->process_kicks();
  expect_only(Violation::kMissingCapability);
}

TEST_F(ViolationTest, HeadWritten) {
  attach();
  const auto entry = command();
  client_->map()[offsetof(layout::Mailbox, cmd_head)] ^= std::byte{8};
  client_->complete(entry);
  device_->process_kicks();
  expect_only(Violation::kMailboxModified);
}

TEST_F(ViolationTest, EveryOtherByteOfTheMailboxIsWatched) {
  for (const size_t at : {0, 2, 4, 8, 16, 63, 68, 127}) {
    SCOPED_TRACE(at);
    const size_t before = kernel_.violations().count(Violation::kMailboxModified);
    attach();
    client_->map()[at] ^= std::byte{1};
    device_->verify();
    EXPECT_EQ(kernel_.violations().count(Violation::kMailboxModified), before + 1);
  }
}

TEST_F(ViolationTest, TailWithoutAKick) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, entry.id);
  client_->pass(entry);
  device_->advance(4s);
  EXPECT_EQ(kernel_.violations().count(), 0U);
  device_->advance(4s);
  expect_only(Violation::kMissingKick);
}

TEST_F(ViolationTest, TailWithoutAKickIsSeenByTheKernelThread) {
  device_ = kernel_.create_device({.kick_limit = 1ms});
  client_.emplace(device_->open().value());
  tickets_.push_back(device_->submit(cdb::test_unit_ready()));
  const auto entry = client_->take_command();
  client_->write_answer(entry, entry.id);
  client_->pass(entry);
  EXPECT_TRUE(eventually([this] { return kernel_.violations().count() != 0; }));
  EXPECT_GE(kernel_.violations().count(Violation::kMissingKick), 1U);
}

TEST_F(ViolationTest, WriteIntoABlockOfACompletedCommand) {
  attach();
  const auto entry = command(4096);
  client_->complete(entry);
  device_->process_kicks();
  static_cast<uint8_t*>(entry.data[0].iov_base)[100] = 1;
  device_->verify();
  expect_only(Violation::kLateWrite);
}

TEST_F(ViolationTest, LateWriteIsSeenWhenTheBlockIsHandedOutAgain) {
  attach();
  const auto entry = command(4096);
  client_->complete(entry);
  device_->process_kicks();
  static_cast<uint8_t*>(entry.data[0].iov_base)[0] = 1;
  command(4096);
  expect_only(Violation::kLateWrite);
}

TEST_F(ViolationTest, GoodReadThatLeavesBytesUnwritten) {
  attach({.ring = {.check_data_in = true}});
  const auto entry = command(4096);
  std::memset(entry.data[0].iov_base, 0, 4000);
  client_->complete(entry);
  device_->process_kicks();
  expect_only(Violation::kUnwrittenData);
}

TEST_F(ViolationTest, NoneForAShortReadThatSaysSo) {
  attach({.ring = {.check_data_in = true}});
  const auto entry = command(4096);
  std::memset(entry.data[0].iov_base, 0, 4000);
  client_->complete(entry, {.uflags = layout::kFlagReadLength, .read_length = 4000});
  device_->process_kicks();
  EXPECT_EQ(kernel_.violations().count(), 0U);
  EXPECT_EQ(tickets_[0].wait().residual, 96U);
}

TEST_F(ViolationTest, ACommandWithoutAnAnswer) {
  attach();
  command();
  EXPECT_FALSE(tickets_[0].wait(10ms).answered);
  expect_only(Violation::kNoAnswer);
}

TEST_F(ViolationTest, AfterAResetABrokenRingWorksAgain) {
  attach();
  const auto entry = command();
  client_->write_answer(entry, 77);
  client_->pass(entry);
  kick();
  EXPECT_TRUE(device_->broken());
  device_->reset_ring(2);
  EXPECT_TRUE(tickets_[0].wait().check(0x02, 0x08, 0x00));
  client_->forget_position();
  client_->complete(command());
  device_->process_kicks();
  EXPECT_TRUE(tickets_[1].wait().good());
  expect_only(Violation::kUnknownId);
}

}  // namespace
}  // namespace tcmud::test
