// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

const Bytes kReadCapacity10 = {0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes kReadCapacity16 = {0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0};

Lun sized(uint64_t blocks, uint32_t block_size, uint32_t physical) {
  Lun lun = test::plain();
  lun.blocks = blocks;
  lun.block_size = block_size;
  lun.physical_block_size = physical;
  return lun;
}

TEST(ReadCapacity10, TellsLastBlockAndBlockSize) {
  const test::Answer answer = run(sized(0x12345679, 4096, 4096), kReadCapacity10);
  test::expect_good(answer);
  EXPECT_EQ(answer.data, (Bytes{0x12, 0x34, 0x56, 0x78, 0, 0, 0x10, 0}));
}

TEST(ReadCapacity10, PointsToReadCapacity16WhereTheLastBlockDoesNotFit) {
  const auto last = [](uint64_t blocks) {
    return test::get_be(run(sized(blocks, 512, 512), kReadCapacity10).data, 0, 4);
  };
  EXPECT_EQ(last(0xFFFFFFFF), 0xFFFFFFFEu);
  EXPECT_EQ(last(0x100000000), 0xFFFFFFFFu);
  EXPECT_EQ(last(0x100000001), 0xFFFFFFFFu);
  EXPECT_EQ(last(1), 0u);
}

TEST(ReadCapacity16, GoldenBytesOfAThinDisk) {
  const test::Answer answer = run(test::everything(), kReadCapacity16);
  test::expect_good(answer);
  Bytes expected(32, 0);
  test::put_be(expected, 0, 8, 0x1FFFFF);
  test::put_be(expected, 8, 4, 512);
  expected[13] = 3;     // LBPPBE: eight logical blocks
  expected[14] = 0xC0;  // LBPME, LBPRZ
  EXPECT_EQ(answer.data, expected);
}

TEST(ReadCapacity16, SaysNothingOfProvisioningWhereTheLunCantUnmap) {
  Lun lun = test::plain();
  EXPECT_EQ(run(lun, kReadCapacity16).data[14], 0x00);
  lun.unmap_zeroes = true;  // means nothing without can_unmap
  EXPECT_EQ(run(lun, kReadCapacity16).data[14], 0x00);
}

TEST(ReadCapacity16, SaysReadZeroesOnlyWhereItIsTrue) {
  Lun lun = test::plain();
  lun.can_unmap = true;
  EXPECT_EQ(run(lun, kReadCapacity16).data[14], 0x80);
}

TEST(ReadCapacity16, LogicalBlocksPerPhysicalBlockIsAnExponent) {
  const auto exponent = [](uint32_t logical, uint32_t physical) {
    return static_cast<int>(run(sized(8, logical, physical), kReadCapacity16).data[13]);
  };
  EXPECT_EQ(exponent(512, 512), 0);
  EXPECT_EQ(exponent(512, 1024), 1);
  EXPECT_EQ(exponent(512, 4096), 3);
  EXPECT_EQ(exponent(4096, 4096), 0);
  EXPECT_EQ(exponent(4096, 512), 0);      // nonsense of a handler
  EXPECT_EQ(exponent(512, 1 << 26), 15);  // the field has four bits
}

TEST(ReadCapacity16, TellsLastBlocksBeyond32Bits) {
  EXPECT_EQ(test::get_be(run(sized(1ULL << 50, 4096, 4096), kReadCapacity16).data, 0, 8),
            (1ULL << 50) - 1);
}

TEST(ReadCapacity, ALunWithoutBlocksIsNotReady) {
  for (const Bytes& cdb : {kReadCapacity10, kReadCapacity16}) {
    test::expect_check(run(sized(0, 512, 512), cdb),
                       {.key = SenseKey::kNotReady, .code = asc::kNotReadyCauseNotReportable});
  }
}

}  // namespace
}  // namespace tcmud::scsi
