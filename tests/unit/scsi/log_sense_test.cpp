// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

test::Answer log(const Lun& lun, uint8_t page, uint8_t subpage = 0, uint16_t pointer = 0,
                 uint8_t flags = 0) {
  Bytes cdb = {0x4D, flags, page, subpage, 0, 0, 0, 0x10, 0, 0};
  test::put_be(cdb, 5, 2, pointer);
  return run(lun, cdb);
}

TEST(LogSense, ListsItsPages) {
  EXPECT_EQ(log(test::everything(), 0x00).data, (Bytes{0x00, 0x00, 0, 3, 0x00, 0x0C, 0x0D}));
  EXPECT_EQ(log(test::plain(), 0x00).data, (Bytes{0x00, 0x00, 0, 2, 0x00, 0x0D}));
}

TEST(LogSense, ListsItsPagesAndSubpages) {
  EXPECT_EQ(log(test::everything(), 0x00, 0xFF).data,
            (Bytes{0x40, 0xFF, 0, 8, 0x00, 0x00, 0x00, 0xFF, 0x0C, 0x00, 0x0D, 0x00}));
}

TEST(LogSense, TheTemperatureIsNotAvailable) {
  const Bytes expected = {0x8D, 0, 0, 12, 0, 0, 3, 2, 0, 0xFF, 0, 1, 3, 2, 0, 0xFF};
  EXPECT_EQ(log(test::plain(), 0x0D).data, expected);
  EXPECT_EQ(log(test::plain(), 0x4D).data, expected);  // PC 1
}

TEST(LogSense, ProvisioningResourcesAreTold) {
  EXPECT_EQ(log(test::everything(), 0x0C).data,
            (Bytes{0x8C, 0, 0, 24,                                //
                   0,    1, 3, 8,  0, 0, 0x03, 0xE8, 1, 0, 0, 0,  //
                   0,    2, 3, 8,  0, 0, 0,    24,   1, 0, 0, 0}));
}

TEST(LogSense, ThePageOfProvisioningResourcesIsThereWhereThereAreAny) {
  Lun lun = test::everything();
  lun.resources.reset();
  test::expect_check(log(lun, 0x0C), test::invalid_field(2, 5));
  lun = test::everything();
  lun.can_unmap = false;
  test::expect_check(log(lun, 0x0C), test::invalid_field(2, 5));
}

TEST(LogSense, ParametersBelowThePointerAreLeftOut) {
  EXPECT_EQ(log(test::plain(), 0x0D, 0, 1).data, (Bytes{0x8D, 0, 0, 6, 0, 1, 3, 2, 0, 0xFF}));
  EXPECT_EQ(log(test::everything(), 0x0C, 0, 2).data[3], 12);
}

TEST(LogSense, APointerBeyondTheLastParameterIsRefused) {
  test::expect_check(log(test::plain(), 0x0D, 0, 2), test::invalid_field(5));
  test::expect_check(log(test::everything(), 0x0C, 0, 3), test::invalid_field(5));
  test::expect_check(log(test::plain(), 0x00, 0, 1), test::invalid_field(5));
}

TEST(LogSense, OtherPagesAndSubpagesAreRefused) {
  for (int page = 0; page < 64; ++page) {
    for (int subpage = 0; subpage < 256; ++subpage) {
      const test::Answer answer =
          log(test::everything(), static_cast<uint8_t>(page), static_cast<uint8_t>(subpage));
      if (page != 0x00 && page != 0x0C && page != 0x0D) {
        test::expect_check(answer, test::invalid_field(2, 5));
      } else if (subpage != 0 && !(page == 0 && subpage == 0xFF)) {
        test::expect_check(answer, test::invalid_field(3));
      } else {
        test::expect_good(answer);
      }
    }
  }
}

TEST(LogSense, SavingAndChangedParametersOnlyAreRefused) {
  test::expect_check(log(test::plain(), 0x00, 0, 0, 0x01), test::invalid_field(1, 0));
  test::expect_check(log(test::plain(), 0x00, 0, 0, 0x02), test::invalid_field(1, 1));
}

}  // namespace
}  // namespace tcmud::scsi
