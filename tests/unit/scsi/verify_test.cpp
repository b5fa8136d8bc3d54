// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

// One size of VERIFY or of WRITE AND VERIFY.
struct Case {
  const char* name;
  uint8_t opcode;
  uint8_t service_action;
  size_t size, flags_byte, lba_byte, lba_width, length_byte, length_width;
};

class ByCase : public ::testing::TestWithParam<Case> {
 protected:
  [[nodiscard]] Bytes cdb(uint64_t lba, uint64_t blocks, uint8_t flags = 0) const {
    const Case& p = GetParam();
    Bytes cdb(p.size, 0);
    cdb[0] = p.opcode;
    if (p.size == 32) {
      cdb[7] = 0x18;
      cdb[9] = p.service_action;
    }
    cdb[p.flags_byte] = flags;
    test::put_be(cdb, p.lba_byte, p.lba_width, lba);
    test::put_be(cdb, p.length_byte, p.length_width, blocks);
    return cdb;
  }
  [[nodiscard]] Sense invalid_flag(uint8_t bit) const {
    return test::invalid_field(static_cast<uint16_t>(GetParam().flags_byte), bit);
  }
  [[nodiscard]] Sense invalid_length() const {
    return test::invalid_field(static_cast<uint16_t>(GetParam().length_byte));
  }
  [[nodiscard]] Sense out_of_range() const {
    return test::illegal(asc::kLbaOutOfRange, static_cast<uint16_t>(GetParam().lba_byte));
  }
};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

constexpr uint8_t kAllBlocks = 0x02, kReserved = 0x04, kOneBlock = 0x06;  // BYTCHK
constexpr uint8_t kDpo = 0x10;

class Verify : public ByCase {};
INSTANTIATE_TEST_SUITE_P(, Verify,
                         ::testing::Values(Case{"Ten", 0x2F, 0, 10, 1, 2, 4, 7, 2},
                                           Case{"Twelve", 0xAF, 0, 12, 1, 2, 4, 6, 4},
                                           Case{"Sixteen", 0x8F, 0, 16, 1, 2, 8, 10, 4},
                                           Case{"ThirtyTwo", 0x7F, 0x0A, 32, 10, 12, 8, 28, 4}),
                         name_of);

TEST_P(Verify, WithoutByteCheckTheMediumIsReadAndNoDataIsNeeded) {
  const test::Answer answer = run(test::everything(), cdb(16, 8), 0);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kVerify);
  EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
  EXPECT_EQ(answer.outcome.block.length, 8u * 512);
}

TEST_P(Verify, ByteCheck1ComparesEveryBlock) {
  const test::Answer answer = run(test::everything(), cdb(16, 8, kAllBlocks), 4096);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kVerifyData);
  EXPECT_FALSE(answer.outcome.block.one_block);
  EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
  EXPECT_EQ(answer.outcome.block.length, 8u * 512);
}

TEST_P(Verify, ByteCheck2IsReserved) {
  test::expect_check(run(test::everything(), cdb(16, 8, kReserved)), invalid_flag(2));
}

TEST_P(Verify, ByteCheck3ComparesEachBlockWithTheOne) {
  const test::Answer answer = run(test::everything(), cdb(16, 8, kOneBlock), 512);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kVerifyData);
  EXPECT_TRUE(answer.outcome.block.one_block);
  EXPECT_EQ(answer.outcome.block.length, 8u * 512);
}

TEST_P(Verify, ADataBufferThatIsTooShortIsRefused) {
  const Lun lun = test::everything();
  test::expect_check(run(lun, cdb(16, 8, kAllBlocks), 4095), test::short_buffer());
  test::expect_check(run(lun, cdb(16, 8, kAllBlocks), 0), test::short_buffer());
  test::expect_check(run(lun, cdb(16, 8, kOneBlock), 511), test::short_buffer());
  EXPECT_TRUE(run(lun, cdb(16, 8, kAllBlocks), 5000).block());
  EXPECT_TRUE(run(lun, cdb(16, 8, kOneBlock), 5000).block());
}

TEST_P(Verify, NoBlocksAreGood) {
  for (const uint8_t check : {uint8_t{0}, kAllBlocks, kOneBlock}) {
    test::expect_good(run(test::everything(), cdb(16, 0, check), 0));
  }
}

TEST_P(Verify, ProtectionInformationIsRefused) {
  for (int protect = 1; protect < 8; ++protect) {
    test::expect_check(run(test::everything(), cdb(0, 1, static_cast<uint8_t>(protect << 5))),
                       invalid_flag(7));
  }
}

TEST_P(Verify, DpoAsDpofuaSaysAndNoFua) {
  Lun lun = test::everything();
  EXPECT_TRUE(run(lun, cdb(0, 1, kDpo)).block());
  lun.can_fua = false;
  test::expect_check(run(lun, cdb(0, 1, kDpo)), invalid_flag(4));
  EXPECT_TRUE(run(lun, cdb(0, 1, 0x08)).block());  // reserved
}

TEST_P(Verify, TheRangeIsChecked) {
  Lun lun = test::everything();
  lun.blocks = 2048;
  for (const uint8_t check : {uint8_t{0}, kAllBlocks, kOneBlock}) {
    EXPECT_TRUE(run(lun, cdb(2047, 1, check)).block());
    test::expect_check(run(lun, cdb(2047, 2, check)), out_of_range());
    test::expect_check(run(lun, cdb(2049, 0, check)), out_of_range());
  }
}

