// SPDX-License-Identifier: Apache-2.0
// What the kernel never does, one field of a good entry at a time, and what the daemon must never
// do.
#include "unit/kernel/ring_fixture.h"

namespace tcmud::kernel {
namespace {

using test::kTestUnitReady;
using RingBrokenTest = test::RingTest;

TEST_F(RingBrokenTest, AHeadOutsideTheRingBreaksIt) {
  attach();
  builder.set_head(builder.ring_size());
  EXPECT_TRUE(ring->has_work());
  expect_broken("cmd_head is 0xf80");
}

TEST_F(RingBrokenTest, AMisalignedHeadBreaksIt) {
  attach();
  builder.set_head(12);
  expect_broken("cmd_head is 0xc");
}

TEST_F(RingBrokenTest, AHeadThatGoesBackIntoTakenEntriesBreaksIt) {
  attach();
  builder.add_command(1, kTestUnitReady);
  builder.add_command(2, kTestUnitReady);
  take();
  take();
  builder.set_head(120);
  expect_broken("went back");
}

TEST_F(RingBrokenTest, AHeadThatPassesThePublishedTailBreaksIt) {
  attach();
  builder.add_command(1, kTestUnitReady);
  const uint32_t second = builder.add_command(2, kTestUnitReady);
  builder.add_command(3, kTestUnitReady);
  take();
  take();
  take();
  ASSERT_TRUE(complete(1));
  ASSERT_TRUE(ring->publish());
  builder.set_head(second + 8);
  expect_broken("went back");
}

TEST_F(RingBrokenTest, ALengthOf0BreaksIt) {
  attach();
  builder.set_head(128);
  expect_broken("length 0x0");
  EXPECT_EQ(builder.tail(), 0U);
}

TEST_F(RingBrokenTest, ALengthOf0OfAnUnknownOperationBreaksIt) {
  attach();
  const uint32_t entry = builder.add_unknown(5, 1);
  builder.put_entry<uint32_t>(entry, abi::kLengthOpAt, 5);
  expect_broken("entry at 0x0 has length 0x0");
}

TEST_F(RingBrokenTest, ALengthBeyondTheHeadBreaksIt) {
  attach();
  const uint32_t entry = builder.add_command(1, kTestUnitReady);
  builder.put_entry<uint32_t>(entry, abi::kLengthOpAt, 128 | abi::kOpCommand);
  expect_broken("entry at 0x0 has length 0x80 of 0x78 bytes up to cmd_head");
}

TEST_F(RingBrokenTest, ALengthBeyondTheRingsEndBreaksIt) {
  builder.set_head(builder.ring_size() - 120);
  builder.put<uint32_t>(abi::kMailboxTailAt, builder.head());
  attach();
  const uint32_t entry = builder.add_command(1, kTestUnitReady);
  builder.add_command(2, kTestUnitReady);
  builder.put_entry<uint32_t>(entry, abi::kLengthOpAt, 128 | abi::kOpCommand);
  expect_broken("up to the ring's end");
}

TEST_F(RingBrokenTest, ACommandTooShortForItsAnswerBreaksIt) {
  attach();
  const uint32_t entry = builder.add_command(1, kTestUnitReady);
  builder.put_entry<uint32_t>(entry, abi::kLengthOpAt, 104 | abi::kOpCommand);
  expect_broken("command entry at 0x0 has length 0x68");
}

TEST_F(RingBrokenTest, ATmrTooShortForItsIdsBreaksIt) {
  attach();
  const uint32_t entry = builder.add_tmr(1, {1, 2, 3});
  builder.put_entry<uint32_t>(entry, abi::kTmrCountAt, 5);
  expect_broken("TMR entry at 0x0");
}

TEST_F(RingBrokenTest, ATmrsCountDoesntOverflow) {
  attach();
  const uint32_t entry = builder.add_tmr(1, {1, 2, 3});
  builder.put_entry<uint32_t>(entry, abi::kTmrCountAt, 0x80000002);
  expect_broken("TMR entry at 0x0");
}

TEST_F(RingBrokenTest, ATmrWithoutItsFixedPartBreaksIt) {
  attach();
  const uint32_t entry = builder.add_tmr(1, {});
  builder.put_entry<uint32_t>(entry, abi::kLengthOpAt, 24 | abi::kOpTmr);
  expect_broken("TMR entry at 0x0");
}

TEST_F(RingBrokenTest, APadThatDoesntReachTheRingsEndBreaksIt) {
  attach();
  builder.add_unknown(abi::kOpPad, 0, 16);
  expect_broken("PAD entry at 0x0");
}

TEST_F(RingBrokenTest, Id0BreaksIt) {
  attach();
  builder.add_command(0, kTestUnitReady);
  expect_broken("cmd_id 0");
}

TEST_F(RingBrokenTest, AnIdInUseBreaksIt) {
  attach();
  builder.add_command(4, kTestUnitReady);
  builder.add_command(4, kTestUnitReady);
  take();
  expect_broken("entry at 0x78 has cmd_id 4, which is in use");
}

TEST_F(RingBrokenTest, AnUnknownOperationWithAnIdInUseBreaksIt) {
  attach();
  builder.add_command(4, kTestUnitReady);
  const uint32_t entry = builder.add_unknown(3, 4);
  take();
  expect_broken("in use");
  EXPECT_EQ(builder.get_entry<uint8_t>(entry, abi::kUserFlagsAt), 0);
}

TEST_F(RingBrokenTest, AnUnknownOperationWithoutIdBreaksIt) {
  attach();
  builder.add_unknown(3, 0);
  expect_broken("cmd_id 0");
}

TEST_F(RingBrokenTest, AnsweringAnIdThatIsntLiveBreaksIt) {
  attach();
  builder.add_command(1, kTestUnitReady);
  take();
  EXPECT_FALSE(complete(2));
  expect_broken("cmd_id 2 was completed and is not live");
}

TEST_F(RingBrokenTest, AnsweringTwiceBreaksIt) {
  attach();
  builder.add_command(1, kTestUnitReady);
  builder.add_command(2, kTestUnitReady);
  take();
  take();
  EXPECT_TRUE(complete(1));
  EXPECT_FALSE(complete(1));
  EXPECT_TRUE(ring->broken());
  EXPECT_FALSE(ring->publish());
  EXPECT_EQ(builder.tail(), 0U);
}

TEST_F(RingBrokenTest, AReusedIdIsAnewOne) {
  attach();
  for (int i = 0; i < 3; ++i) {
    builder.add_command(1, kTestUnitReady);
    EXPECT_EQ(take(), 1);
    EXPECT_TRUE(complete(1));
    EXPECT_TRUE(ring->publish());
  }
}

TEST_F(RingBrokenTest, ABrokenRingWritesNothingAndForgetsWhatIsCompleted) {
  attach();
  const uint32_t entry = builder.add_command(1, kTestUnitReady);
  take();
  builder.set_head(12);
  expect_broken("cmd_head");
  const std::string reason = ring->broken_reason();
  EXPECT_FALSE(complete(1, 0x08));
  EXPECT_EQ(answered_status(entry), 0);
  EXPECT_EQ(ring->live(), 0U);
  EXPECT_EQ(ring->broken_reason(), reason);
}

}  // namespace
}  // namespace tcmud::kernel
