// SPDX-License-Identifier: Apache-2.0
// The shape of what the fake publishes, and what it makes of answers: kernel-visible facts of
// target_core_user.
#include "support/kernel_ring.h"

#include <cstring>

#include <gtest/gtest.h>

#include "support/fake_kernel.h"
#include "support/ring_layout.h"
#include "support/scsi_client.h"
#include "unit/support/naive_client.h"

namespace tcmud::test {
namespace {

using namespace std::chrono_literals;

class KernelRingTest : public ::testing::Test {
 protected:
  NaiveClient& attach(RingOptions ring = {}) {
    device_ = kernel_.create_device({.ring = ring, .drive = Drive::kManual});
    disk_.resize(1 << 20);
    return client_.emplace(device_->open().value());
  }
  Ticket ready() { return device_->submit(cdb::test_unit_ready()); }
  Ticket read(uint32_t bytes) { return device_->submit(cdb::read_16(0, bytes / 512), {}, bytes); }
  void answer(const NaiveClient::Entry& entry, const NaiveAnswer& with = {}) {
    client_->complete(entry, with);
    device_->process_kicks();
  }

  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> device_;
  std::vector<uint8_t> disk_;
  std::optional<NaiveClient> client_;
};

TEST_F(KernelRingTest, MailboxSaysWhatTheKernelSays) {
  NaiveClient& client = attach({.geometry = {.ring_bytes = 8 << 20}});
  layout::Mailbox mailbox;
  std::memcpy(&mailbox, client.map(), sizeof mailbox);
  EXPECT_EQ(mailbox.version, 2);
  EXPECT_EQ(mailbox.flags, 0xf);
  EXPECT_EQ(mailbox.cmdr_off, 128U);
  EXPECT_EQ(mailbox.cmdr_size, 8388480U);
}

TEST_F(KernelRingTest, EntriesAre120BytesForSixByteCdbsAnd128ForTheOthers) {
  NaiveClient& client = attach();
  ready();
  device_->submit(cdb::read_10(0, 8), {}, 4096);
  read(4096);
  const auto entries = client.take();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].length, 120U);
  EXPECT_EQ(entries[1].length, 128U);
  EXPECT_EQ(entries[2].length, 128U);
  EXPECT_EQ(entries[1].cdb.size(), 16U) << "rounded up to 8";
  EXPECT_EQ(Cdb(entries[2].cdb), cdb::read_16(0, 8));
  client.set_tail(0);
  device_->reset_ring(1);
}

TEST_F(KernelRingTest, MoreThanFourIovecsMakeAnEntryLonger) {
  NaiveClient& client = attach();
  std::vector<Ticket> small;
  for (int i = 0; i < 11; ++i) {
    small.push_back(read(4096));
  }
  // Every second block comes free, in the order in which it was asked for.
  const auto entries = client.take();
  for (size_t i = 0; i < 11; ++i) {
    const size_t which = i < 6 ? i * 2 : (i - 6) * 2 + 1;
    client.write_answer(entries[i], entries[which].id);
    if (i < 6) {
      client.pass(entries[i]);
    }
  }
  client.kick();
  device_->process_kicks();
  const Ticket large = read(6 * 4096);
  const auto entry = client.take_command();
  EXPECT_EQ(entry.data.size(), 6U);
  EXPECT_EQ(entry.length, 48 + 6 * 16 + 16U);
  client.write_answer(entry, entry.id);
  client.pass(entry);
  client.kick();
  EXPECT_TRUE(large.wait().good());
}

TEST_F(KernelRingTest, IdsAreTheLowestFreeFromOne) {
  NaiveClient& client = attach();
  ready();
  ready();
  const auto first = client.take_command();
  const auto second = client.take_command();
  EXPECT_EQ(first.id, 1);
  EXPECT_EQ(second.id, 2);
  answer(first);
  ready();
  const auto third = client.take_command();
  EXPECT_EQ(third.id, 1);
  answer(second);
  answer(third);
}