TEST_P(Verify, TheMaximumTransferLengthBindsWhereAllBlocksAreTransferred) {
  Lun lun = test::everything();
  lun.max_transfer_blocks = 100;
  EXPECT_TRUE(run(lun, cdb(0, 100, kAllBlocks)).block());
  test::expect_check(run(lun, cdb(0, 101, kAllBlocks)), invalid_length());
  EXPECT_TRUE(run(lun, cdb(0, 101)).block());
  EXPECT_TRUE(run(lun, cdb(0, 101, kOneBlock)).block());
}

class WriteAndVerify : public ByCase {};
INSTANTIATE_TEST_SUITE_P(, WriteAndVerify,
                         ::testing::Values(Case{"Ten", 0x2E, 0, 10, 1, 2, 4, 7, 2},
                                           Case{"Twelve", 0xAE, 0, 12, 1, 2, 4, 6, 4},
                                           Case{"Sixteen", 0x8E, 0, 16, 1, 2, 8, 10, 4},
                                           Case{"ThirtyTwo", 0x7F, 0x0C, 32, 10, 12, 8, 28, 4}),
                         name_of);

TEST_P(WriteAndVerify, BecomesOneRequestWhateverTheByteCheck) {
  for (const uint8_t check : {uint8_t{0}, kAllBlocks}) {
    const test::Answer answer = run(test::everything(), cdb(16, 8, check), 4096);
    ASSERT_TRUE(answer.block());
    EXPECT_EQ(answer.outcome.block.op, BlockOp::kWriteAndVerify);
    EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
    EXPECT_EQ(answer.outcome.block.length, 8u * 512);
  }
}

TEST_P(WriteAndVerify, OtherByteChecksAreReserved) {
  test::expect_check(run(test::everything(), cdb(16, 8, kReserved)), invalid_flag(2));
  test::expect_check(run(test::everything(), cdb(16, 8, kOneBlock)), invalid_flag(2));
}

TEST_P(WriteAndVerify, FlagsRangeLengthAndBufferAreChecked) {
  Lun lun = test::everything();
  lun.max_transfer_blocks = 100;
  test::expect_check(run(lun, cdb(0, 1, 0x20)), invalid_flag(7));
  test::expect_check(run(lun, cdb(lun.blocks, 1)), out_of_range());
  test::expect_check(run(lun, cdb(0, 101)), invalid_length());
  test::expect_check(run(lun, cdb(0, 2), 1023), test::short_buffer());
  test::expect_good(run(lun, cdb(0, 0), 0));
  lun.can_fua = false;
  test::expect_check(run(lun, cdb(0, 1, kDpo)), invalid_flag(4));
}

Bytes compare_cdb(uint64_t lba, uint8_t blocks, uint8_t flags = 0) {
  Bytes cdb(16, 0);
  cdb[0] = 0x89;
  cdb[1] = flags;
  test::put_be(cdb, 2, 8, lba);
  cdb[13] = blocks;
  return cdb;
}

TEST(CompareAndWrite, BecomesOneRequestForItsExtent) {
  const test::Answer answer = run(test::everything(), compare_cdb(16, 4), 8 * 512);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kCompareAndWrite);
  EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
  EXPECT_EQ(answer.outcome.block.length, 4u * 512);
  EXPECT_FALSE(answer.outcome.block.fua);
  EXPECT_TRUE(run(test::everything(), compare_cdb(16, 4, 0x08), 8 * 512).outcome.block.fua);
}

TEST(CompareAndWrite, TheDataBufferIsExactlyTwiceTheBlocks) {
  for (const uint64_t wrong : {0u, 512u, 1023u, 1025u, 2048u}) {
    test::expect_check(run(test::everything(), compare_cdb(0, 1), wrong), test::short_buffer());
  }
}

TEST(CompareAndWrite, MoreThanTheMaximumIsRefused) {
  const Lun lun = test::everything();
  EXPECT_TRUE(run(lun, compare_cdb(0, 32), 64 * 512).block());
  test::expect_check(run(lun, compare_cdb(0, 33), 66 * 512), test::invalid_field(13));
}

TEST(CompareAndWrite, NoBlocksAreGood) {
  test::expect_good(run(test::everything(), compare_cdb(0, 0), 0));
}

// iscsi-test-cu sends 256 blocks with the number that fits into the byte, 0, and takes GOOD, which
// tells of a comparison that never was, for the lie it is.
TEST(CompareAndWrite, NoBlocksWithDataAreBlocksThatTheByteHasNoRoomFor) {
  for (const uint64_t data_length : {1u, 1024u, 2 * 256 * 512u}) {
    test::expect_check(run(test::everything(), compare_cdb(0, 0), data_length),
                       test::invalid_field(13));
  }
}

TEST(CompareAndWrite, RangeAndFlagsAreChecked) {
  Lun lun = test::everything();
  test::expect_check(run(lun, compare_cdb(lun.blocks, 1), 1024),
                     test::illegal(asc::kLbaOutOfRange, 2));
  test::expect_check(run(lun, compare_cdb(0, 1, 0x20), 1024), test::invalid_field(1, 7));
  lun.can_fua = false;
  test::expect_check(run(lun, compare_cdb(0, 1, 0x10), 1024), test::invalid_field(1, 4));
  test::expect_check(run(lun, compare_cdb(0, 1, 0x08), 1024), test::invalid_field(1, 3));
}

}  // namespace
}  // namespace tcmud::scsi
