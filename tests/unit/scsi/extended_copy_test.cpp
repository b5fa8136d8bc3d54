// SPDX-License-Identifier: Apache-2.0
#include "scsi/extended_copy.h"

#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

const Bytes kNaa = {0x60, 0x01, 0x40, 0x53, 0xA5, 0xB6, 0xC7, 0xD8,
                    0xE9, 0xF4, 0xA1, 0xB8, 0xC2, 0xD0, 0x12, 0x34};

Bytes cscd(const Bytes& naa = kNaa) {
  Bytes d(32, 0);
  d[0] = 0xE4;
  d[4] = 0x01;
  d[5] = 0x03;
  d[7] = static_cast<uint8_t>(naa.size());
  std::copy(naa.begin(), naa.end(), d.begin() + 8);
  test::put_be(d, 29, 3, 512);
  return d;
}

Bytes segment(uint16_t source, uint16_t destination, uint16_t blocks = 8, uint64_t from = 0x10,
              uint64_t to = 0x20) {
  Bytes d(28, 0);
  d[0] = 0x02;
  d[3] = 24;
  test::put_be(d, 4, 2, source);
  test::put_be(d, 6, 2, destination);
  test::put_be(d, 10, 2, blocks);
  test::put_be(d, 12, 8, from);
  test::put_be(d, 20, 8, to);
  return d;
}

Bytes list(const std::vector<Bytes>& cscds, const std::vector<Bytes>& segments) {
  Bytes all(16, 0);
  all[0] = 1;
  for (const auto& part : {cscds, segments}) {
    for (const Bytes& d : part) {
      all.insert(all.end(), d.begin(), d.end());
    }
  }
  test::put_be(all, 2, 2, 32 * cscds.size());
  test::put_be(all, 8, 4, all.size() - 16 - 32 * cscds.size());
  return all;
}

test::Answer copy(const Bytes& list, size_t length, uint64_t data_length) {
  Bytes cdb(16, 0);
  cdb[0] = 0x83;
  test::put_be(cdb, 10, 4, length);
  return run(test::everything(), cdb, data_length, list);
}
test::Answer copy(const Bytes& list) {
  return copy(list, list.size(), list.size());
}

Bytes with(Bytes bytes, size_t at, uint8_t value) {
  bytes.at(at) = value;
  return bytes;
}

constexpr size_t kFirstCscd = 16, kFirstSegment = 16 + 32;

TEST(ExtendedCopy, AValidListGoesToTheEngine) {
  const test::Answer answer = copy(list({cscd(), cscd()}, {segment(0, 1)}));
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kExtendedCopy);
  EXPECT_EQ(answer.outcome.copy.list_identifier, 1u);
}

TEST(ExtendedCopy, IsDecoded) {
  Bytes second = cscd({0x50, 1, 2, 3, 4, 5, 6, 7});
  test::put_be(second, 29, 3, 4096);
  Bytes counted = segment(1, 0xFFFF, 0xFFFF, 0x1122334455667788, 0x99AABBCCDDEEFF00);
  counted[1] = 0x03;  // DC, CAT
  ExtendedCopy decoded;
  test::expect_good({decode_extended_copy(
                         with(list({cscd(), second}, {segment(0, 1), counted}), 1, 0x10), decoded),
                     {},
                     {}});
  EXPECT_EQ(decoded.list_identifier, 1);
  EXPECT_EQ(decoded.usage, ExtendedCopy::Usage::kDiscard);
  ASSERT_EQ(decoded.cscds, 2u);
  EXPECT_TRUE(std::equal(kNaa.begin(), kNaa.end(), decoded.cscd[0].naa.begin()));
  EXPECT_EQ(decoded.cscd[0].naa_length, 16);
  EXPECT_EQ(decoded.cscd[0].block_length, 512u);
  EXPECT_EQ(decoded.cscd[1].naa_length, 8);
  EXPECT_EQ(decoded.cscd[1].naa[0], 0x50);
  EXPECT_EQ(decoded.cscd[1].naa[8], 0x00);
  EXPECT_EQ(decoded.cscd[1].block_length, 4096u);
  ASSERT_EQ(decoded.segments, 2u);
  EXPECT_EQ(decoded.segment[0].source, 0);
  EXPECT_EQ(decoded.segment[0].destination, 1);
  EXPECT_EQ(decoded.segment[0].blocks, 8);
  EXPECT_FALSE(decoded.segment[0].destination_counts);
  EXPECT_EQ(decoded.segment[1].destination, kThisLogicalUnit);
  EXPECT_EQ(decoded.segment[1].blocks, 0xFFFF);
  EXPECT_TRUE(decoded.segment[1].destination_counts);
  EXPECT_EQ(decoded.segment[1].source_lba, 0x1122334455667788u);
  EXPECT_EQ(decoded.segment[1].destination_lba, 0x99AABBCCDDEEFF00u);
}