TEST_F(KernelRingTest, APadFillsTheEndOfTheRing) {
  NaiveClient& client =
      attach({.geometry = {.ring_bytes = 4096}});  // 3968 bytes: 33 times 120, and 8
  std::vector<size_t> pads;
  for (int i = 0; i < 34; ++i) {
    const Ticket ticket = ready();
    const auto entries = client.take();
    for (const auto& entry : entries) {
      if (entry.opcode == layout::kOpPad) {
        pads.push_back(entry.length);
        EXPECT_EQ(entry.offset + entry.length, client.ring_size());
      } else {
        answer(entry);
      }
    }
    EXPECT_TRUE(ticket.ready());
  }
  EXPECT_EQ(pads, std::vector<size_t>{8});
}

TEST_F(KernelRingTest, AFullRingQueuesAndRefillsInOrder) {
  NaiveClient& client = attach({.geometry = {.ring_bytes = 4096}});
  std::vector<Ticket> tickets;
  for (int i = 0; i < 100; ++i) {
    tickets.push_back(ready());
  }
  EXPECT_EQ(device_->in_flight(), 33U) << "(3968 - 1) / 120: one byte stays free";
  EXPECT_EQ(device_->queued(), 67U);
  answer(client.take_command());
  EXPECT_EQ(device_->queued(), 67U)
      << "8 bytes to the end need a PAD: 128 bytes are too few behind one freed entry";
  while (client.serve(disk_) > 0) {
    device_->process_kicks();
  }
  for (const Ticket& ticket : tickets) {
    EXPECT_TRUE(ticket.wait().good());
  }
}

TEST_F(KernelRingTest, AFullDataAreaQueuesToo) {
  NaiveClient& client = attach({.geometry = {.data_area_bytes = 64 << 10}});
  const Ticket first = read(48 << 10);
  const Ticket second = read(48 << 10);
  const Ticket third = ready();
  EXPECT_EQ(device_->in_flight(), 1U);
  EXPECT_EQ(device_->queued(), 2U) << "what comes later queues behind";
  answer(client.take_command());
  EXPECT_EQ(device_->in_flight(), 2U);
  client.serve(disk_);
  EXPECT_TRUE(third.wait().good());
}

TEST_F(KernelRingTest, WhatCanNeverFitIsRefused) {
  attach({.geometry = {.data_area_bytes = 64 << 10}});
  EXPECT_TRUE(device_->run(cdb::read_16(0, 256), {}, 128 << 10).check(0x05, 0x24, 0x00));
}

TEST_F(KernelRingTest, QueueFullTimeoutZeroIsTaskSetFullAtOnce) {
  attach({.geometry = {.data_area_bytes = 4096}, .queue_full_timeout_s = 0});
  const Ticket first = read(4096);
  EXPECT_EQ(read(4096).wait().status, kStatusTaskSetFull);
  client_->serve(disk_);
  EXPECT_TRUE(first.wait().good());
}

TEST_F(KernelRingTest, QueueFullTimesOutAfterThirtySecondsWithoutACommandTimeout) {
  attach({.geometry = {.data_area_bytes = 4096}});
  const Ticket first = read(4096);
  const Ticket second = read(4096);
  device_->advance(29s);
  EXPECT_FALSE(second.ready());
  device_->advance(2s);
  EXPECT_EQ(second.wait().status, kStatusTaskSetFull);
  client_->serve(disk_);
  EXPECT_TRUE(first.wait().good());
}

TEST_F(KernelRingTest, BidirectionalCommandsHaveBothBuffers) {
  NaiveClient& client = attach();
  const Bytes out = pattern(3, 5000);
  const Bytes in = pattern(4, 9000);
  const Ticket ticket = device_->submit(cdb::read_16(0, 1), out, in.size());
  const auto entry = client.take_command();
  ASSERT_EQ(entry.data.size(), 1U);
  ASSERT_EQ(entry.bidi_in.size(), 1U) << "never merged with the first";
  EXPECT_EQ(entry.data[0].iov_len, out.size());
  EXPECT_EQ(entry.bidi_in[0].iov_len, in.size());
  EXPECT_EQ(std::memcmp(entry.data[0].iov_base, out.data(), out.size()), 0);
  fill(entry.bidi_in, in);
  answer(entry);
  EXPECT_EQ(ticket.wait().data_in, in);
}

