// SPDX-License-Identifier: Apache-2.0
#include "scsi/lba_status.h"

#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

Bytes cdb(uint64_t lba, uint32_t allocation_length, uint8_t report_type = 0) {
  Bytes cdb(16, 0);
  cdb[0] = 0x9E;
  cdb[1] = 0x12;
  test::put_be(cdb, 2, 8, lba);
  test::put_be(cdb, 10, 4, allocation_length);
  cdb[14] = report_type;
  return cdb;
}

TEST(GetLbaStatus, AsksTheEngineFromTheStartingLbaOn) {
  const test::Answer answer = run(test::everything(), cdb(100, 24), 4096);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kLbaStatus);
  EXPECT_EQ(answer.outcome.block.offset, 100u * 512);
  EXPECT_EQ(answer.outcome.block.allocation_length, 24u);
}

TEST(GetLbaStatus, TheAnswerFitsTheDataBufferToo) {
  EXPECT_EQ(run(test::everything(), cdb(0, 256), 24).outcome.block.allocation_length, 24u);
}

TEST(GetLbaStatus, AStartingLbaBehindTheLastOneIsOutOfRange) {
  const Lun lun = test::everything();
  EXPECT_TRUE(run(lun, cdb(lun.blocks - 1, 24)).block());
  for (const uint64_t lba : {lun.blocks, lun.blocks + 1, uint64_t{1} << 63, UINT64_MAX}) {
    test::expect_check(run(lun, cdb(lba, 24)), test::illegal(asc::kLbaOutOfRange, 2));
  }
}

TEST(GetLbaStatus, OtherReportTypesAreRefused) {
  for (const uint8_t type : {1, 2, 0x10, 0xFF}) {
    test::expect_check(run(test::everything(), cdb(0, 24, type)), test::invalid_field(14));
  }
}

TEST(LbaStatusData, GoldenBytes) {
  const LbaStatus extents[] = {
      {0x0102030405060708, 0x11121314, ProvisioningStatus::kMapped},
      {0x010203041617181C, 1, ProvisioningStatus::kDeallocated},
      {0x010203041617181D, 2, ProvisioningStatus::kAnchored},
  };
  Bytes out(100, 0xEE);
  ASSERT_EQ(lba_status_data(extents, out), 56u);
  const Bytes expected = {
      0, 0, 0, 52, 0,    0,    0,    0,                                         //
      1, 2, 3, 4,  5,    6,    7,    8,    0x11, 0x12, 0x13, 0x14, 0, 0, 0, 0,  //
      1, 2, 3, 4,  0x16, 0x17, 0x18, 0x1C, 0,    0,    0,    1,    1, 0, 0, 0,  //
      1, 2, 3, 4,  0x16, 0x17, 0x18, 0x1D, 0,    0,    0,    2,    2, 0, 0, 0};
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 56), expected);
  EXPECT_EQ(out[56], 0xEE);
}

TEST(LbaStatusData, IsCutToItsRoom) {
  const LbaStatus extents[] = {{7, 1, ProvisioningStatus::kMapped}};
  Bytes whole(24);
  ASSERT_EQ(lba_status_data(extents, whole), 24u);
  for (size_t n = 0; n < 24; ++n) {
    Bytes out(n);
    EXPECT_EQ(lba_status_data(extents, out), n);
    EXPECT_EQ(out, Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)));
  }
}

TEST(LbaStatusData, DescriptorsThatAnAnswerHasRoomFor) {
  for (const auto& [length, descriptors] : std::vector<std::pair<uint64_t, size_t>>{
           {0, 0}, {8, 0}, {9, 1}, {24, 1}, {25, 2}, {40, 2}}) {
    EXPECT_EQ(lba_status_descriptors(length), descriptors) << length;
  }
}

}  // namespace
}  // namespace tcmud::scsi