TEST(ExtendedCopy, NoListIsGood) {
  test::expect_good(copy({}));
}

TEST(ExtendedCopy, AHeaderAloneCopiesNothing) {
  EXPECT_EQ(copy(list({}, {})).outcome.kind, Outcome::Kind::kExtendedCopy);
}

// Every length that the list may be cut to, by the CDB or by the transport.
TEST(ExtendedCopy, ACutListIsALengthError) {
  const Bytes whole = list({cscd()}, {segment(0, 0)});
  const Sense in_cdb = test::illegal(asc::kParameterListLengthError, 10);
  const Sense in_list = test::illegal_parameter(asc::kParameterListLengthError, 8);
  for (size_t n = 1; n < whole.size(); ++n) {
    test::expect_check(copy(whole, n, whole.size()), n < 16 ? in_cdb : in_list);
    test::expect_check(copy(whole, whole.size(), n), in_cdb);
  }
}

TEST(ExtendedCopy, ListsThatEndWithinADescriptorAreALengthError) {
  Bytes bytes = list({cscd()}, {segment(0, 0)});
  test::expect_check(copy(with(bytes, 3, 31)),
                     test::illegal_parameter(asc::kParameterListLengthError, 2));
  for (const uint8_t length : {1, 3, 4, 27}) {
    test::expect_check(copy(with(bytes, 11, length)),
                       test::illegal_parameter(asc::kParameterListLengthError, 8));
  }
}

// The largest lengths there can be don't add up to a small one.
TEST(ExtendedCopy, LengthsBeyondTheListAreALengthError) {
  Bytes bytes = list({cscd()}, {segment(0, 0)});
  test::put_be(bytes, 8, 4, 0xFFFFFFFF);
  test::expect_check(copy(bytes), test::illegal_parameter(asc::kParameterListLengthError, 8));
  test::put_be(bytes, 2, 2, 0xFFE0);
  test::put_be(bytes, 8, 4, 0);
  test::expect_check(copy(bytes), test::illegal_parameter(asc::kParameterListLengthError, 2));
}

TEST(ExtendedCopy, TooManyDescriptorsAreToldByKind) {
  test::expect_check(copy(list(std::vector<Bytes>(kMaxCopyCscds + 1, cscd()), {segment(0, 0)})),
                     test::illegal_parameter(asc::kTooManyCscdDescriptors, 2));
  test::expect_check(copy(list({cscd()}, std::vector<Bytes>(kMaxCopySegments + 1, segment(0, 0)))),
                     test::illegal_parameter(asc::kTooManySegmentDescriptors, 8));
  EXPECT_EQ(copy(list(std::vector<Bytes>(kMaxCopyCscds, cscd()),
                      std::vector<Bytes>(kMaxCopySegments, segment(0, 0))))
                .outcome.kind,
            Outcome::Kind::kExtendedCopy);
}

// iscsi-test-cu wants 1A/00 before it is said which of the two are too many.
TEST(ExtendedCopy, MoreThanTheMaximumDescriptorListLengthIsALengthError) {
  test::expect_check(copy(list(std::vector<Bytes>(kMaxCopyCscds + 1, cscd()),
                               std::vector<Bytes>(kMaxCopySegments, segment(0, 0)))),
                     test::illegal_parameter(asc::kParameterListLengthError, 8));
}

TEST(ExtendedCopy, InlineDataIsRefused) {
  Bytes bytes = list({cscd()}, {segment(0, 0)});
  test::put_be(bytes, 12, 4, 4);
  test::expect_check(copy(bytes), test::illegal_parameter(asc::kInlineDataLengthExceeded, 12));
}

TEST(ExtendedCopy, ListIdUsage) {
  const Bytes bytes = list({cscd()}, {segment(0, 0)});
  test::expect_check(copy(with(bytes, 1, 0x08)), test::invalid_parameter(1, 4));
  test::expect_check(copy(with(bytes, 1, 0x18)), test::invalid_parameter(0));
  EXPECT_EQ(copy(with(with(bytes, 1, 0x18), 0, 0)).outcome.kind, Outcome::Kind::kExtendedCopy);
  EXPECT_EQ(copy(with(bytes, 1, 0x37)).outcome.kind,
            Outcome::Kind::kExtendedCopy);  // STR, PRIORITY
}

