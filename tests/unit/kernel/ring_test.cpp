// SPDX-License-Identifier: Apache-2.0
#include "kernel/ring.h"

#include <algorithm>
#include <thread>

#include "unit/kernel/ring_fixture.h"

namespace tcmud::kernel {
namespace {

using test::kCheckCondition;
using test::kRead10;
using test::kTestUnitReady;
using test::RingBuilder;
using testing::ElementsAre;
using testing::HasSubstr;
using RingTest = test::RingTest;

// --- the mailbox

struct MailboxCase {
  const char* name;
  size_t field;
  uint32_t value;
  bool is_short;
};
class MailboxTest : public testing::TestWithParam<MailboxCase> {};

TEST_P(MailboxTest, OneThatCantBeIsRefused) {
  RingBuilder builder;
  ASSERT_TRUE(Ring::attach(builder.map(), 1));
  const auto& [name, field, value, is_short] = GetParam();
  if (is_short) {
    builder.put<uint16_t>(field, static_cast<uint16_t>(value));
  } else {
    builder.put<uint32_t>(field, value);
  }
  const auto attached = Ring::attach(builder.map(), 1);
  ASSERT_FALSE(attached);
  EXPECT_EQ(attached.error().code, EPROTO);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, MailboxTest,
    testing::Values(MailboxCase{"OldVersion", abi::kMailboxVersionAt, 1, true},
                    MailboxCase{"NewVersion", abi::kMailboxVersionAt, 3, true},
                    MailboxCase{"RingInsideMailbox", abi::kMailboxRingAt, 64, false},
                    MailboxCase{"RingMisaligned", abi::kMailboxRingAt, 136, false},
                    MailboxCase{"RingBehindMap", abi::kMailboxRingAt, 1U << 30, false},
                    MailboxCase{"RingEmpty", abi::kMailboxRingSizeAt, 0, false},
                    MailboxCase{"RingSizeMisaligned", abi::kMailboxRingSizeAt, 3972, false},
                    MailboxCase{"RingTooLong", abi::kMailboxRingSizeAt, 17 * 4096, false},
                    MailboxCase{"RingWrapsAround", abi::kMailboxRingSizeAt, 0xffffffc0, false},
                    MailboxCase{"HeadOutside", abi::kMailboxHeadAt, 3968, false},
                    MailboxCase{"HeadMisaligned", abi::kMailboxHeadAt, 12, false},
                    MailboxCase{"TailOutside", abi::kMailboxTailAt, 3968, false},
                    MailboxCase{"TailMisaligned", abi::kMailboxTailAt, 4, false}),
    [](const auto& info) { return info.param.name; });

TEST_F(RingTest, AMapTooSmallForAMailboxIsRefused) {
  EXPECT_FALSE(Ring::attach(builder.map().first(127), 1));
  EXPECT_FALSE(Ring::attach({}, 1));
}

TEST_F(RingTest, MaxCommandsIsFrom1To65535) {
  EXPECT_FALSE(Ring::attach(builder.map(), 0));
  EXPECT_FALSE(Ring::attach(builder.map(), 65536));
  EXPECT_TRUE(Ring::attach(builder.map(), 65535));
}

TEST_F(RingTest, AttachTakesWhatLiesBetweenTailAndHead) {
  builder.add_command(1, kTestUnitReady);
  const uint32_t second = builder.add_command(2, kTestUnitReady);
  builder.put<uint32_t>(abi::kMailboxTailAt, second);
  attach();
  EXPECT_TRUE(ring->has_work());
  EXPECT_EQ(take(), 2);
  EXPECT_EQ(next(), Ring::Next::kEmpty);
}

TEST_F(RingTest, GeometryIsNeverReadAgain) {
  attach();
  builder.put<uint32_t>(abi::kMailboxRingAt, 0xffffffff);
  builder.put<uint32_t>(abi::kMailboxRingSizeAt, 8);
  builder.put<uint16_t>(abi::kMailboxVersionAt, 7);
  builder.put<uint16_t>(abi::kMailboxFlagsAt, 0);
  builder.add_command(1, kTestUnitReady);
  EXPECT_EQ(take(), 1);
  EXPECT_EQ(ring->data_area_size(), 16 * 4096U);
  EXPECT_TRUE(ring->has_read_length());
}

// --- taking and answering

TEST_F(RingTest, AnEmptyRingHasNoWork) {
  attach();
  EXPECT_FALSE(ring->has_work());
  EXPECT_EQ(next(), Ring::Next::kEmpty);
  EXPECT_FALSE(ring->publish());
}

TEST_F(RingTest, ACommandIsCopiedOut) {
  attach();
  builder.add_command(7, kRead10, {{0, 4096}, {8192, 512}});
  ASSERT_EQ(take(), 7);
  EXPECT_EQ(command.malformed, nullptr);
  EXPECT_EQ(command.cdb_length, 10);
  EXPECT_TRUE(std::equal(kRead10.begin(), kRead10.end(), command.cdb.begin()));
  ASSERT_EQ(command.iov.size(), 2U);
  EXPECT_EQ(command.iov.data(), iov.data());
  EXPECT_EQ(command.iov[0].iov_base, builder.data());
  EXPECT_EQ(command.iov[0].iov_len, 4096U);
  EXPECT_EQ(command.iov[1].iov_base, builder.data() + 8192);
  EXPECT_EQ(command.iov[1].iov_len, 512U);
  EXPECT_EQ(command.data_length, 4608U);
  EXPECT_EQ(ring->live(), 1U);
}

TEST_F(RingTest, ALookCountsWhatItFoundOnce) {
  attach();
  EXPECT_EQ(ring->take_found(), 0U);
  for (uint16_t id = 1; id <= 5; ++id) {
    builder.add_command(id, kTestUnitReady);
  }
  take();
  EXPECT_EQ(ring->take_found(), 5U);
  take();
  EXPECT_EQ(ring->take_found(), 0U) << "the second was found by the first look";
  EXPECT_EQ(next(), Ring::Next::kCommand);
}

TEST_F(RingTest, TheTailMovesOnlyWhenPublished) {
  attach();
  const uint32_t entry = builder.add_command(1, kTestUnitReady);
  take();
  EXPECT_FALSE(ring->publish());
  EXPECT_TRUE(complete(1));
  EXPECT_EQ(builder.tail(), 0U);
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), builder.head());
  EXPECT_FALSE(ring->publish());
  EXPECT_EQ(answered_id(entry), 1);
  EXPECT_EQ(ring->live(), 0U);
}

