// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "scsi/extended_copy.h"
#include "scsi/rod_token.h"
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

// The page's descriptors by type, each with its type and length.
std::map<uint64_t, Bytes> descriptors(const Lun& lun) {
  const Bytes page = run(lun, {0x12, 1, 0x8F, 0x10, 0x00, 0}).data;
  EXPECT_EQ(test::get_be(page, 2, 2), page.size() - 4);
  std::map<uint64_t, Bytes> all;
  uint64_t last = 0;
  size_t at = 4;
  while (at < page.size()) {
    const uint64_t type = test::get_be(page, at, 2);
    const size_t length = 4 + test::get_be(page, at + 2, 2);
    EXPECT_EQ(length % 4, 0u) << type;
    EXPECT_TRUE(all.empty() || type > last) << type;
    EXPECT_LE(at + length, page.size());
    all[type] = Bytes(page.begin() + static_cast<ptrdiff_t>(at),
                      page.begin() + static_cast<ptrdiff_t>(at + length));
    last = type;
    at += length;
  }
  return all;
}

Lun only(uint32_t features) {
  Lun lun = test::everything();
  lun.features = features;
  return lun;
}

std::vector<uint64_t> types(const Lun& lun) {
  std::vector<uint64_t> types;
  for (const auto& [type, bytes] : descriptors(lun)) {
    types.push_back(type);
  }
  return types;
}

TEST(ThirdPartyCopyPage, HasTheDescriptorsOfWhatTheLunCan) {
  EXPECT_EQ(types(only(kCanCopy)), (std::vector<uint64_t>{1, 4, 8, 0x0C, 0x8001}));
  EXPECT_EQ(types(only(kCanUseTokens)), (std::vector<uint64_t>{0, 1, 0x0106, 0x0108, 0x8001}));
  EXPECT_EQ(types(test::everything()),
            (std::vector<uint64_t>{0, 1, 4, 8, 0x0C, 0x0106, 0x0108, 0x8001}));
}

TEST(ThirdPartyCopyPage, ListsTheCommandsThatAreThere) {
  EXPECT_EQ(descriptors(only(kCanCopy))[1],
            (Bytes{0, 1, 0, 12, 8, 0x83, 1, 0x00, 0x84, 3, 0x00, 0x03, 0x04, 0, 0, 0}));
  EXPECT_EQ(descriptors(test::everything())[1],
            (Bytes{0, 1, 0, 12, 11, 0x83, 3, 0x00, 0x10, 0x11, 0x84, 4, 0x00, 0x03, 0x04, 0x07}));
}

TEST(ThirdPartyCopyPage, LimitsOfExtendedCopyAreThoseOfItsOperatingParameters) {
  auto all = descriptors(only(kCanCopy));
  Bytes expected(32, 0);
  expected[1] = 4;
  expected[3] = 28;
  test::put_be(expected, 8, 2, kMaxCopyCscds);
  test::put_be(expected, 10, 2, kMaxCopySegments);
  test::put_be(expected, 12, 4, kMaxCopyDescriptors);
  EXPECT_EQ(all[4], expected);
  EXPECT_EQ(all[8], (Bytes{0, 8, 0, 4, 2, 0x02, 0xE4, 0}));
  EXPECT_EQ(all[0x0C], (Bytes{0, 0x0C, 0, 4, 0, 2, 0xFF, 0xFF}));
  expected.assign(36, 0);
  test::put_be(expected, 0, 4, 0x80010020);
  expected[7] = expected[11] = kMaxCopies;
  test::put_be(expected, 12, 4, kMaxCopySegmentBytes);
  expected[16] = 9;
  EXPECT_EQ(all[0x8001], expected);
}

TEST(ThirdPartyCopyPage, LimitsOfTokens) {
  Lun lun = only(kCanUseTokens);
  lun.block_size = 4096;
  auto all = descriptors(lun);
  Bytes expected(36, 0);
  expected[3] = 32;
  test::put_be(expected, 10, 2, kMaxTokenRanges);
  test::put_be(expected, 12, 4, kMaxTokenTimeout);
  test::put_be(expected, 16, 4, kDefaultTokenTimeout);
  test::put_be(expected, 20, 8, kMaxTokenBytes / 4096);
  test::put_be(expected, 28, 8, kMaxTokenBytes / 4096);
  EXPECT_EQ(all[0], expected);
  ASSERT_EQ(all[0x0106].size(), 48u);
  EXPECT_EQ(test::get_be(all[0x0106], 20, 4), kMaxTokenTimeout);
  EXPECT_EQ(test::get_be(all[0x0106], 24, 4), kMaxTokenTimeout);
  ASSERT_EQ(all[0x0108].size(), 8u + 2 * 64);
  EXPECT_EQ(test::get_be(all[0x0108], 6, 2), 128u);
  EXPECT_EQ(test::get_be(all[0x0108], 8, 4), kAccessUponReferenceRod);
  EXPECT_EQ(all[0x0108][12], 0x03);
  EXPECT_EQ(test::get_be(all[0x0108], 72, 4), kBlockZeroRod);
  EXPECT_EQ(all[0x0108][76], 0x02);
}

}  // namespace
}  // namespace tcmud::scsi
