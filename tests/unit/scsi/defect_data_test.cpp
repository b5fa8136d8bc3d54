// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

TEST(ReadDefectData10, BothListsAreThereAndEmpty) {
  for (const uint8_t flags : {0x00, 0x08, 0x10, 0x18, 0x1D}) {
    EXPECT_EQ(run(test::plain(), {0x37, 0, flags, 0, 0, 0, 0, 0, 32, 0}).data,
              (Bytes{0, flags, 0, 0}));
  }
}

TEST(ReadDefectData12, BothListsAreThereAndEmpty) {
  for (const uint8_t flags : {0x00, 0x08, 0x10, 0x18, 0x1D}) {
    EXPECT_EQ(run(test::plain(), {0xB7, flags, 0, 0, 0, 5, 0, 0, 0, 32, 0, 0}).data,
              (Bytes{0, flags, 0, 0, 0, 0, 0, 0}));
  }
}

TEST(ReadDefectData, VendorSpecificAndReservedFormatsAreRefused) {
  for (const uint8_t format : {6, 7}) {
    test::expect_check(run(test::plain(), {0x37, 0, format, 0, 0, 0, 0, 0, 32, 0}),
                       test::invalid_field(2, 2));
    test::expect_check(run(test::plain(), {0xB7, format, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0}),
                       test::invalid_field(1, 2));
  }
}

}  // namespace
}  // namespace tcmud::scsi
