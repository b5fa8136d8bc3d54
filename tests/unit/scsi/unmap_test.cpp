// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

struct Descriptor {
  uint64_t lba;
  uint32_t blocks;
};

Bytes list_of(const std::vector<Descriptor>& descriptors) {
  Bytes list(8 + 16 * descriptors.size(), 0);
  test::put_be(list, 0, 2, list.size() - 2);
  test::put_be(list, 2, 2, 16 * descriptors.size());
  for (size_t i = 0; i < descriptors.size(); ++i) {
    test::put_be(list, 8 + 16 * i, 8, descriptors[i].lba);
    test::put_be(list, 16 + 16 * i, 4, descriptors[i].blocks);
  }
  return list;
}

Bytes cdb_for(size_t list_length, uint8_t flags = 0) {
  Bytes cdb = {0x42, flags, 0, 0, 0, 0, 0, 0, 0, 0};
  test::put_be(cdb, 7, 2, list_length);
  return cdb;
}

test::Answer unmap(const Lun& lun, const Bytes& list) {
  return run(lun, cdb_for(list.size()), list.size(), list);
}

TEST(Unmap, EachDescriptorBecomesARange) {
  const test::Answer answer = unmap(test::everything(), list_of({{8, 16}, {1000, 1}, {4, 8}}));
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.op, BlockOp::kUnmap);
  ASSERT_EQ(answer.ranges.size(), 3u);
  EXPECT_EQ(answer.ranges[0].offset, 8u * 512);
  EXPECT_EQ(answer.ranges[0].length, 16u * 512);
  EXPECT_EQ(answer.ranges[1].offset, 1000u * 512);
  EXPECT_EQ(answer.ranges[1].length, 512u);
  EXPECT_EQ(answer.ranges[2].offset, 4u * 512);
  EXPECT_EQ(answer.ranges[2].length, 8u * 512);
}

TEST(Unmap, AnchorIsRefused) {
  const Bytes list = list_of({{0, 1}});
  test::expect_check(run(test::everything(), cdb_for(list.size(), 0x01), list.size(), list),
                     test::invalid_field(1, 0));
}

TEST(Unmap, NothingToDoIsGood) {
  const Lun lun = test::everything();
  test::expect_good(run(lun, cdb_for(0), 0));
  test::expect_good(unmap(lun, list_of({})));
  test::expect_good(unmap(lun, list_of({{5, 0}})));
  test::expect_good(unmap(lun, list_of({{lun.blocks, 0}})));
}

TEST(Unmap, DescriptorsOfNoBlocksAreSkipped) {
  const test::Answer answer = unmap(test::everything(), list_of({{5, 0}, {6, 1}, {7, 0}}));
  ASSERT_EQ(answer.ranges.size(), 1u);
  EXPECT_EQ(answer.ranges[0].offset, 6u * 512);
}

TEST(Unmap, AListShorterThanItsHeaderIsALengthError) {
  for (size_t length = 1; length < 8; ++length) {
    const Bytes list(length, 0);
    test::expect_check(unmap(test::everything(), list),
                       test::illegal(asc::kParameterListLengthError, 7));
  }
}

TEST(Unmap, LessDataThanTheCdbSaysIsALengthError) {
  const Bytes list = list_of({{0, 1}, {1, 1}});
  for (size_t there = 0; there < list.size(); ++there) {
    test::expect_check(run(test::everything(), cdb_for(list.size()), there, list),
                       test::illegal(asc::kParameterListLengthError, 7));
  }
}

// More than we ever look at is there, and still not what was announced.
TEST(Unmap, LessDataThanTheCdbSaysIsALengthErrorForOverlongListsToo) {
  Bytes list = list_of({{3, 1}});
  list.resize(0xFFFF, 0);
  for (const uint64_t there : {uint64_t{kMaxParameterList}, uint64_t{5000}, uint64_t{0xFFFE}}) {
    test::expect_check(run(test::everything(), cdb_for(list.size()), there, list),
                       test::illegal(asc::kParameterListLengthError, 7));
  }
}

TEST(Unmap, MoreDataThanTheCdbSaysIsNotLookedAt) {
  const Bytes list = list_of({{0, 1}, {1, 1}});
  const test::Answer answer = run(test::everything(), cdb_for(list.size() - 16), list.size(), list);
  EXPECT_EQ(answer.ranges.size(), 1u);
}