TEST_F(KernelRingTest, ReadLengthShortensDataInAndZeroMeansAll) {
  NaiveClient& client = attach();
  const Ticket some = read(4096);
  answer(client.take_command(), {.uflags = layout::kFlagReadLength, .read_length = 100});
  EXPECT_EQ(some.wait().data_in.size(), 100U);
  EXPECT_EQ(some.wait().residual, 3996U);
  const Ticket all = read(4096);
  answer(client.take_command(), {.uflags = layout::kFlagReadLength, .read_length = 0});
  EXPECT_EQ(all.wait().data_in.size(), 4096U);
  const Ticket more = read(4096);
  answer(client.take_command(), {.uflags = layout::kFlagReadLength, .read_length = 9999});
  EXPECT_EQ(more.wait().data_in.size(), 4096U);
}

TEST_F(KernelRingTest, CheckConditionBringsSenseAndNoDataUnlessItsLengthIsTold) {
  NaiveClient& client = attach();
  const std::vector<uint8_t> sense{0x72, 0x03, 0x11, 0x00};
  const Ticket plain = read(4096);
  answer(client.take_command(), {.status = 2, .sense = sense});
  EXPECT_TRUE(plain.wait().check(0x03, 0x11, 0x00));
  EXPECT_TRUE(plain.wait().data_in.empty());
  const Ticket with_data = read(4096);
  answer(client.take_command(),
         {.status = 2, .uflags = layout::kFlagReadLength, .read_length = 512, .sense = sense});
  EXPECT_TRUE(with_data.wait().check(0x03, 0x11, 0x00));
  EXPECT_EQ(with_data.wait().data_in.size(), 512U);
}

TEST_F(KernelRingTest, UnknownOpcodeFlagIsACommunicationFailureWithoutOurSense) {
  NaiveClient& client = attach();
  const Ticket ticket = device_->submit_ring_opcode(5);
  const auto entries = client.take();
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].opcode, 5);
  answer(entries[0],
         {.status = 2, .uflags = layout::kFlagUnknownOp, .sense = {0x72, 0x05, 0x20, 0x00}});
  EXPECT_TRUE(ticket.wait().check(0x02, 0x08, 0x00));
}

TEST_F(KernelRingTest, AKeptBufferIsFreedByItsAttributeOrByClosing) {
  NaiveClient& client = attach();
  for (const bool by_attribute : {true, false}) {
    const Ticket ticket = device_->submit(cdb::write_16(0, 8), Bytes(4096));
    const auto entry = client.take_command();
    answer(entry, {.uflags = layout::kFlagKeepBuffer});
    EXPECT_TRUE(ticket.wait().good());
    EXPECT_EQ(device_->in_flight(), 1U);
    if (by_attribute) {
      EXPECT_TRUE(
          device_->write_attribute("action/free_kept_buf", std::to_string(entry.id)).has_value());
    } else {
      client_.reset();
      EXPECT_FALSE(device_->is_open());
    }
    EXPECT_EQ(device_->in_flight(), 0U);
  }
}

TEST_F(KernelRingTest, ResetEndsWhatIsInFlightAndStartsTheRingAnew) {
  NaiveClient& client = attach();
  for (const int how : {1, 2}) {
    const Ticket ticket = ready();
    client.take();
    EXPECT_TRUE(device_->write_attribute("action/reset_ring", std::to_string(how)).has_value());
    if (how == 1) {
      EXPECT_EQ(ticket.wait().status, kStatusBusy);
    } else {
      EXPECT_TRUE(ticket.wait().check(0x02, 0x08, 0x00));
    }
    layout::Mailbox mailbox;
    std::memcpy(&mailbox, client.map(), sizeof mailbox);
    EXPECT_EQ(mailbox.cmd_head, 0U);
    EXPECT_EQ(mailbox.cmd_tail, 0U);
    client.forget_position();
  }
}

TEST_F(KernelRingTest, ResetRefillsFromTheQueue) {
  attach({.geometry = {.data_area_bytes = 4096}});
  const Ticket first = read(4096);
  const Ticket second = read(4096);
  device_->reset_ring(1);
  EXPECT_EQ(first.wait().status, kStatusBusy);
  EXPECT_EQ(device_->in_flight(), 1U);
  client_->serve(disk_);
  EXPECT_TRUE(second.wait().good());
}

