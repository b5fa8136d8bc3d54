// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

constexpr uint8_t kFmtdata = 0x10, kLonglist = 0x20;

test::Answer format(const Bytes& list, uint8_t flags = kFmtdata, uint8_t fast = 0) {
  return run(test::everything(), {0x04, flags, 0, 0, fast, 0}, list.size(), list);
}

void expect_format(const test::Answer& answer, bool immediate, uint16_t offset, uint16_t length) {
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kFormat);
  EXPECT_EQ(answer.outcome.status, Status::kGood);
  EXPECT_EQ(answer.outcome.format.immediate, immediate);
  EXPECT_EQ(answer.outcome.format.pattern.offset, offset);
  EXPECT_EQ(answer.outcome.format.pattern.length, length);
}

// Without a list, and every list that is cut.
const Sense kLengthError = test::illegal(asc::kParameterListLengthError, 1, 4);

TEST(FormatUnit, WithoutAListWritesZeroesAndAnswersLater) {
  expect_format(format({}, 0), false, 0, 0);
  expect_format(format({0xFF, 0xFF, 0xFF, 0xFF}, 0), false, 0, 0);  // data that nobody asked for
}

TEST(FormatUnit, ImmedAnswersAtOnce) {
  expect_format(format({0, 0x00, 0, 0}), false, 0, 0);
  expect_format(format({0, 0x02, 0, 0}), true, 0, 0);
  expect_format(format({0, 0x82, 0, 0}), true, 0, 0);
  expect_format(format({0, 0x02, 0, 0, 0, 0, 0, 0}, kFmtdata | kLonglist), true, 0, 0);
}

TEST(FormatUnit, OptionsAboutDefectsChangeNothing) {
  expect_format(format({0, 0xF0, 0, 0}), false, 0, 0);  // FOV, DPRY, DCRT, STPF
  for (int about_a_list = 0; about_a_list < 16; ++about_a_list) {
    expect_format(format({0, 0, 0, 0}, static_cast<uint8_t>(kFmtdata | about_a_list)), false, 0, 0);
  }
}

TEST(FormatUnit, APatternIsToldWhereItStandsInTheList) {
  expect_format(format({0, 0x88, 0, 0, 0, 1, 0, 2, 0xAB, 0xCD}), false, 8, 2);
  expect_format(format({0, 0x8A, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0xAB}, kFmtdata | kLonglist), true,
                12, 1);
  expect_format(format({0, 0x88, 0, 0, 0, 0, 0, 0}), false, 8, 0);  // the default pattern
  Bytes whole_block = {0, 0x88, 0, 0, 0, 1, 2, 0};
  whole_block.resize(8 + 512, 0x5A);
  expect_format(format(whole_block), false, 8, 512);
}

TEST(FormatUnit, ProtectionInformationIsRefused) {
  for (const uint8_t information : {0x40, 0x80, 0xC0}) {
    test::expect_check(format({}, information), test::invalid_field(1, 7));
  }
  for (const uint8_t usage : {1, 2, 4, 7}) {
    test::expect_check(format({usage, 0, 0, 0}), test::invalid_parameter(0, 2));
  }
  test::expect_check(format({0, 0, 0, 1, 0, 0, 0, 0}, kFmtdata | kLonglist),
                     test::invalid_parameter(3));
}

TEST(FormatUnit, FastFormatIsRefused) {
  for (const uint8_t fast : {1, 2, 3}) {
    test::expect_check(format({}, 0, fast), test::invalid_field(4, 1));
  }
}

TEST(FormatUnit, WhatIsAboutAListNeedsOne) {
  test::expect_check(format({}, kLonglist), test::invalid_field(1, 5));
  test::expect_check(format({}, 0x08), test::invalid_field(1, 3));
  for (const uint8_t defect_format : {1, 4, 7}) {
    test::expect_check(format({}, defect_format), test::invalid_field(1, 2));
  }
}

TEST(FormatUnit, ACutListIsALengthError) {
  const Bytes whole = {0, 0x88, 0, 0, 0, 1, 0, 2, 0xAB, 0xCD};
  for (size_t n = 0; n < whole.size(); ++n) {
    test::expect_check(format(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n))),
                       kLengthError);
  }
  for (size_t n = 0; n < 8; ++n) {
    test::expect_check(format(Bytes(n, 0), kFmtdata | kLonglist), kLengthError);
  }
}

TEST(FormatUnit, OptionsNeedFov) {
  for (const uint8_t option : {0x40, 0x20, 0x10, 0x08}) {
    test::expect_check(format({0, option, 0, 0}), test::invalid_parameter(1, 7));
  }
}

TEST(FormatUnit, DefectListsAreRefused) {
  test::expect_check(format({0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}), test::invalid_parameter(2));
  test::expect_check(format({0, 0, 0, 0, 0, 0, 0, 8}, kFmtdata | kLonglist),
                     test::invalid_parameter(4));
}

TEST(FormatUnit, PatternsThatCantBeWrittenAreRefused) {
  test::expect_check(format({0, 0x88, 0, 0, 0x20, 1, 0, 1, 0}), test::invalid_parameter(4, 5));
  test::expect_check(format({0, 0x88, 0, 0, 0, 2, 0, 1, 0}), test::invalid_parameter(5));
  test::expect_check(format({0, 0x88, 0, 0, 0, 1, 0, 0}), test::invalid_parameter(6));
  test::expect_check(format({0, 0x88, 0, 0, 0, 0, 0, 1, 0}), test::invalid_parameter(6));
  Bytes too_long = {0, 0x88, 0, 0, 0, 1, 2, 1};
  too_long.resize(8 + 513, 0x5A);
  test::expect_check(format(too_long), test::invalid_parameter(6));
}

}  // namespace
}  // namespace tcmud::scsi
