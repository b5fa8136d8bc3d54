// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;
using Kind = SanitizeRequest::Kind;

constexpr uint8_t kOverwrite = 0x01, kBlockErase = 0x02, kExitFailureMode = 0x1F;

Bytes cdb(uint8_t action, size_t list_length) {
  Bytes cdb = {0x48, action, 0, 0, 0, 0, 0, 0, 0, 0};
  test::put_be(cdb, 7, 2, list_length);
  return cdb;
}

test::Answer overwrite(const Bytes& list, uint8_t flags = 0) {
  return run(test::everything(), cdb(kOverwrite | flags, list.size()), list.size(), list);
}

// INVERT, OVERWRITE COUNT, pattern.
Bytes list(uint8_t first, size_t pattern, size_t stored) {
  Bytes list(4 + stored, 0xAA);
  list[0] = first;
  list[1] = 0;
  test::put_be(list, 2, 2, pattern);
  return list;
}

// iscsi-test-cu expects it so, and leaves the test out where 05/20/00 is the answer.
TEST(Sanitize, AServiceActionThatIsNotThereIsAnInvalidFieldOfACommandThatIs) {
  Lun cannot = test::everything();
  cannot.features = 0;
  for (uint8_t action = 0; action <= 0x1F; ++action) {
    if (action == kOverwrite || action == kBlockErase || action == kExitFailureMode) {
      continue;
    }
    test::expect_check(run(test::everything(), cdb(action, 0)), test::invalid_field(1, 4));
    test::expect_check(run(cannot, cdb(action, 0)), test::illegal(asc::kInvalidOperationCode, 1));
  }
}

TEST(SanitizeOverwrite, BecomesARequest) {
  const test::Answer answer = overwrite(list(0x83, 512, 512), 0xA0);
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kSanitize);
  const SanitizeRequest& sanitize = answer.outcome.sanitize;
  EXPECT_EQ(sanitize.kind, Kind::kOverwrite);
  EXPECT_TRUE(sanitize.immediate);
  EXPECT_TRUE(sanitize.unrestricted_exit);
  EXPECT_TRUE(sanitize.invert);
  EXPECT_EQ(sanitize.passes, 3);
  EXPECT_EQ(sanitize.pattern.offset, 4);
  EXPECT_EQ(sanitize.pattern.length, 512);
}

TEST(SanitizeOverwrite, OptionsAreOffUnlessAskedFor) {
  const SanitizeRequest sanitize = overwrite(list(0x01, 1, 1)).outcome.sanitize;
  EXPECT_FALSE(sanitize.immediate);
  EXPECT_FALSE(sanitize.unrestricted_exit);
  EXPECT_FALSE(sanitize.invert);
  EXPECT_EQ(sanitize.passes, 1);
  EXPECT_EQ(sanitize.pattern.length, 1);
}

TEST(SanitizeOverwrite, TheListHasFiveBytesToABlockAndFour) {
  const Sense wrong = test::invalid_field(7);
  for (size_t length = 0; length < 5; ++length) {
    test::expect_check(overwrite(Bytes(length, 0x01)), wrong);
  }
  test::expect_check(overwrite(list(0x01, 512, 513)), wrong);
  EXPECT_EQ(overwrite(list(0x01, 1, 512)).outcome.kind, Outcome::Kind::kSanitize);
}

TEST(SanitizeOverwrite, AListLongerThanTheDataIsALengthError) {
  const Bytes bytes = list(0x01, 4, 4);
  test::expect_check(run(test::everything(), cdb(kOverwrite, 8), 7, bytes),
                     test::illegal(asc::kParameterListLengthError, 7));
}

TEST(SanitizeOverwrite, NoPassesAndTestsAreRefused) {
  test::expect_check(overwrite(list(0x00, 4, 4)), test::invalid_parameter(0, 4));
  for (const uint8_t tests : {0x20, 0x40, 0x60}) {
    test::expect_check(overwrite(list(tests | 1, 4, 4)), test::invalid_parameter(0, 6));
  }
}