// tcmu-runner took the descriptor length at its word, read beyond the list and unmapped what it
// found there.
TEST(Unmap, ADescriptorLengthBeyondTheListEndsWithTheList) {
  Bytes list = list_of({{3, 1}});
  for (const uint64_t length : {32u, 4096u, 0xFFFFu}) {
    test::put_be(list, 2, 2, length);
    const test::Answer answer = unmap(test::everything(), list);
    ASSERT_EQ(answer.ranges.size(), 1u);
    EXPECT_EQ(answer.ranges[0].offset, 3u * 512);
  }
}

TEST(Unmap, AnIncompleteDescriptorIsIgnored) {
  Bytes list = list_of({{3, 1}, {4, 1}});
  for (uint64_t length = 16; length < 32; ++length) {
    test::put_be(list, 2, 2, length);
    EXPECT_EQ(unmap(test::everything(), list).ranges.size(), 1u);
  }
  test::put_be(list, 2, 2, 15);
  test::expect_good(unmap(test::everything(), list));
  test::put_be(list, 2, 2, 32);
  list.pop_back();
  EXPECT_EQ(unmap(test::everything(), list).ranges.size(), 1u);
}

TEST(Unmap, TheNumberOfDescriptorsIsLimited) {
  Lun lun = test::everything();
  std::vector<Descriptor> descriptors;
  for (uint32_t i = 0; i < kMaxUnmapDescriptors + 1; ++i) {
    descriptors.push_back({i, 1});
  }
  for (const uint32_t limit : {1u, 4u, kMaxUnmapDescriptors}) {
    lun.max_unmap_descriptors = limit;
    std::vector<Descriptor> most(descriptors.begin(), descriptors.begin() + limit);
    EXPECT_EQ(unmap(lun, list_of(most)).ranges.size(), limit);
    most.push_back({0, 0});
    test::expect_check(unmap(lun, list_of(most)),
                       test::illegal_parameter(asc::kInvalidFieldInParameterList, 2));
  }
}

TEST(Unmap, TheSumOfBlocksIsLimited) {
  Lun lun = test::everything();
  lun.max_unmap_blocks = 100;
  EXPECT_TRUE(unmap(lun, list_of({{0, 60}, {0, 40}})).block());
  test::expect_check(unmap(lun, list_of({{0, 60}, {0, 41}})),
                     test::illegal_parameter(asc::kInvalidFieldInParameterList, 8 + 16 + 8));
  test::expect_check(unmap(lun, list_of({{0, 101}})),
                     test::illegal_parameter(asc::kInvalidFieldInParameterList, 8 + 8));
}

TEST(Unmap, ABadDescriptorAnywhereAndNothingIsUnmapped) {
  const Lun lun = test::everything();
  for (const Descriptor bad :
       {Descriptor{lun.blocks, 1}, Descriptor{lun.blocks - 1, 2}, Descriptor{lun.blocks + 1, 0},
        Descriptor{UINT64_MAX, 2}, Descriptor{UINT64_MAX - 0xFFFFFFFE, 0xFFFFFFFF}}) {
    for (uint16_t at = 0; at < 3; ++at) {
      std::vector<Descriptor> descriptors = {{0, 1}, {1, 1}, {2, 1}};
      descriptors[at] = bad;
      test::expect_check(
          unmap(lun, list_of(descriptors)),
          test::illegal_parameter(asc::kLbaOutOfRange, static_cast<uint16_t>(8 + 16 * at)));
    }
  }
}

// A list longer than any that we would take, whose descriptors are few.
TEST(Unmap, TrailingBytesBehindTheDescriptorsAreNotLookedAt) {
  Bytes list = list_of({{3, 1}});
  list.resize(0xFFFF, 0xFF);
  const test::Answer answer = unmap(test::everything(), list);
  ASSERT_EQ(answer.ranges.size(), 1u);
  EXPECT_EQ(answer.ranges[0].offset, 3u * 512);
}

TEST(Unmap, AnOverlongListOfDescriptorsIsRefused) {
  Bytes list(0xFFFF, 0);
  test::put_be(list, 2, 2, 0xFFF0);
  test::expect_check(unmap(test::everything(), list),
                     test::illegal_parameter(asc::kInvalidFieldInParameterList, 2));
}

TEST(Unmap, WantsItsListAsParameters) {
  EXPECT_EQ(parameter_list_length(cdb_for(24), 24), 24u);
  EXPECT_EQ(parameter_list_length(cdb_for(24), 10), 10u);
  EXPECT_EQ(parameter_list_length(cdb_for(24), 0), 0u);
  EXPECT_EQ(parameter_list_length(cdb_for(0xFFFF), 0xFFFF), kMaxParameterList);
}

}  // namespace
}  // namespace tcmud::scsi
