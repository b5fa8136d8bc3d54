// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;

Bytes encoded(const Sense& sense, size_t (*encode)(const Sense&, std::span<uint8_t>)) {
  Bytes out(32, 0xA5);
  out.resize(encode(sense, out));
  return out;
}

TEST(Sense, FixedFormatHasEighteenBytes) {
  EXPECT_EQ(
      encoded({.key = SenseKey::kDataProtect, .code = asc::kSpaceAllocationFailed}, encode_sense),
      (Bytes{0x70, 0, 0x07, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x27, 0x07, 0, 0, 0, 0}));
}

TEST(Sense, FixedFormatInformationOf32Bits) {
  EXPECT_EQ(encoded({.key = SenseKey::kMediumError,
                     .code = asc::kUnrecoveredReadError,
                     .information = 0xFFFFFFFF},
                    encode_sense),
            (Bytes{0xF0, 0, 0x03, 0xFF, 0xFF, 0xFF, 0xFF, 10, 0, 0, 0, 0, 0x11, 0x00, 0, 0, 0, 0}));
}

TEST(Sense, LongerInformationTakesDescriptorFormat) {
  const Sense sense{.key = SenseKey::kMediumError,
                    .code = asc::kUnrecoveredReadError,
                    .information = 0x100000000};
  EXPECT_EQ(encoded(sense, encode_sense), (Bytes{0x72, 0x03, 0x11, 0x00, 0, 0, 0, 12,  //
                                                 0x00, 0x0A, 0x80, 0,    0, 0, 0, 1,  0, 0, 0, 0}));
}

TEST(Sense, LongerInformationIsNotValidInFixedFormat) {
  const Bytes fixed = encoded({.key = SenseKey::kMediumError,
                               .code = asc::kUnrecoveredReadError,
                               .information = 1ULL << 32},
                              encode_fixed);
  ASSERT_EQ(fixed.size(), kFixedSenseLength);
  EXPECT_EQ(fixed[0], 0x70);
  EXPECT_EQ(test::get_be(fixed, 3, 4), 0u);
}

TEST(Sense, FieldPointerIntoTheCdb) {
  EXPECT_EQ(encoded(test::invalid_field(0x0102, 5), encode_sense),
            (Bytes{0x70, 0, 0x05, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0x00, 0, 0xCD, 0x01, 0x02}));
}

TEST(Sense, FieldPointerWithoutBitPointer) {
  EXPECT_EQ(encoded(test::invalid_field(2), encode_sense)[15], 0xC0);
}

TEST(Sense, FieldPointerIntoTheParameterList) {
  const Sense sense = test::illegal_parameter(asc::kInvalidFieldInParameterList, 24);
  const Bytes fixed = encoded(sense, encode_fixed);
  EXPECT_EQ(Bytes(fixed.begin() + 15, fixed.end()), (Bytes{0x80, 0, 24}));
  EXPECT_EQ(encoded(sense, encode_descriptor),
            (Bytes{0x72, 0x05, 0x26, 0x00, 0, 0, 0, 8, 0x02, 0x06, 0, 0, 0x80, 0, 24, 0}));
}

TEST(Sense, FieldPointerOnlyWithIllegalRequest) {
  Sense sense = test::invalid_field(2, 1);
  sense.key = SenseKey::kHardwareError;
  EXPECT_EQ(encoded(sense, encode_fixed)[15], 0x00);
  EXPECT_EQ(encoded(sense, encode_descriptor).size(), 8u);
}

TEST(Sense, TheLongestFitsIntoThirtyTwoBytes) {
  Sense sense = test::invalid_field(2, 1);
  sense.information = UINT64_MAX;
  EXPECT_EQ(encoded(sense, encode_sense).size(), kMaxDescriptorSenseLength - 4);
  sense = {.key = SenseKey::kCopyAborted, .information = UINT64_MAX, .segment = uint16_t{1}};
  EXPECT_EQ(encoded(sense, encode_sense).size(), kMaxDescriptorSenseLength);
  EXPECT_LE(kMaxDescriptorSenseLength, 32u);
}

TEST(Sense, TheFailedSegmentGoesWithCopyAbortedOnly) {
  Sense sense{.key = SenseKey::kCopyAborted,
              .code = asc::kThirdPartyDeviceFailure,
              .information = 0x11,
              .segment = 0x0102};
  EXPECT_EQ(encoded(sense, encode_fixed),
            (Bytes{0xF0, 0, 0x0A, 0, 0, 0, 0x11, 10, 0, 0, 1, 2, 0x0D, 0x01, 0, 0, 0, 0}));
  EXPECT_EQ(encoded(sense, encode_descriptor),
            (Bytes{0x72, 0x0A, 0x0D, 0x01, 0, 0,    0, 24, 0, 0x0A, 0x80, 0, 0, 0, 0, 0,
                   0,    0,    0,    0x11, 1, 0x0A, 0, 0,  0, 0,    1,    2, 0, 0, 0, 0}));
  sense.key = SenseKey::kMediumError;
  EXPECT_EQ(encoded(sense, encode_fixed)[11], 0);
  EXPECT_EQ(encoded(sense, encode_descriptor).size(), 20u);
}

TEST(Sense, ProgressGoesWithNotReadyAndNoSenseOnly) {
  std::array<uint8_t, 32> out;
  for (const SenseKey key : {SenseKey::kNoSense, SenseKey::kNotReady, SenseKey::kMediumError}) {
    const bool told = key != SenseKey::kMediumError;
    const Sense sense{.key = key, .code = asc::kFormatInProgress, .progress = 0x0102};
    EXPECT_EQ(encode_fixed(sense, out), 18u);
    EXPECT_EQ(out[15], told ? 0x80 : 0);
    EXPECT_EQ(out[16], told ? 0x01 : 0);
    EXPECT_EQ(out[17], told ? 0x02 : 0);
    EXPECT_EQ(encode_descriptor(sense, out), told ? 16u : 8u);
  }
}

}  // namespace
}  // namespace tcmud::scsi