TEST_F(KernelRingTest, BlockingTakesWhatIsFinishedAndTurnsTheQueueAway) {
  NaiveClient& client = attach({.geometry = {.data_area_bytes = 4096}});
  const Ticket first = read(4096);
  const Ticket second = read(4096);
  const auto entry = client.take_command();
  client.write_answer(entry, entry.id);
  client.pass(entry);  // not kicked
  device_->set_blocked(true);
  EXPECT_TRUE(first.wait().good());
  client.kick();
  EXPECT_EQ(device_->in_flight(), 1U) << "room came free before the queue was turned away";
  device_->set_blocked(false);
  client.serve(disk_);
  EXPECT_TRUE(second.wait().good());
}

TEST_F(KernelRingTest, TaskManagementListsLiveIdsOnceAskedFor) {
  NaiveClient& client = attach({.tmr_notification = true});
  const std::vector<Ticket> tickets{ready(), ready(), ready()};
  const auto commands = client.take();
  device_->task_management(1, std::span(tickets).subspan(1, 1));
  device_->task_management(5, {});
  const auto tmrs = client.take();
  ASSERT_EQ(tmrs.size(), 2U);
  EXPECT_EQ(tmrs[0].opcode, layout::kOpTmr);
  EXPECT_EQ(tmrs[0].id, 0);
  EXPECT_EQ(tmrs[0].tmr_type, 1);
  EXPECT_EQ(tmrs[0].length, 40U);
  EXPECT_EQ(tmrs[0].tmr_ids, std::vector<uint16_t>{commands[1].id});
  EXPECT_EQ(tmrs[1].length, 32U);
  EXPECT_TRUE(tmrs[1].tmr_ids.empty());
  for (const auto& entry : commands) {
    client.write_answer(entry, entry.id);
  }
  client.pass(tmrs[1]);
  client.kick();
  for (const Ticket& ticket : tickets) {
    EXPECT_TRUE(ticket.wait().good());
  }
}

TEST_F(KernelRingTest, TaskManagementWithoutNotificationSaysNothing) {
  NaiveClient& client = attach();
  const std::vector<Ticket> tickets{ready()};
  device_->task_management(1, tickets);
  const auto entries = client.take();
  EXPECT_EQ(entries.size(), 1U);
  answer(entries[0]);
}

TEST_F(KernelRingTest, TaskManagementAbortsWhatIsQueuedAndComesBeforeItWhenRoomIsFree) {
  NaiveClient& client = attach({.geometry = {.ring_bytes = 4096}, .tmr_notification = true});
  std::vector<Ticket> tickets;
  for (int i = 0; i < 40; ++i) {
    tickets.push_back(ready());
  }
  device_->task_management(1, std::span(tickets).last(2));
  EXPECT_EQ(tickets[39].wait().status, kStatusTaskAborted);
  EXPECT_EQ(device_->queued(), 5U);
  const auto first = client.take();
  for (const auto& entry : first) {
    client.write_answer(entry, entry.id);
  }
  client.pass(first.back());
  client.kick();
  device_->process_kicks();
  auto then = client.take();
  std::erase_if(then, [](const auto& entry) { return entry.opcode == layout::kOpPad; });
  ASSERT_EQ(then.size(), 6U);
  EXPECT_EQ(then[0].opcode, layout::kOpTmr);
  for (const auto& entry : then) {
    client.write_answer(entry, entry.id);
  }
}

TEST_F(KernelRingTest, RawBytesReachTheRingAsTheyAre) {
  NaiveClient& client = attach();
  std::array<std::byte, 16> raw{};
  raw[0] = std::byte{16 | 4};
  EXPECT_TRUE(device_->publish_raw(raw));
  EXPECT_EQ(std::memcmp(client.map() + kMailboxSize, raw.data(), raw.size()), 0);
  layout::Mailbox mailbox;
  std::memcpy(&mailbox, client.map(), sizeof mailbox);
  EXPECT_EQ(mailbox.cmd_head, 16U);
}

TEST_F(KernelRingTest, VariableLengthCdbsAreWhole) {
  NaiveClient& client = attach();
  Cdb cdb(260);
  cdb[0] = 0x7f;
  cdb[7] = 252;
  cdb[259] = 9;
  const Ticket ticket = device_->submit(cdb);
  const auto entry = client.take_command();
  EXPECT_EQ(entry.length, 112U + 264U);
  EXPECT_EQ(entry.cdb[259], 9);
  answer(entry);
  EXPECT_TRUE(ticket.wait().good());
}

}  // namespace
}  // namespace tcmud::test