TEST_F(RingTest, CheckConditionSendsAllSenseAndNothingStale) {
  attach();
  const uint32_t entry = builder.add_command(1, kTestUnitReady);
  take();
  std::memset(builder.map().data() + 128 + entry + abi::kSenseAt, 0xee, abi::kSenseSize);
  Completion completion;
  completion.status = kCheckCondition;
  completion.sense_length = 18;
  completion.sense.fill(0x55);
  ASSERT_TRUE(ring->complete(1, completion));
  EXPECT_EQ(answered_status(entry), kCheckCondition);
  for (size_t i = 0; i < abi::kSenseSize; ++i) {
    EXPECT_EQ(builder.get_entry<uint8_t>(entry, abi::kSenseAt + i), i < 18 ? 0x55 : 0) << i;
  }
}

TEST_F(RingTest, ASenseLengthThatIsTooLongIsCutOff) {
  attach();
  const uint32_t entry = builder.add_command(1, kTestUnitReady);
  take();
  Completion completion;
  completion.status = kCheckCondition;
  completion.sense_length = 255;
  completion.sense.fill(0x55);
  ASSERT_TRUE(ring->complete(1, completion));
  EXPECT_EQ(builder.get_entry<uint8_t>(entry, abi::kSenseAt + kMaxSense - 1), 0x55);
  EXPECT_EQ(builder.get_entry<uint8_t>(entry, abi::kSenseAt + kMaxSense), 0);
}

