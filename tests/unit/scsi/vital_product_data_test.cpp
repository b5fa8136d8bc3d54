// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

Bytes page(const Lun& lun, uint8_t code) {
  const test::Answer answer = run(lun, {0x12, 1, code, 0x04, 0x00, 0});
  test::expect_good(answer);
  EXPECT_GE(answer.data.size(), 4u);
  EXPECT_EQ(answer.data[0], 0x00);
  EXPECT_EQ(answer.data[1], code);
  EXPECT_EQ(test::get_be(answer.data, 2, 2), answer.data.size() - 4);
  return answer.data;
}

Bytes ascii(const std::string& s) {
  return Bytes(s.begin(), s.end());
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(VitalProductData, ListsItsPages) {
  EXPECT_EQ(page(test::everything(), 0x00),
            (Bytes{0x00, 0x00, 0x00, 0x09, 0x00, 0x80, 0x83, 0x86, 0x8F, 0xB0, 0xB1, 0xB2, 0xB7}));
  EXPECT_EQ(page(test::plain(), 0x00),
            (Bytes{0x00, 0x00, 0x00, 0x08, 0x00, 0x80, 0x83, 0x86, 0xB0, 0xB1, 0xB2, 0xB7}));
}

TEST(VitalProductData, HasTheListedPagesAndNoOthers) {
  for (const Lun& lun : {test::everything(), test::plain()}) {
    const Bytes list = page(lun, 0x00);
    const Bytes listed(list.begin() + 4, list.end());
    EXPECT_TRUE(std::is_sorted(listed.begin(), listed.end()));
    for (int code = 0; code < 256; ++code) {
      const auto c = static_cast<uint8_t>(code);
      if (std::find(listed.begin(), listed.end(), c) != listed.end()) {
        page(lun, c);
      } else {
        test::expect_check(run(lun, {0x12, 1, c, 0, 255, 0}), test::invalid_field(2));
      }
    }
  }
}

TEST(VitalProductData, ExtendedInquiryTellsSimpleTasksAndAVolatileCache) {
  Bytes expected(64, 0);
  expected[1] = 0x86;
  expected[3] = 0x3C;
  expected[5] = 0x01;
  EXPECT_EQ(page(test::plain(), 0x86), expected);
  expected[6] = 0x01;
  Lun lun = test::plain();
  lun.write_cache = true;
  EXPECT_EQ(page(lun, 0x86), expected);
  lun.write_cache = false;
  lun.can_switch_write_cache = true;
  EXPECT_EQ(page(lun, 0x86), expected);
}

TEST(VitalProductData, BlockLimitsExtensionHasNothingToTell) {
  Bytes expected(32, 0);
  expected[1] = 0xB7;
  expected[3] = 0x1C;
  EXPECT_EQ(page(test::everything(), 0xB7), expected);
}

TEST(VitalProductData, BlockLimitsOfCompareAndWriteAndOfAtomicWrites) {
  Lun lun = test::everything();
  lun.atomic_alignment_blocks = 8;
  lun.atomic_granularity_blocks = 4;
  Bytes data = page(lun, 0xB0);
  EXPECT_EQ(data[5], 32);
  EXPECT_EQ(test::get_be(data, 44, 4), 256u);
  EXPECT_EQ(test::get_be(data, 48, 4), 8u);
  EXPECT_EQ(test::get_be(data, 52, 4), 4u);
  EXPECT_EQ(test::get_be(data, 56, 8), 0u);
  lun.features = 0;  // what is not there has no limits, whatever the LUN says
  data = page(lun, 0xB0);
  EXPECT_EQ(data[5], 0);
  EXPECT_EQ(test::get_be(data, 44, 8), 0u);
  EXPECT_EQ(test::get_be(data, 52, 8), 0u);
}

TEST(VitalProductData, UnitSerialNumber) {
  Lun lun = test::plain();
  lun.serial = "ab-12";
  EXPECT_EQ(page(lun, 0x80), (Bytes{0x00, 0x80, 0x00, 0x05}) + ascii("ab-12"));
  lun.serial.clear();
  EXPECT_EQ(page(lun, 0x80), (Bytes{0x00, 0x80, 0x00, 0x04}) + ascii("    "));
}

// tcmu-runner told the backstore's configuration string (pool, image, paths) to every initiator.
TEST(VitalProductData, DeviceIdentificationHasNoVendorSpecificDesignator) {
  const Bytes data = page(test::everything(), 0x83);
  for (size_t at = 4; at < data.size(); at += 4u + data[at + 3]) {
    EXPECT_NE(data[at + 1] & 0x0F, 0x00);
  }
}

// The value that tcmu-runner 1.5.4 and LIO give for this serial: multipath knows LUNs by it.
TEST(VitalProductData, DeviceIdentificationGoldenBytes) {
  const std::string serial = "3a5b6c7d-8e9f-4a1b-8c2d-0123456789ab";
  const Bytes expected = (Bytes{0x00, 0x83, 0x00, 69, 0x02, 0x01, 0x00, 45}) +
                         ascii("LIO-ORG " + serial) +
                         (Bytes{0x00, 0x01, 0x03, 0x00, 0x10, 0x60, 0x01, 0x40, 0x53, 0xA5, 0xB6,
                                0xC7, 0xD8, 0xE9, 0xF4, 0xA1, 0xB8, 0xC2, 0xD0, 0x12, 0x34});
  EXPECT_EQ(page(test::everything(), 0x83), expected);
}

Bytes naa(const std::string& serial) {
  Lun lun = test::plain();
  lun.serial = serial;
  const Bytes data = page(lun, 0x83);
  return Bytes(data.end() - 16, data.end());
}

TEST(VitalProductData, NaaTakesHexadecimalDigitsInOrderAndSkipsTheRest) {
  EXPECT_EQ(naa("xyz-1G2h:aB!"),
            (Bytes{0x60, 0x01, 0x40, 0x51, 0x2A, 0xB0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(VitalProductData, NaaIsFilledUpWithZeroes) {
  EXPECT_EQ(naa("f"), (Bytes{0x60, 0x01, 0x40, 0x5F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(naa("f1"), (Bytes{0x60, 0x01, 0x40, 0x5F, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(VitalProductData, NaaTakesTwentyFiveDigits) {
  const std::string digits(25, '7');
  EXPECT_EQ(naa(digits), naa(digits + "1"));
  EXPECT_EQ(naa(digits)[15], 0x77);
  EXPECT_EQ(naa(std::string(24, '7'))[15], 0x70);
}

TEST(VitalProductData, NaaKeepsDigitsBehindLongTextWithoutAny) {
  EXPECT_EQ(naa(std::string(300, 'x') + "9")[3], 0x59);
}

TEST(VitalProductData, NoNaaWhereItWouldBeTheSameForEveryLun) {
  Lun lun = test::plain();
  lun.serial = "xyz";
  EXPECT_EQ(page(lun, 0x83), (Bytes{0x00, 0x83, 0x00, 16, 0x02, 0x01, 0x00, 12}) +
                                 ascii("LIO-ORG xyz") + (Bytes{0x00}));
  lun.serial.clear();
  EXPECT_EQ(page(lun, 0x83), (Bytes{0x00, 0x83, 0x00, 0x00}));
}

// tcmu-runner wrote past its buffer here.
TEST(VitalProductData, AnOverlongSerialIsCutToWhatADesignatorHolds) {
  Lun lun = test::plain();
  lun.serial = std::string(1000, 'a');
  const Bytes data = page(lun, 0x83);
  EXPECT_EQ(data.size(), 4u + 4 + 255 + 20);
  EXPECT_EQ(data[7], 255);
  EXPECT_EQ(data[4 + 4 + 255], 0x01);  // the NAA designator begins where the length says
  EXPECT_EQ(page(lun, 0x80).size(), 4u + 246);
}

TEST(VitalProductData, BlockLimitsGoldenBytes) {
  Lun lun = test::everything();
  lun.max_unmap_blocks = 0x11223344;
  lun.max_unmap_descriptors = 100;
  lun.features = 0;
  Bytes expected = {0x00, 0xB0, 0x00, 0x3C, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20,
                    0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x11, 0x22,
                    0x33, 0x44, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00, 0x08, 0x80,
                    0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00};
  expected.resize(64, 0);
  EXPECT_EQ(page(lun, 0xB0), expected);
}

TEST(VitalProductData, BlockLimitsWithoutAnyLimitOfUnmap) {
  Lun lun = test::everything();
  lun.unmap_granularity_blocks = 0;
  for (const uint32_t descriptors : {0u, 256u, 257u, UINT32_MAX}) {
    lun.max_unmap_descriptors = descriptors;
    const Bytes data = page(lun, 0xB0);
    EXPECT_EQ(test::get_be(data, 20, 4), 0xFFFFFFFFu);
    EXPECT_EQ(test::get_be(data, 24, 4), kMaxUnmapDescriptors);
    EXPECT_EQ(test::get_be(data, 28, 8), 0u);  // no granularity, UGAVALID 0
  }
}

TEST(VitalProductData, BlockLimitsOfALunThatCantUnmap) {
  Lun lun = test::everything();
  lun.can_unmap = false;
  const Bytes data = page(lun, 0xB0);
  EXPECT_EQ(test::get_be(data, 20, 8), 0u);
  EXPECT_EQ(test::get_be(data, 28, 8), 0u);
}

TEST(VitalProductData, BlockDeviceCharacteristics) {
  Bytes expected(64, 0);
  expected[1] = 0xB1;
  expected[3] = 0x3C;
  EXPECT_EQ(page(test::plain(), 0xB1), expected);
  expected[5] = 0x01;  // non-rotating medium
  expected[7] = 0x40;  // reads succeed after a SANITIZE (BLOCK ERASE)
  EXPECT_EQ(page(test::everything(), 0xB1), expected);
}

TEST(VitalProductData, LogicalBlockProvisioningTellsTheThresholdExponent) {
  EXPECT_EQ(page(test::everything(), 0xB2)[4], 11);
}

TEST(VitalProductData, LogicalBlockProvisioning) {
  Lun lun = test::everything();
  lun.threshold_exponent = 0;
  EXPECT_EQ(page(lun, 0xB2), (Bytes{0x00, 0xB2, 0x00, 0x04, 0x00, 0xE4, 0x02, 0x00}));
  lun.unmap_zeroes = false;
  EXPECT_EQ(page(lun, 0xB2), (Bytes{0x00, 0xB2, 0x00, 0x04, 0x00, 0xE0, 0x02, 0x00}));
  lun.thin = false;
  EXPECT_EQ(page(lun, 0xB2), (Bytes{0x00, 0xB2, 0x00, 0x04, 0x00, 0xE0, 0x00, 0x00}));
  lun.can_unmap = false;
  lun.unmap_zeroes = lun.thin = true;
  EXPECT_EQ(page(lun, 0xB2), (Bytes{0x00, 0xB2, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00}));
}

}  // namespace
}  // namespace tcmud::scsi
