// SPDX-License-Identifier: Apache-2.0
#include "scsi/extended_copy.h"
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

Bytes cdb(uint8_t action, uint8_t list_identifier = 0, uint32_t allocation_length = 512) {
  Bytes cdb(16, 0);
  cdb[0] = 0x84;
  cdb[1] = action;
  cdb[2] = list_identifier;
  test::put_be(cdb, 10, 4, allocation_length);
  return cdb;
}

TEST(ReceiveCopyResults, GoToTheEngineWithListIdentifierAndRoom) {
  for (const uint8_t action : {0x00, 0x04}) {
    const test::Answer answer = run(test::everything(), cdb(action, 7, 100), 64);
    ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kReceiveCopyResults);
    EXPECT_EQ(answer.outcome.copy.list_identifier, 7u);
    EXPECT_EQ(answer.outcome.copy.allocation_length, 64u);
    EXPECT_EQ(answer.outcome.copy.failed_segment, action == 0x04);
    EXPECT_EQ(run(test::everything(), cdb(action, 7, 10), 64).outcome.copy.allocation_length, 10u);
  }
}

TEST(ReceiveCopyOperatingParameters, GoldenBytes) {
  Bytes expected(46, 0);
  test::put_be(expected, 0, 4, 42);
  expected[4] = 0x01;  // SNLID
  test::put_be(expected, 8, 2, kMaxCopyCscds);
  test::put_be(expected, 10, 2, kMaxCopySegments);
  test::put_be(expected, 12, 4, 8 * 32 + 64 * 28);
  test::put_be(expected, 16, 4, 0xFFFF * 4096ull);
  expected[35] = kMaxCopies;
  expected[36] = kMaxCopies;
  expected[37] = 9;
  expected[43] = 2;
  expected[44] = 0x02;
  expected[45] = 0xE4;
  EXPECT_EQ(run(test::everything(), cdb(0x03)).data, expected);
}

TEST(CopyStatusData, GoldenBytes) {
  Bytes out(12);
  EXPECT_EQ(
      copy_status_data(
          {.state = CopyStatus::State::kFailed, .segments_processed = 0x0102, .bytes = 0x11223344},
          out),
      12u);
  EXPECT_EQ(out, (Bytes{0, 0, 0, 8, 2, 1, 2, 0, 0x11, 0x22, 0x33, 0x44}));
}

TEST(CopyStatusData, ALargeCountIsToldInKibibytesAndMebibytes) {
  Bytes out(12);
  (void)copy_status_data({.bytes = uint64_t{1} << 32}, out);
  EXPECT_EQ(out[7], 1);
  EXPECT_EQ(test::get_be(out, 8, 4), uint64_t{1} << 22);
  (void)copy_status_data({.bytes = uint64_t{1} << 42}, out);
  EXPECT_EQ(out[7], 2);
  EXPECT_EQ(test::get_be(out, 8, 4), uint64_t{1} << 22);
}

TEST(CopyFailureData, HasTheSenseDataOfTheCopy) {
  Bytes out(78);
  const Sense sense{.key = SenseKey::kCopyAborted, .code = asc::kCopyTargetDeviceNotReachable};
  EXPECT_EQ(copy_failure_data(Status::kCheckCondition, sense, out), 78u);
  EXPECT_EQ(test::get_be(out, 0, 4), 74u);
  EXPECT_EQ(out[56], 0x02);
  EXPECT_EQ(test::get_be(out, 58, 2), 18u);
  EXPECT_EQ(out[60], 0x70);
  EXPECT_EQ(out[62], 0x0A);
  EXPECT_EQ(test::get_be(out, 72, 2), 0x0D02u);
}

TEST(CopyResults, AreCutToTheirRoom) {
  Bytes none;
  EXPECT_EQ(copy_status_data({}, none), 0u);
  Bytes few(5);
  EXPECT_EQ(copy_failure_data(Status::kGood, {}, few), 5u);
}

}  // namespace
}  // namespace tcmud::scsi