TEST_F(RingTest, ReadLengthIsToldWhereTheMailboxSaysSo) {
  attach();
  const uint32_t entry = builder.add_command(1, kRead10, {{0, 4096}});
  const uint32_t second = builder.add_command(2, kRead10, {{4096, 4096}});
  take();
  take();
  Completion completion;
  completion.has_read_length = true;
  completion.read_length = 219;
  ASSERT_TRUE(ring->complete(1, completion));
  EXPECT_EQ(builder.get_entry<uint8_t>(entry, abi::kUserFlagsAt), abi::kUserFlagReadLength);
  EXPECT_EQ(builder.get_entry<uint32_t>(entry, abi::kReadLengthAt), 219U);
  // And not by what the slot held.
  ASSERT_TRUE(complete(2));
  EXPECT_EQ(builder.get_entry<uint8_t>(second, abi::kUserFlagsAt), 0);
}

TEST_F(RingTest, ReadLengthIsNotToldWhereTheMailboxDoesntSaySo) {
  builder.put<uint16_t>(abi::kMailboxFlagsAt, abi::kCapOutOfOrder);
  attach();
  EXPECT_FALSE(ring->has_read_length());
  const uint32_t entry = builder.add_command(1, kRead10, {{0, 4096}});
  take();
  Completion completion;
  completion.has_read_length = true;
  completion.read_length = 219;
  ASSERT_TRUE(ring->complete(1, completion));
  EXPECT_EQ(builder.get_entry<uint8_t>(entry, abi::kUserFlagsAt), 0);
}

TEST_F(RingTest, ReadLength0CantBeTold) {
  attach();
  const uint32_t entry = builder.add_command(1, kRead10, {{0, 4096}});
  take();
  Completion completion;
  completion.has_read_length = true;
  ASSERT_TRUE(ring->complete(1, completion));
  EXPECT_EQ(builder.get_entry<uint8_t>(entry, abi::kUserFlagsAt), 0);
}

TEST_F(RingTest, OutOfOrderAnswersFillTheOldestSlot) {
  attach();
  const uint32_t a = builder.add_command(1, kRead10, {{0, 4096}});
  const uint32_t b = builder.add_command(2, std::vector<uint8_t>(16, 0x88));
  const uint32_t c = builder.add_command(3, kTestUnitReady);
  take();
  take();
  take();
  const auto len_op = builder.get_entry<uint32_t>(a, abi::kLengthOpAt);
  ASSERT_TRUE(complete(3, 0x08));
  ASSERT_TRUE(ring->publish());
  EXPECT_EQ(answered_id(a), 3);
  EXPECT_EQ(answered_status(a), 0x08);
  EXPECT_EQ(builder.get_entry<uint32_t>(a, abi::kLengthOpAt), len_op);
  EXPECT_EQ(builder.tail(), b);
  ASSERT_TRUE(complete(1, 0x28));
  ASSERT_TRUE(complete(2, 0x18));
  ASSERT_TRUE(ring->publish());
  EXPECT_EQ(answered_id(b), 1);
  EXPECT_EQ(answered_id(c), 2);
  EXPECT_EQ(builder.tail(), builder.head());
}

TEST_F(RingTest, InOrderAnAnswerWaitsForItsTurn) {
  attach_in_order();
  const uint32_t a = builder.add_command(1, kTestUnitReady);
  const uint32_t b = builder.add_command(2, kTestUnitReady);
  builder.add_tmr(1, {});
  const uint32_t d = builder.add_command(3, kTestUnitReady);
  take();
  take();
  ASSERT_EQ(next(), Ring::Next::kTmr);
  take();
  ASSERT_TRUE(complete(2, 0x08));
  EXPECT_FALSE(ring->publish());
  ASSERT_TRUE(complete(1, 0x28));
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), d);
  EXPECT_EQ(answered_id(a), 1);
  EXPECT_EQ(answered_status(a), 0x28);
  EXPECT_EQ(answered_id(b), 2);
  EXPECT_EQ(answered_status(b), 0x08);
  ASSERT_TRUE(complete(3));
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), builder.head());
}

TEST_F(RingTest, AtMaxCommandsTheRestWaitsInTheRing) {
  attach(2);
  for (uint16_t id = 1; id <= 3; ++id) {
    builder.add_command(id, kTestUnitReady);
  }
  take();
  take();
  EXPECT_EQ(next(), Ring::Next::kEmpty);
  EXPECT_TRUE(ring->has_work());
  ASSERT_TRUE(complete(1));
  EXPECT_EQ(take(), 3);
}

