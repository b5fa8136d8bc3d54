// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

TEST(TestUnitReady, IsGoodWithoutData) {
  const test::Answer answer = run(test::plain(), {0, 0, 0, 0, 0, 0});
  test::expect_good(answer);
  EXPECT_TRUE(answer.data.empty());
}

TEST(RequestSense, SaysNoSenseInTheFormatAskedFor) {
  const test::Answer fixed = run(test::plain(), {0x03, 0, 0, 0, 252, 0});
  test::expect_good(fixed);
  EXPECT_EQ(fixed.data, (Bytes{0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  const test::Answer descriptor = run(test::plain(), {0x03, 1, 0, 0, 252, 0});
  test::expect_good(descriptor);
  EXPECT_EQ(descriptor.data, (Bytes{0x72, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(RequestSense, TellsThePendingSenseWithGood) {
  const Sense pending{.key = SenseKey::kUnitAttention, .code = asc::kCapacityDataHasChanged};
  const test::Answer fixed = run(test::plain(), {0x03, 0, 0, 0, 252, 0}, 252, {}, &pending);
  test::expect_good(fixed);
  EXPECT_EQ(fixed.data, (Bytes{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x2A, 0x09, 0, 0, 0, 0}));
  const test::Answer descriptor = run(test::plain(), {0x03, 1, 0, 0, 252, 0}, 252, {}, &pending);
  EXPECT_EQ(descriptor.data, (Bytes{0x72, 6, 0x2A, 0x09, 0, 0, 0, 0}));
}

TEST(StartStopUnit, StartIsGood) {
  test::expect_good(run(test::plain(), {0x1B, 0, 0, 0, 0x01, 0}));
  test::expect_good(run(test::plain(), {0x1B, 0x01, 0, 0, 0x05, 0}));  // IMMED, NO_FLUSH
}

TEST(StartStopUnit, StoppingEjectingAndPowerConditionsAreNotSupported) {
  test::expect_check(run(test::plain(), {0x1B, 0, 0, 0, 0x00, 0}), test::invalid_field(4, 0));
  test::expect_check(run(test::plain(), {0x1B, 0, 0, 0, 0x02, 0}), test::invalid_field(4, 1));
  test::expect_check(run(test::plain(), {0x1B, 0, 0, 0, 0x03, 0}), test::invalid_field(4, 1));
  for (int condition = 1; condition < 16; ++condition) {
    test::expect_check(
        run(test::plain(), {0x1B, 0, 0, 0, static_cast<uint8_t>(condition << 4 | 1), 0}),
        test::invalid_field(4, 7));
  }
}

TEST(RequestSense, TellsTheProgressOfAFormat) {
  Lun lun = test::plain();
  lun.progress = 0x8000;
  const test::Answer fixed = run(lun, {0x03, 0, 0, 0, 252, 0});
  test::expect_good(fixed);
  EXPECT_EQ(fixed.data,
            (Bytes{0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 0x04, 0, 0x80, 0x80, 0x00}));
  lun.progress_code = asc::kSanitizeInProgress;
  EXPECT_EQ(run(lun, {0x03, 1, 0, 0, 252, 0}).data,
            (Bytes{0x72, 2, 0x04, 0x1B, 0, 0, 0, 8, 0x02, 0x06, 0, 0, 0x80, 0x80, 0x00, 0}));
}

TEST(PreventAllowMediumRemoval, IsGoodForAMediumThatCantBeRemoved) {
  test::expect_good(run(test::plain(), {0x1E, 0, 0, 0, 0, 0}));
  test::expect_good(run(test::plain(), {0x1E, 0, 0, 0, 1, 0}));
}

TEST(PreventAllowMediumRemoval, ObsoleteValuesAreRefused) {
  for (const uint8_t prevent : {2, 3}) {
    test::expect_check(run(test::plain(), {0x1E, 0, 0, 0, prevent, 0}), test::invalid_field(4, 1));
  }
}

}  // namespace
}  // namespace tcmud::scsi
