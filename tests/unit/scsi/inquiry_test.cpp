// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

const Bytes kInquiry = {0x12, 0, 0, 0x01, 0x04, 0};

std::string text(const Bytes& data, size_t offset, size_t length) {
  return std::string(data.begin() + static_cast<ptrdiff_t>(offset),
                     data.begin() + static_cast<ptrdiff_t>(offset + length));
}

TEST(Inquiry, GoldenBytes) {
  const test::Answer answer = run(test::everything(), kInquiry);
  test::expect_good(answer);
  Bytes expected = {0x00, 0x00, 0x06, 0x02, 0x5B, 0x08, 0x00, 0x02};
  for (const char c : std::string("LIO-ORG TCMU device     0002")) {
    expected.push_back(static_cast<uint8_t>(c));
  }
  expected.resize(58, 0);
  for (const uint8_t b : {0x00, 0xC0, 0x05, 0xC0, 0x06, 0x00, 0x04, 0x60, 0x04, 0xC0}) {
    expected.push_back(b);
  }
  expected.resize(96, 0);
  EXPECT_EQ(answer.data, expected);
}

TEST(Inquiry, IdentityIsThatOfTheLun) {
  Lun lun = test::everything();
  lun.vendor = "ACME";
  lun.product = "Disk";
  lun.revision = "7";
  const Bytes data = run(lun, kInquiry).data;
  EXPECT_EQ(text(data, 8, 8), "ACME    ");
  EXPECT_EQ(text(data, 16, 16), "Disk            ");
  EXPECT_EQ(text(data, 32, 4), "7   ");
}

TEST(Inquiry, LongIdentityIsCutToItsField) {
  Lun lun = test::everything();
  lun.vendor = "ACME-STORAGE";
  lun.product = "A product with a long name";
  lun.revision = "12345";
  const Bytes data = run(lun, kInquiry).data;
  EXPECT_EQ(text(data, 8, 28), "ACME-STOA product with a1234");
  EXPECT_EQ(data.size(), 96u);
}

TEST(Inquiry, IdentityHasGraphicCharactersOnly) {
  Lun lun = test::everything();
  lun.product = "a\tb\n\x80~";
  EXPECT_EQ(text(run(lun, kInquiry).data, 16, 16), "a b  ~          ");
}

TEST(Inquiry, APageCodeWithoutEvpdIsRefused) {
  test::expect_check(run(test::everything(), {0x12, 0, 0x80, 0, 96, 0}), test::invalid_field(2));
}

TEST(Inquiry, CmddtIsRefused) {
  test::expect_check(run(test::everything(), {0x12, 2, 0, 0, 96, 0}), test::invalid_field(1, 1));
  test::expect_check(run(test::everything(), {0x12, 3, 0, 0, 96, 0}), test::invalid_field(1, 1));
}

// A LUN's identity does not depend on what it can do.
TEST(Inquiry, OfAPlainLunIsTheSameButForThirdPartyCopy) {
  Bytes plain = run(test::plain(), kInquiry).data;
  EXPECT_EQ(plain[5], 0x00);
  plain[5] = 0x08;
  EXPECT_EQ(plain, run(test::everything(), kInquiry).data);
}

TEST(Inquiry, ThirdPartyCopyIsToldWhereTheLunCopiesOrUsesTokens) {
  Lun lun = test::plain();
  for (const uint32_t feature : {kCanCopy, kCanUseTokens}) {
    lun.features = feature;
    EXPECT_EQ(run(lun, kInquiry).data[5], 0x08);
  }
  lun.features = ~(kCanCopy | kCanUseTokens);
  EXPECT_EQ(run(lun, kInquiry).data[5], 0x00);
}

}  // namespace
}  // namespace tcmud::scsi
