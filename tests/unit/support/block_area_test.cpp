// SPDX-License-Identifier: Apache-2.0
#include "support/block_area.h"

#include <numeric>

#include <gtest/gtest.h>

namespace tcmud::test {
namespace {

class BlockAreaTest : public ::testing::Test {
 protected:
  BlockArea& make(Geometry geometry, Reuse reuse = Reuse::kLowestFirst) {
    region_.emplace(geometry);
    return area_.emplace(region_->data(), geometry, reuse, true, violations_);
  }
  std::vector<uint32_t> take(size_t count, uint64_t bytes) {
    std::vector<uint32_t> blocks;
    EXPECT_TRUE(area_->allocate(count, bytes, blocks));
    return blocks;
  }
  std::vector<uint32_t> take(size_t count) { return take(count, count * kPageSize); }
  std::vector<iovec> iovecs(const std::vector<uint32_t>& blocks, uint64_t bytes) {
    std::vector<iovec> list;
    area_->append_iovecs(blocks, bytes, list);
    return list;
  }

  Violations violations_{nullptr};
  std::optional<SharedRegion> region_;
  std::optional<BlockArea> area_;
};

TEST_F(BlockAreaTest, TheLowestFreeBlocksComeFirst) {
  make({});
  auto a = take(2);
  auto b = take(1);
  auto c = take(1);
  EXPECT_EQ(a, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(c, (std::vector<uint32_t>{3}));
  area_->free(b);
  area_->free(a);
  EXPECT_EQ(take(1), (std::vector<uint32_t>{0}));
  EXPECT_EQ(take(3), (std::vector<uint32_t>{1, 2, 4}));
}

TEST_F(BlockAreaTest, RoundRobinReusesABlockAsLateAsPossible) {
  make({.data_area_bytes = 4 * kPageSize}, Reuse::kRoundRobin);
  for (uint32_t i = 0; i < 10; ++i) {
    auto blocks = take(1);
    EXPECT_EQ(blocks[0], i % 4);
    area_->free(blocks);
  }
}

TEST_F(BlockAreaTest, NothingIsTakenWhereNotAllFits) {
  make({.data_area_bytes = 4 * kPageSize});
  take(3);
  std::vector<uint32_t> blocks;
  EXPECT_FALSE(area_->allocate(2, 2 * kPageSize, blocks));
  EXPECT_TRUE(blocks.empty());
  EXPECT_EQ(area_->in_use(), 3U);
}

TEST_F(BlockAreaTest, AllBlocksOfALargeAreaCanBeTaken) {
  make({.data_area_bytes = 1000 * kPageSize});
  auto blocks = take(1000);
  std::vector<uint32_t> all(1000);
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(blocks, all);
}

TEST_F(BlockAreaTest, NeighboursAreOneIovecAndTheLastIsPartial) {
  make({.ring_bytes = 8192});
  const auto list = iovecs({0, 1, 3, 4, 5, 9}, 5 * kPageSize + 100);
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].iov_base, reinterpret_cast<void*>(8192));
  EXPECT_EQ(list[0].iov_len, 2 * kPageSize);
  EXPECT_EQ(list[1].iov_base, reinterpret_cast<void*>(8192 + 3 * kPageSize));
  EXPECT_EQ(list[1].iov_len, 3 * kPageSize);
  EXPECT_EQ(list[2].iov_len, 100U);
}

TEST_F(BlockAreaTest, LargeBlocksAreCountedWhole) {
  make({.pages_per_block = 4});
  EXPECT_EQ(area_->blocks_for(1), 1U);
  EXPECT_EQ(area_->blocks_for(16384), 1U);
  EXPECT_EQ(area_->blocks_for(16385), 2U);
  const auto list = iovecs({0, 2}, 20000);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].iov_len, 16384U);
  EXPECT_EQ(list[1].iov_len, 20000U - 16384U);
}

TEST_F(BlockAreaTest, BytesSurviveScatterAndGather) {
  make({});
  take(1);
  const auto blocks = take(3);
  std::vector<uint8_t> data(3 * kPageSize - 7);
  std::iota(data.begin(), data.end(), 1);
  area_->scatter(blocks, data);
  std::vector<uint8_t> back(data.size());
  area_->gather(blocks, back);
  EXPECT_EQ(back, data);
}

TEST_F(BlockAreaTest, RecycledBlocksAreDirty) {
  make({});
  auto blocks = take(1);
  EXPECT_EQ(*area_->block(0), 0) << "fresh from the kernel it is zeroed";
  area_->free(blocks);
  take(1);
  EXPECT_EQ(*area_->block(0), kPoison);
}

TEST_F(BlockAreaTest, OnlyPagesThatWereUsedAreExpectedToHoldPoison) {
  make({.pages_per_block = 4});
  auto blocks = take(1, 5000);
  area_->free(blocks);
  EXPECT_EQ(area_->block(0)[8191], kPoison);
  EXPECT_EQ(area_->block(0)[8192], 0);
  area_->verify_free();
  EXPECT_EQ(violations_.count(), 0U);
  area_->block(0)[8191] = 0;
  area_->verify_free();
  EXPECT_EQ(violations_.count(Violation::kLateWrite), 1U);
}

}  // namespace
}  // namespace tcmud::test
