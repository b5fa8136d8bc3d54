// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::run;

constexpr uint8_t kUnmap = 0x08;
constexpr uint8_t kNdob = 0x01;

class WriteSame : public ::testing::TestWithParam<uint8_t> {
 protected:
  [[nodiscard]] bool ten() const { return GetParam() == 0x41; }
  [[nodiscard]] bool thirty_two() const { return GetParam() == 0x7F; }
  [[nodiscard]] uint16_t flags_byte() const { return thirty_two() ? 10 : 1; }
  [[nodiscard]] uint16_t lba_byte() const { return thirty_two() ? 12 : 2; }
  [[nodiscard]] uint16_t length_byte() const { return ten() ? 7 : thirty_two() ? 28 : 10; }
  [[nodiscard]] test::Bytes cdb(uint64_t lba, uint64_t blocks, uint8_t flags = 0) const {
    test::Bytes cdb(ten() ? 10 : thirty_two() ? 32 : 16, 0);
    cdb[0] = GetParam();
    if (thirty_two()) {
      cdb[7] = 0x18;
      cdb[9] = 0x0D;
    }
    cdb[flags_byte()] = flags;
    test::put_be(cdb, lba_byte(), ten() ? 4 : 8, lba);
    test::put_be(cdb, length_byte(), ten() ? 2 : 4, blocks);
    return cdb;
  }
};

INSTANTIATE_TEST_SUITE_P(, WriteSame, ::testing::Values(0x41, 0x93, 0x7F), [](const auto& info) {
  return info.param == 0x41 ? "Ten" : info.param == 0x93 ? "Sixteen" : "ThirtyTwo";
});

TEST_P(WriteSame, BecomesOneRequest) {
  const test::Answer answer = run(test::everything(), cdb(8, 24), 512);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kWriteSame);
  EXPECT_EQ(answer.outcome.block.offset, 8u * 512);
  EXPECT_EQ(answer.outcome.block.length, 24u * 512);
  EXPECT_FALSE(answer.outcome.block.may_unmap);
  EXPECT_FALSE(answer.outcome.block.fua);
}

TEST_P(WriteSame, UnmapIsPermissionToUnmap) {
  const test::Answer answer = run(test::everything(), cdb(8, 24, kUnmap), 512);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kWriteSame);
  EXPECT_TRUE(answer.outcome.block.may_unmap);
}

TEST_P(WriteSame, UnmapIsRefusedWhereTheLunCant) {
  test::expect_check(run(test::plain(), cdb(8, 24, kUnmap), 512),
                     test::invalid_field(flags_byte(), 3));
}

TEST_P(WriteSame, AnchorIsRefused) {
  test::expect_check(run(test::everything(), cdb(8, 24, 0x10), 512),
                     test::invalid_field(flags_byte(), 4));
  test::expect_check(run(test::everything(), cdb(8, 24, 0x18), 512),
                     test::invalid_field(flags_byte(), 4));
}

TEST_P(WriteSame, ProtectionInformationIsRefused) {
  for (int protect = 1; protect < 8; ++protect) {
    test::expect_check(run(test::everything(), cdb(8, 24, static_cast<uint8_t>(protect << 5)), 512),
                       test::invalid_field(flags_byte(), 7));
  }
}

// They ask for blocks that hold their own address: not what would be written.
TEST_P(WriteSame, PbdataAndLbdataAreRefused) {
  test::expect_check(run(test::everything(), cdb(8, 24, 0x04), 512),
                     test::invalid_field(flags_byte(), 2));
  test::expect_check(run(test::everything(), cdb(8, 24, 0x02), 512),
                     test::invalid_field(flags_byte(), 1));
}

// A number that was forgotten must not cost what is behind the block.
TEST_P(WriteSame, ZeroBlocksAreRefusedAsBlockLimitsSays) {
  for (const uint8_t flags : {uint8_t{0}, kUnmap}) {
    test::expect_check(run(test::everything(), cdb(8, 0, flags), 512),
                       test::invalid_field(length_byte()));
  }
}

TEST_P(WriteSame, MoreThanTheMaximumIsRefused) {
  Lun lun = test::everything();
  lun.max_write_same_blocks = 100;
  EXPECT_TRUE(run(lun, cdb(0, 100), 512).block());
  test::expect_check(run(lun, cdb(0, 101), 512), test::invalid_field(length_byte()));
  lun.max_write_same_blocks = 0;
  EXPECT_TRUE(run(lun, cdb(0, 0xFFFF), 512).block());
}

// The data buffer holds one block, however many are written.
TEST_P(WriteSame, IsNotBoundByTheMaximumTransferLength) {
  Lun lun = test::everything();
  lun.max_transfer_blocks = 1;
  EXPECT_TRUE(run(lun, cdb(0, 100), 512).block());
}

TEST_P(WriteSame, TheRangeIsChecked) {
  const Lun lun = test::plain();
  EXPECT_TRUE(run(lun, cdb(0, 2048), 512).block());
  EXPECT_TRUE(run(lun, cdb(2047, 1), 512).block());
  for (const auto& [lba, blocks] : std::vector<std::pair<uint64_t, uint64_t>>{
           {2048, 1}, {2047, 2}, {0, 2049}, {2049, 0}, {0xFFFFFFFF, 1}}) {
    test::expect_check(run(lun, cdb(lba, blocks), 512),
                       test::illegal(asc::kLbaOutOfRange, lba_byte()));
  }
}

TEST_P(WriteSame, TheDataBufferIsExactlyOneBlock) {
  Lun lun = test::everything();
  for (const uint32_t block_size : {512u, 4096u}) {
    lun.block_size = block_size;
    EXPECT_TRUE(run(lun, cdb(0, 1), block_size).block());
    for (const uint32_t wrong : {0u, 1u, block_size - 1, block_size + 1, 2 * block_size}) {
      test::expect_check(run(lun, cdb(0, 1), wrong), test::invalid_field(length_byte()));
    }
  }
}

TEST_P(WriteSame, NdobWritesZeroesButMeansNothingInTen) {
  for (const uint8_t unmap : {uint8_t{0}, kUnmap}) {
    const test::Answer answer = run(test::everything(), cdb(8, 24, kNdob | unmap), ten() ? 512 : 0);
    ASSERT_TRUE(answer.block());
    EXPECT_EQ(answer.outcome.block.op, ten() ? BlockOp::kWriteSame : BlockOp::kWriteZeroes);
    EXPECT_EQ(answer.outcome.block.offset, 8u * 512);
    EXPECT_EQ(answer.outcome.block.length, 24u * 512);
    EXPECT_EQ(answer.outcome.block.may_unmap, unmap != 0);
  }
}

TEST(WriteSame16, NdobIgnoresADataBuffer) {
  test::Bytes cdb(16, 0);
  cdb[0] = 0x93;
  cdb[1] = kNdob;
  cdb[13] = 1;
  for (const uint64_t data_length : {0u, 1u, 512u, 1024u}) {
    EXPECT_EQ(run(test::everything(), cdb, data_length).outcome.block.op, BlockOp::kWriteZeroes);
  }
}

}  // namespace
}  // namespace tcmud::scsi
