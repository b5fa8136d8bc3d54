// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

struct Case {
  uint8_t opcode;
  BlockOp op;
  bool has_flags;    // DPO, FUA, RDPROTECT or WRPROTECT in byte 1
  uint8_t lba_byte;  // where the sense data points for an LBA
  uint8_t length_byte;
  uint8_t service_action = 0;  // of a variable length CDB
};

const Case kCases[] = {
    {0x08, BlockOp::kRead, false, 1, 4},        {0x28, BlockOp::kRead, true, 2, 7},
    {0xA8, BlockOp::kRead, true, 2, 6},         {0x88, BlockOp::kRead, true, 2, 10},
    {0x0A, BlockOp::kWrite, false, 1, 4},       {0x2A, BlockOp::kWrite, true, 2, 7},
    {0xAA, BlockOp::kWrite, true, 2, 6},        {0x8A, BlockOp::kWrite, true, 2, 10},
    {0x7F, BlockOp::kRead, true, 12, 28, 0x09}, {0x7F, BlockOp::kWrite, true, 12, 28, 0x0B},
    {0x8B, BlockOp::kOrWrite, true, 2, 10},
};

class ReadWrite : public ::testing::TestWithParam<Case> {
 protected:
  // Written out by hand, not from the table.
  [[nodiscard]] Bytes cdb(uint64_t lba, uint64_t blocks, uint8_t flags = 0) const {
    const Case& p = GetParam();
    switch (p.opcode >> 5) {
      case 0: {
        Bytes cdb = {p.opcode, 0, 0, 0, 0, 0};
        test::put_be(cdb, 1, 3, lba);
        test::put_be(cdb, 4, 1, blocks);
        return cdb;
      }
      case 1: {
        Bytes cdb = {p.opcode, flags, 0, 0, 0, 0, 0, 0, 0, 0};
        test::put_be(cdb, 2, 4, lba);
        test::put_be(cdb, 7, 2, blocks);
        return cdb;
      }
      case 3: {
        Bytes cdb(32, 0);
        cdb[0] = p.opcode;
        cdb[7] = 0x18;
        cdb[9] = p.service_action;
        cdb[10] = flags;
        test::put_be(cdb, 12, 8, lba);
        test::put_be(cdb, 28, 4, blocks);
        return cdb;
      }
      case 5: {
        Bytes cdb(12, 0);
        cdb[0] = p.opcode;
        cdb[1] = flags;
        test::put_be(cdb, 2, 4, lba);
        test::put_be(cdb, 6, 4, blocks);
        return cdb;
      }
      default: {
        Bytes cdb(16, 0);
        cdb[0] = p.opcode;
        cdb[1] = flags;
        test::put_be(cdb, 2, 8, lba);
        test::put_be(cdb, 10, 4, blocks);
        return cdb;
      }
    }
  }
  [[nodiscard]] uint16_t flags_byte() const { return GetParam().opcode == 0x7F ? 10 : 1; }
  [[nodiscard]] bool is_read() const { return GetParam().op == BlockOp::kRead; }
};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  constexpr const char* kSizes[] = {"6", "10", "", "32", "16", "12"};
  return std::string(info.param.op == BlockOp::kRead    ? "Read"
                     : info.param.op == BlockOp::kWrite ? "Write"
                                                        : "OrWrite") +
         kSizes[info.param.opcode >> 5];
}
INSTANTIATE_TEST_SUITE_P(, ReadWrite, ::testing::ValuesIn(kCases), name_of);

// All but READ (6) and WRITE (6), whose CDBs have no flags.
class ReadWriteFlags : public ReadWrite {};
std::vector<Case> cases_with_flags() {
  std::vector<Case> cases;
  std::copy_if(std::begin(kCases), std::end(kCases), std::back_inserter(cases),
               [](const Case& c) { return c.has_flags; });
  return cases;
}
INSTANTIATE_TEST_SUITE_P(, ReadWriteFlags, ::testing::ValuesIn(cases_with_flags()), name_of);

TEST_P(ReadWrite, BecomesARequestInBytes) {
  Lun lun = test::everything();
  for (const uint32_t block_size : {512u, 1024u, 2048u, 4096u}) {
    lun.block_size = block_size;
    const test::Answer answer = run(lun, cdb(0x1F1234, 3));
    ASSERT_TRUE(answer.block());
    EXPECT_EQ(answer.outcome.status, Status::kGood);
    EXPECT_EQ(answer.outcome.block.op, GetParam().op);
    EXPECT_EQ(answer.outcome.block.offset, uint64_t{0x1F1234} * block_size);
    EXPECT_EQ(answer.outcome.block.length, 3u * block_size);
    EXPECT_FALSE(answer.outcome.block.fua);
    EXPECT_FALSE(answer.outcome.block.may_unmap);
  }
}