TEST(SanitizeOverwrite, ThePatternIsInTheListAndNotEmpty) {
  test::expect_check(overwrite(list(0x01, 0, 4)), test::invalid_parameter(2));
  test::expect_check(overwrite(list(0x01, 5, 4)), test::invalid_parameter(2));
  test::expect_check(overwrite(list(0x01, 516, 512)), test::invalid_parameter(2));
}

TEST(SanitizeOverwrite, APatternOfTheLargestBlockFits) {
  Lun lun = test::everything();
  lun.block_size = 4096;
  const Bytes bytes = list(0x01, 4096, 4096);
  EXPECT_EQ(
      run(lun, cdb(kOverwrite, bytes.size()), bytes.size(), bytes).outcome.sanitize.pattern.length,
      4096);
}

TEST(SanitizeBlockErase, BecomesARequest) {
  const test::Answer answer = run(test::everything(), cdb(kBlockErase | 0x80, 0), 0);
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kSanitize);
  EXPECT_EQ(answer.outcome.sanitize.kind, Kind::kBlockErase);
  EXPECT_TRUE(answer.outcome.sanitize.immediate);
  EXPECT_FALSE(answer.outcome.sanitize.unrestricted_exit);
}

TEST(SanitizeExitFailureMode, IsGoodWhereNothingHasFailed) {
  test::expect_good(run(test::everything(), cdb(kExitFailureMode, 0), 0));
}

TEST(SanitizeExitFailureMode, IsAllowedWhereTheFailedOneSaidSo) {
  Lun lun = test::everything();
  lun.sanitize_failure = SanitizeFailure::kRestricted;
  test::expect_check(run(lun, cdb(kExitFailureMode, 0), 0), test::invalid_field(1, 4));
  lun.sanitize_failure = SanitizeFailure::kUnrestricted;
  const test::Answer answer = run(lun, cdb(kExitFailureMode, 0), 0);
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kSanitize);
  EXPECT_EQ(answer.outcome.sanitize.kind, Kind::kExitFailureMode);
}

TEST(Sanitize, AFailedOneCanBeRepeated) {
  Lun lun = test::everything();
  lun.sanitize_failure = SanitizeFailure::kRestricted;
  EXPECT_EQ(run(lun, cdb(kBlockErase, 0), 0).outcome.kind, Outcome::Kind::kSanitize);
}

// SBC-4 4.11: out of the restricted mode leads only one that is restricted itself.
TEST(Sanitize, AfterARestrictedOneThatFailedAnUnrestrictedOneIsRefused) {
  Lun lun = test::everything();
  const Bytes bytes = list(0x01, 4, 4);
  for (const auto failure : {SanitizeFailure::kRestricted, SanitizeFailure::kUnrestricted}) {
    lun.sanitize_failure = failure;
    for (const test::Answer& answer :
         {run(lun, cdb(kBlockErase | 0x20, 0), 0),
          run(lun, cdb(kOverwrite | 0x20, bytes.size()), bytes.size(), bytes)}) {
      if (failure == SanitizeFailure::kRestricted) {
        test::expect_check(answer, test::invalid_field(1, 5));
      } else {
        EXPECT_EQ(answer.outcome.kind, Outcome::Kind::kSanitize);
      }
    }
  }
}

TEST(Sanitize, AParameterListWhereThereIsNoneIsRefused) {
  for (const uint8_t action : {kBlockErase, kExitFailureMode}) {
    test::expect_check(run(test::everything(), cdb(action, 8), 8, Bytes(8, 0)),
                       test::invalid_field(7));
  }
}

TEST(Sanitize, ReservedBitsAndBytesAreRefused) {
  for (const uint8_t action : {kOverwrite, kBlockErase, kExitFailureMode}) {
    Bytes bad = cdb(action, 0);
    bad[1] |= 0x40;
    test::expect_check(run(test::everything(), bad, 0), test::invalid_field(1, 6));
    for (uint16_t i = 2; i < 7; ++i) {
      bad = cdb(action, 0);
      bad[i] = 1;
      test::expect_check(run(test::everything(), bad, 0), test::invalid_field(i));
    }
  }
}

}  // namespace
}  // namespace tcmud::scsi