TEST(ExtendedCopy, OtherDescriptorTypesAreToldByKind) {
  const Bytes bytes = list({cscd()}, {segment(0, 0)});
  for (const uint8_t type : {0xE0, 0xE5, 0x00}) {
    test::expect_check(
        copy(with(bytes, kFirstCscd, type)),
        test::illegal_parameter(asc::kUnsupportedCscdDescriptorTypeCode, kFirstCscd));
  }
  for (const uint8_t type : {0x00, 0x03, 0x0A, 0xFF}) {
    test::expect_check(
        copy(with(bytes, kFirstSegment, type)),
        test::illegal_parameter(asc::kUnsupportedSegmentDescriptorTypeCode, kFirstSegment));
  }
}

// SPC-4 made LU ID TYPE obsolete; iscsi-test-cu wants it ignored.
TEST(ExtendedCopy, LuIdTypeIsNotLookedAt) {
  const Bytes bytes = list({cscd()}, {segment(0, 0)});
  EXPECT_EQ(copy(with(bytes, kFirstCscd + 1, 0xC0)).outcome.kind, Outcome::Kind::kExtendedCopy);
}

TEST(ExtendedCopy, ACscdIsADirectAccessBlockDevice) {
  const Bytes bytes = list({cscd()}, {segment(0, 0)});
  test::expect_check(copy(with(bytes, kFirstCscd + 1, 0x01)),
                     {.key = SenseKey::kCopyAborted, .code = asc::kIncorrectCopyTargetDeviceType});
}

TEST(ExtendedCopy, DesignatorsAreNaaOfLogicalUnits) {
  const Bytes bytes = list({cscd()}, {segment(0, 0)});
  test::expect_check(copy(with(bytes, kFirstCscd + 4, 0x02)),
                     test::invalid_parameter(kFirstCscd + 4, 3));
  for (const uint8_t type : {0x01, 0x08, 0x13}) {  // T10, SCSI name, NAA of a port
    test::expect_check(copy(with(bytes, kFirstCscd + 5, type)),
                       test::invalid_parameter(kFirstCscd + 5, 5));
  }
  for (const uint8_t length : {0, 7, 15, 17, 20, 255}) {
    test::expect_check(copy(with(bytes, kFirstCscd + 7, length)),
                       test::invalid_parameter(kFirstCscd + 7));
  }
}

TEST(ExtendedCopy, ASegmentOfAnotherLengthIsRefused) {
  const Bytes bytes = list({cscd()}, {segment(0, 0)});
  test::expect_check(copy(with(bytes, kFirstSegment + 3, 23)),
                     test::invalid_parameter(kFirstSegment + 2));
}

TEST(ExtendedCopy, AnIndexOfNoCscdAbortsTheCopy) {
  const Sense aborted{.key = SenseKey::kCopyAborted, .code = asc::kUnreachableCopyTarget};
  test::expect_check(copy(list({cscd()}, {segment(0, 1)})), aborted);
  test::expect_check(copy(list({cscd()}, {segment(1, 0)})), aborted);
  test::expect_check(copy(list({}, {segment(0, 0xFFFF)})), aborted);
  EXPECT_EQ(copy(list({}, {segment(0xFFFF, 0xFFFF)})).outcome.kind, Outcome::Kind::kExtendedCopy);
}

TEST(SegmentExtents, AreInBytesOfEachSide) {
  Lun small = test::everything();
  Lun large = test::everything();
  large.block_size = 4096;
  CopyExtents extents;
  CopySegment segment{.blocks = 16, .source_lba = 8, .destination_lba = 2};
  ASSERT_TRUE(segment_extents(segment, small, large, extents));
  EXPECT_EQ(extents.source, 8u * 512);
  EXPECT_EQ(extents.destination, 2u * 4096);
  EXPECT_EQ(extents.length, 16u * 512);
  segment.destination_counts = true;
  ASSERT_TRUE(segment_extents(segment, small, large, extents));
  EXPECT_EQ(extents.length, 16u * 4096);
}

TEST(SegmentExtents, AreWithinBothAndWholeBlocks) {
  Lun small = test::everything();
  small.blocks = 100;
  Lun large = small;
  large.block_size = 4096;
  CopyExtents extents;
  EXPECT_FALSE(segment_extents({.blocks = 15}, small, large, extents));
  EXPECT_FALSE(segment_extents({.blocks = 1, .source_lba = 100}, small, small, extents));
  EXPECT_FALSE(segment_extents({.blocks = 2, .destination_lba = 99}, small, small, extents));
  EXPECT_FALSE(segment_extents({.blocks = 1, .source_lba = UINT64_MAX}, small, small, extents));
  EXPECT_TRUE(segment_extents({.blocks = 1, .source_lba = 99, .destination_lba = 99}, small, small,
                              extents));
}

}  // namespace
}  // namespace tcmud::scsi
