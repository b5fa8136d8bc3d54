// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::run;

class SynchronizeCache : public ::testing::TestWithParam<uint8_t> {
 protected:
  [[nodiscard]] test::Bytes cdb(uint64_t lba, uint64_t blocks, uint8_t flags = 0) const {
    test::Bytes cdb(GetParam() == 0x35 ? 10 : 16, 0);
    cdb[0] = GetParam();
    cdb[1] = flags;
    test::put_be(cdb, 2, GetParam() == 0x35 ? 4 : 8, lba);
    test::put_be(cdb, GetParam() == 0x35 ? 7 : 10, GetParam() == 0x35 ? 2 : 4, blocks);
    return cdb;
  }
};

INSTANTIATE_TEST_SUITE_P(, SynchronizeCache, ::testing::Values(0x35, 0x91),
                         [](const auto& info) { return info.param == 0x35 ? "Ten" : "Sixteen"; });

TEST_P(SynchronizeCache, FlushesTheExtent) {
  const test::Answer answer = run(test::everything(), cdb(16, 8), 0);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kFlush);
  EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
  EXPECT_EQ(answer.outcome.block.length, 8u * 512);
}

TEST_P(SynchronizeCache, ZeroBlocksReachToTheEnd) {
  const Lun lun = test::everything();
  const test::Answer answer = run(lun, cdb(16, 0), 0);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
  EXPECT_EQ(answer.outcome.block.length, (lun.blocks - 16) * 512);
}

TEST_P(SynchronizeCache, ImmedIsGoodAtOnce) {
  EXPECT_FALSE(run(test::everything(), cdb(0, 0), 0).outcome.block.immediate);
  const test::Answer answer = run(test::everything(), cdb(0, 0, 0x02), 0);
  ASSERT_TRUE(answer.block());
  EXPECT_TRUE(answer.outcome.block.immediate);
}

TEST_P(SynchronizeCache, TheRangeIsChecked) {
  Lun lun = test::plain();
  for (const bool can_flush : {false, true}) {
    lun.can_flush = can_flush;
    const Sense out = test::illegal(asc::kLbaOutOfRange, 2);
    EXPECT_EQ(run(lun, cdb(2047, 1)).outcome.status, Status::kGood);
    test::expect_check(run(lun, cdb(2047, 2)), out);
    test::expect_check(run(lun, cdb(2049, 0)), out);
    test::expect_check(run(lun, cdb(0xFFFFFFFF, 1)), out);
  }
}

TEST_P(SynchronizeCache, IsGoodAtOnceWhereNothingIsVolatile) {
  test::expect_good(run(test::plain(), cdb(0, 0), 0));
}

TEST_P(SynchronizeCache, IsNoWrite) {
  Lun lun = test::everything();
  lun.read_only = true;
  EXPECT_TRUE(run(lun, cdb(0, 0), 0).block());
}

class PreFetch : public ::testing::TestWithParam<uint8_t> {
 protected:
  [[nodiscard]] test::Bytes cdb(uint64_t lba, uint64_t blocks, uint8_t flags = 0) const {
    test::Bytes cdb(GetParam() == 0x34 ? 10 : 16, 0);
    cdb[0] = GetParam();
    cdb[1] = flags;
    test::put_be(cdb, 2, GetParam() == 0x34 ? 4 : 8, lba);
    test::put_be(cdb, GetParam() == 0x34 ? 7 : 10, GetParam() == 0x34 ? 2 : 4, blocks);
    return cdb;
  }
};

INSTANTIATE_TEST_SUITE_P(, PreFetch, ::testing::Values(0x34, 0x90),
                         [](const auto& info) { return info.param == 0x34 ? "Ten" : "Sixteen"; });

TEST_P(PreFetch, AsksForTheExtent) {
  const test::Answer answer = run(test::everything(), cdb(16, 8), 0);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kPrefetch);
  EXPECT_EQ(answer.outcome.block.offset, 16u * 512);
  EXPECT_EQ(answer.outcome.block.length, 8u * 512);
  EXPECT_FALSE(answer.outcome.block.immediate);
  EXPECT_TRUE(run(test::everything(), cdb(16, 8, 0x02), 0).outcome.block.immediate);
}

TEST_P(PreFetch, ZeroBlocksReachToTheEnd) {
  const Lun lun = test::everything();
  EXPECT_EQ(run(lun, cdb(16, 0), 0).outcome.block.length, (lun.blocks - 16) * 512);
  test::expect_good(run(lun, cdb(lun.blocks, 0), 0));  // nothing is left there
}

// Not CONDITION MET: nobody promises that the blocks stay in a cache.
TEST_P(PreFetch, IsGoodWhereNothingCanBeFetched) {
  test::expect_good(run(test::plain(), cdb(0, 8), 0));
}

TEST_P(PreFetch, TheRangeIsChecked) {
  for (Lun lun : {test::plain(), test::everything()}) {
    lun.blocks = 2048;
    const Sense out = test::illegal(asc::kLbaOutOfRange, 2);
    test::expect_check(run(lun, cdb(2047, 2)), out);
    test::expect_check(run(lun, cdb(2049, 0)), out);
    test::expect_check(run(lun, cdb(0xFFFFFFFF, 1)), out);
  }
}

}  // namespace
}  // namespace tcmud::scsi