TEST_F(RingTest, ALongListOfIovecsGoesToSpill) {
  attach();
  std::vector<RingBuilder::Buffer> out;
  for (uint64_t i = 0; i < 8; ++i) {
    out.push_back({2 * i * 4096, 4096});
  }
  builder.add_command(1, kRead10, out);
  builder.add_command(2, kRead10, {{0, 4096}});
  take();
  ASSERT_EQ(command.malformed, nullptr) << command.malformed;
  ASSERT_EQ(command.iov.size(), 8U);
  EXPECT_EQ(command.iov.data(), command.spill.get());
  EXPECT_EQ(command.iov[7].iov_base, builder.data() + 14 * 4096);
  EXPECT_EQ(command.data_length, 8 * 4096U);
  take();
  EXPECT_EQ(command.iov.data(), iov.data());
  EXPECT_EQ(command.spill, nullptr);
}

// --- PAD, TMR, unknown operations

TEST_F(RingTest, APadIsPassedOverAndTheRingBeginsAnew) {
  builder.set_head(builder.ring_size() - 48);
  builder.put<uint32_t>(abi::kMailboxTailAt, builder.head());
  attach();
  builder.add_pad();
  builder.add_command(1, kTestUnitReady);
  EXPECT_EQ(take(), 1);
  ASSERT_TRUE(complete(1));
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), 120U);
  EXPECT_EQ(answered_id(0), 1);
}

TEST_F(RingTest, APadMayBeAHeaderAlone) {
  builder.set_head(builder.ring_size() - 8);
  builder.put<uint32_t>(abi::kMailboxTailAt, builder.head());
  attach();
  builder.add_pad();
  EXPECT_EQ(next(), Ring::Next::kEmpty);
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), 0U);
}

TEST_F(RingTest, ATmrIsHandedOutAndOwedNothing) {
  attach();
  builder.add_command(5, kTestUnitReady);
  builder.add_tmr(1, {5, 9});
  take();
  ASSERT_EQ(next(), Ring::Next::kTmr);
  EXPECT_EQ(tmr.type, 1);
  EXPECT_THAT(tmr.command_ids, ElementsAre(5, 9));
  EXPECT_EQ(ring->live(), 1U);
}

// A TMR as the last entry used to leave the tail behind the head for ever, and shutdown waiting for
// it.
TEST_F(RingTest, ATmrAsTheLastEntryDoesntKeepTheTailBack) {
  attach();
  builder.add_command(5, kTestUnitReady);
  builder.add_tmr(5, {});
  take();
  ASSERT_EQ(next(), Ring::Next::kTmr);
  EXPECT_THAT(tmr.command_ids, ElementsAre());
  ASSERT_TRUE(complete(5));
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), builder.head());
  builder.add_tmr(5, {});
  ASSERT_EQ(next(), Ring::Next::kTmr);
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), builder.head());
}

// What is remembered of taken entries has an end too; what doesn't fit waits in the ring.
TEST_F(RingTest, NoTmrIsLostBehindACommandThatIsntAnswered) {
  builder = RingBuilder(4);
  attach(2);
  builder.add_command(1, kTestUnitReady);
  take();
  uint16_t added = 0;
  while (builder.room() > 40) {
    builder.add_tmr(5, {added++});
  }
  uint16_t seen = 0;
  const auto take_all = [&] {
    while (next() == Ring::Next::kTmr) {
      EXPECT_THAT(tmr.command_ids, ElementsAre(seen++));
    }
  };
  take_all();
  EXPECT_LT(seen, added);
  EXPECT_FALSE(ring->publish());
  ASSERT_TRUE(complete(1));
  while (seen < added && ring->publish()) {
    take_all();
  }
  EXPECT_EQ(seen, added);
  ring->publish();
  EXPECT_EQ(builder.tail(), builder.head());
  EXPECT_FALSE(ring->broken()) << ring->broken_reason();
}