TEST_P(ReadWrite, LengthZeroIsNothingButInSixByteCdbs256Blocks) {
  const test::Answer answer = run(test::everything(), cdb(10, 0));
  if (GetParam().opcode < 0x20) {
    ASSERT_TRUE(answer.block());
    EXPECT_EQ(answer.outcome.block.length, 256u * 512);
  } else {
    test::expect_good(answer);
  }
}

TEST_P(ReadWrite, LastBlockIsWithinAndTheNextIsOutOfRange) {
  Lun lun = test::plain();
  lun.features = kCanOrWrite;
  const Sense out = test::illegal(asc::kLbaOutOfRange, GetParam().lba_byte);
  EXPECT_TRUE(run(lun, cdb(2047, 1)).block());
  EXPECT_TRUE(run(lun, cdb(2047 - 254, 255)).block());
  test::expect_check(run(lun, cdb(2048, 1)), out);
  test::expect_check(run(lun, cdb(2047, 2)), out);
  test::expect_check(run(lun, cdb(0x1FFFFF, 1)), out);
}

TEST_P(ReadWrite, MoreThanTheMaximumTransferLengthIsAnInvalidField) {
  Lun lun = test::everything();
  lun.max_transfer_blocks = 100;
  EXPECT_TRUE(run(lun, cdb(0, 100)).block());
  test::expect_check(run(lun, cdb(0, 101)), test::invalid_field(GetParam().length_byte));
  lun.max_transfer_blocks = 0;
  EXPECT_TRUE(run(lun, cdb(0, 255)).block());
}

TEST_P(ReadWrite, ALongerDataBufferChangesNothing) {
  const test::Answer answer = run(test::everything(), cdb(0, 2), 10000);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.length, 1024u);
}

TEST_P(ReadWrite, AShorterDataBuffer) {
  const Lun lun = test::everything();
  for (const uint64_t data_length : {0u, 1u, 511u, 512u, 513u, 1024u, 1535u}) {
    SCOPED_TRACE(data_length);
    const test::Answer answer = run(lun, cdb(4, 3), data_length);
    if (!is_read() || data_length % 512 != 0) {
      test::expect_check(answer, test::short_buffer());
    } else if (data_length == 0) {
      test::expect_good(answer);
    } else {
      ASSERT_TRUE(answer.block());
      EXPECT_EQ(answer.outcome.block.offset, 4u * 512);
      EXPECT_EQ(answer.outcome.block.length, data_length);
    }
  }
}

TEST_P(ReadWriteFlags, ProtectionInformationIsRefused) {
  for (int protect = 1; protect < 8; ++protect) {
    test::expect_check(run(test::everything(), cdb(0, 1, static_cast<uint8_t>(protect << 5))),
                       test::invalid_field(flags_byte(), 7));
  }
}

TEST_P(ReadWriteFlags, DpoAndFuaAsDpofuaSays) {
  Lun lun = test::everything();
  EXPECT_FALSE(run(lun, cdb(0, 1, 0x10)).outcome.block.fua);
  EXPECT_TRUE(run(lun, cdb(0, 1, 0x08)).outcome.block.fua);
  EXPECT_TRUE(run(lun, cdb(0, 1, 0x18)).outcome.block.fua);
  lun.can_fua = false;
  test::expect_check(run(lun, cdb(0, 1, 0x10)), test::invalid_field(flags_byte(), 4));
  test::expect_check(run(lun, cdb(0, 1, 0x08)), test::invalid_field(flags_byte(), 3));
  test::expect_check(run(lun, cdb(0, 1, 0x18)), test::invalid_field(flags_byte(), 4));
}

TEST(Read16, AddressesThatOverflowAreOutOfRange) {
  Lun lun = test::everything();
  lun.max_transfer_blocks = 0;
  const CommandDescription& d = find_opcode(0x88)[0];
  for (const uint64_t lba : {UINT64_MAX, UINT64_MAX - 1, uint64_t{1} << 63, UINT64_MAX / 512 + 1}) {
    for (const uint64_t blocks : {1u, 2u, 0xFFFFFFFFu}) {
      test::expect_check(run(lun, test::with_extent(d, lba, blocks)),
                         test::illegal(asc::kLbaOutOfRange, 2));
    }
  }
}