TEST_F(RingTest, AnUnknownOperationIsAnsweredInItsPlace) {
  attach();
  const uint32_t a = builder.add_command(1, kTestUnitReady);
  const uint32_t u = builder.add_unknown(5, 9);
  const uint32_t b = builder.add_command(2, kTestUnitReady);
  EXPECT_EQ(take(), 1);
  EXPECT_EQ(take(), 2);
  EXPECT_EQ(ring->live(), 2U);
  ASSERT_TRUE(complete(2));
  ASSERT_TRUE(complete(1));
  ASSERT_TRUE(ring->publish());
  EXPECT_EQ(answered_id(a), 2);
  EXPECT_EQ(answered_id(u), 9);
  EXPECT_EQ(builder.get_entry<uint8_t>(u, abi::kUserFlagsAt), abi::kUserFlagUnknownOp);
  EXPECT_EQ(builder.get_entry<uint32_t>(u, abi::kLengthOpAt), 16U | 5U);
  EXPECT_EQ(answered_id(b), 1);
  EXPECT_EQ(builder.tail(), builder.head());
}

// --- two sides at once

// For the thread sanitizer, too: all that orders the two sides is head and tail.
TEST_F(RingTest, TheKernelPutsInWhileAnswersGoOut) {
  constexpr uint32_t kCommands = 2000;
  builder = RingBuilder(2);
  attach();
  std::thread kernel([this] {
    uint32_t put_in = 0;
    while (put_in < kCommands) {
      const uint32_t used =
          (builder.head() + builder.ring_size() - builder.tail()) % builder.ring_size();
      if (used + 2 * 128 + 1 > builder.ring_size()) {
        std::this_thread::yield();
      } else if (builder.room() < 128) {
        builder.add_pad();
      } else {
        // At most 63 fit in, so that none is in use.
        const auto n = static_cast<uint8_t>(put_in++ % 100);
        builder.add_command(1 + n, kRead10, {{4096U * (n % 16), 4096}});
      }
    }
  });
  uint32_t answered = 0;
  while (answered < kCommands && !ring->broken()) {
    const auto what = next();
    if (what == Ring::Next::kCommand) {
      EXPECT_EQ(command.id, 1 + answered % 100);
      complete(command.id);
      ++answered;
    } else if (!ring->publish()) {
      std::this_thread::yield();
    }
  }
  kernel.join();
  EXPECT_FALSE(ring->broken()) << ring->broken_reason();
}

// --- reset

TEST_F(RingTest, ResetBeginsAnew) {
  attach();
  builder.add_command(1, kTestUnitReady);
  builder.add_command(2, kTestUnitReady);
  take();
  take();
  builder.set_head(12);
  EXPECT_EQ(next(), Ring::Next::kBroken);
  // What action/reset_ring does, with a command that waited for room put in at once.
  builder.put<uint32_t>(abi::kMailboxTailAt, 0);
  builder.set_head(0);
  builder.add_command(1, kTestUnitReady);
  ASSERT_TRUE(ring->reset());
  EXPECT_FALSE(ring->broken());
  EXPECT_STREQ(ring->broken_reason(), "");
  EXPECT_EQ(ring->live(), 0U);
  EXPECT_TRUE(ring->has_work());
  EXPECT_EQ(take(), 1);
  EXPECT_EQ(next(), Ring::Next::kEmpty);
  EXPECT_TRUE(complete(1));
  EXPECT_TRUE(ring->publish());
  EXPECT_EQ(builder.tail(), builder.head());
}

TEST_F(RingTest, ResetWithATailThatIsNot0IsRefused) {
  attach();
  builder.add_command(1, kTestUnitReady);
  take();
  ASSERT_TRUE(complete(1));
  ASSERT_TRUE(ring->publish());
  const auto reset = ring->reset();
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().code, EPROTO);
  EXPECT_TRUE(ring->broken());
}

TEST_F(RingTest, ResetWithAHeadThatMakesNoSenseIsRefused) {
  attach();
  builder.set_head(4);
  const auto reset = ring->reset();
  ASSERT_FALSE(reset);
  EXPECT_EQ(reset.error().code, EPROTO);
  EXPECT_THAT(ring->broken_reason(), HasSubstr("cmd_head"));
}

}  // namespace
}  // namespace tcmud::kernel