TEST(Read16, AddressesTheWholeOfAHugeLun) {
  Lun lun = test::plain();
  lun.block_size = 4096;
  lun.blocks = (1ULL << 51) - 1;  // 2^63 - 4096 bytes
  const CommandDescription& d = find_opcode(0x88)[0];
  const test::Answer answer =
      run(lun, test::with_extent(d, lun.blocks - 0xFFFFFFFF, 0xFFFFFFFF), UINT64_MAX);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.offset + answer.outcome.block.length, lun.blocks * 4096);
  EXPECT_EQ(answer.outcome.block.length, 0xFFFFFFFFull * 4096);
}

// iscsi-test-cu asks for zero blocks one block past the end, and wants an error.
TEST(Read10, ZeroBlocksBehindTheEndAreOutOfRange) {
  const Lun lun = test::plain();
  const CommandDescription& d = find_opcode(0x28)[0];
  test::expect_good(run(lun, test::with_extent(d, 0, 0)));
  test::expect_good(run(lun, test::with_extent(d, 2048, 0)));
  test::expect_check(run(lun, test::with_extent(d, 2049, 0)),
                     test::illegal(asc::kLbaOutOfRange, 2));
}

Bytes atomic_cdb(uint64_t lba, uint64_t blocks, uint8_t flags = 0, uint64_t boundary = 0) {
  Bytes cdb(16, 0);
  cdb[0] = 0x9C;
  cdb[1] = flags;
  test::put_be(cdb, 2, 8, lba);
  test::put_be(cdb, 10, 2, boundary);
  test::put_be(cdb, 12, 2, blocks);
  return cdb;
}

TEST(WriteAtomic16, BecomesAnAtomicWrite) {
  const test::Answer answer = run(test::everything(), atomic_cdb(16, 8, 0x08));
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kWrite);
  EXPECT_TRUE(answer.outcome.block.atomic);
  EXPECT_TRUE(answer.outcome.block.fua);
  EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
  EXPECT_EQ(answer.outcome.block.length, 8u * 512);
}

TEST(WriteAtomic16, OtherWritesAreNotAtomic) {
  EXPECT_FALSE(run(test::everything(), {0x2A, 0, 0, 0, 0, 0, 0, 0, 1, 0}).outcome.block.atomic);
}

TEST(WriteAtomic16, NoBlocksAreGoodAndOnesBehindTheEndOutOfRange) {
  const Lun lun = test::everything();
  test::expect_good(run(lun, atomic_cdb(0, 0)));
  const Sense out = test::illegal(asc::kLbaOutOfRange, 2);
  test::expect_check(run(lun, atomic_cdb(lun.blocks + 1, 0)), out);
  test::expect_check(run(lun, atomic_cdb(lun.blocks, 1)), out);
  test::expect_check(run(lun, atomic_cdb(UINT64_MAX, 0)), out);
}

TEST(WriteAtomic16, ABoundaryIsRefused) {
  test::expect_check(run(test::everything(), atomic_cdb(0, 8, 0, 8)), test::invalid_field(10));
}

TEST(WriteAtomic16, MoreThanTheMaximumAtomicTransferLengthIsRefused) {
  Lun lun = test::everything();
  lun.max_atomic_blocks = 100;
  EXPECT_TRUE(run(lun, atomic_cdb(0, 100)).block());
  test::expect_check(run(lun, atomic_cdb(0, 101)), test::invalid_field(12));
}

TEST(WriteAtomic16, GranularityAndAlignmentAreKept) {
  Lun lun = test::everything();
  lun.atomic_granularity_blocks = 4;
  lun.atomic_alignment_blocks = 8;
  EXPECT_TRUE(run(lun, atomic_cdb(8, 4)).block());
  test::expect_check(run(lun, atomic_cdb(8, 6)), test::invalid_field(12));
  test::expect_check(run(lun, atomic_cdb(4, 4)), test::invalid_field(2));
}

TEST(WriteAtomic16, FlagsAndDataBufferAreThoseOfWrite) {
  Lun lun = test::everything();
  test::expect_check(run(lun, atomic_cdb(0, 1, 0x20)), test::invalid_field(1, 7));
  test::expect_check(run(lun, atomic_cdb(0, 2), 1023), test::short_buffer());
  lun.can_fua = false;
  test::expect_check(run(lun, atomic_cdb(0, 1, 0x08)), test::invalid_field(1, 3));
}

// The bits above the LBA were the LUN in SCSI-2.
TEST(Read6, TheHighBitsOfByteOneAreNoPartOfTheAddress) {
  const test::Answer answer = run(test::everything(), {0x08, 0xE1, 0x02, 0x03, 1, 0});
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.offset, 0x010203u * 512);
}

}  // namespace
}  // namespace tcmud::scsi
