// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

constexpr uint8_t kDbd = 0x08;
constexpr uint8_t kLlbaa = 0x10;
constexpr uint8_t kCurrent = 0x00;
constexpr uint8_t kChangeable = 0x40;
constexpr uint8_t kDefault = 0x80;
constexpr uint8_t kSaved = 0xC0;

test::Answer sense6(const Lun& lun, uint8_t page, uint8_t subpage = 0, uint8_t flags = kDbd) {
  return run(lun, {0x1A, flags, page, subpage, 255, 0});
}
test::Answer sense10(const Lun& lun, uint8_t page, uint8_t subpage = 0, uint8_t flags = kDbd) {
  return run(lun, {0x5A, flags, page, subpage, 0, 0, 0, 0x10, 0x00, 0});
}

// What stands behind the header and the block descriptors.
Bytes pages6(const test::Answer& answer) {
  test::expect_good(answer);
  EXPECT_EQ(answer.data[0], answer.data.size() - 1);
  return Bytes(answer.data.begin() + 4 + answer.data[3], answer.data.end());
}
Bytes pages10(const test::Answer& answer) {
  test::expect_good(answer);
  EXPECT_EQ(test::get_be(answer.data, 0, 2), answer.data.size() - 2);
  const auto descriptors = static_cast<ptrdiff_t>(test::get_be(answer.data, 6, 2));
  return Bytes(answer.data.begin() + 8 + descriptors, answer.data.end());
}

const Bytes kErrorRecovery = {0x01, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes kCaching = {0x08, 0x12, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes kControl = {0x0A, 0x0A, 0x02, 0x10, 0x00, 0x40, 0, 0, 0xFF, 0xFF, 0, 0};
const Bytes kControlExtension = {0x4A, 0x01, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                 0,    0,    0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes kInformationalExceptions = {0x1C, 0x0A, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0};

Bytes joined(const std::vector<Bytes>& pages) {
  Bytes all;
  for (const Bytes& page : pages) {
    all.insert(all.end(), page.begin(), page.end());
  }
  return all;
}

Bytes all_pages() {
  return joined({kErrorRecovery, kCaching, kControl, kInformationalExceptions});
}

TEST(ModeSense, GoldenBytesOfEachPage) {
  const Lun lun = test::everything();
  for (const Bytes& page : {kErrorRecovery, kCaching, kControl, kInformationalExceptions}) {
    EXPECT_EQ(pages6(sense6(lun, page[0])), page);
    EXPECT_EQ(pages10(sense10(lun, page[0])), page);
    EXPECT_EQ(pages6(sense6(lun, page[0] | kDefault)), page);
    EXPECT_EQ(pages6(sense6(lun, page[0], 0xFF)),
              page == kControl ? joined({kControl, kControlExtension}) : page);
  }
  EXPECT_EQ(pages6(sense6(lun, 0x0A, 0x01)), kControlExtension);
  EXPECT_EQ(pages10(sense10(lun, 0x0A, 0x01)), kControlExtension);
}

TEST(ModeSense, AllPagesAreTheSingleOnesInOrder) {
  const Lun lun = test::everything();
  EXPECT_EQ(pages6(sense6(lun, 0x3F)), all_pages());
  EXPECT_EQ(pages10(sense10(lun, 0x3F)), all_pages());
  EXPECT_EQ(
      pages10(sense10(lun, 0x3F, 0xFF)),
      joined({kErrorRecovery, kCaching, kControl, kControlExtension, kInformationalExceptions}));
}

TEST(ModeSense, WceIsTheLunsWriteCache) {
  Lun lun = test::everything();
  lun.write_cache = false;
  EXPECT_EQ(pages6(sense6(lun, 0x08))[2], 0x00);
  EXPECT_EQ(pages6(sense6(lun, 0x08 | kDefault))[2], 0x04);
  lun.write_cache = true;
  lun.default_write_cache = false;
  EXPECT_EQ(pages6(sense6(lun, 0x08))[2], 0x04);
  EXPECT_EQ(pages6(sense6(lun, 0x08 | kDefault))[2], 0x00);
}

TEST(ModeSense, TheDefaultOfAWceThatCantBeChangedIsTheCurrentOne) {
  for (const bool can_select : {false, true}) {
    Lun lun = test::everything();
    lun.default_write_cache = false;
    lun.features = can_select ? uint32_t{kCanSelectMode} : 0u;
    lun.can_switch_write_cache = !can_select;
    EXPECT_EQ(pages6(sense6(lun, 0x08 | kDefault))[2], 0x04);
    EXPECT_EQ(pages6(sense6(lun, 0x08 | kChangeable))[2], 0x00);
  }
}

TEST(ModeSense, SwpIsTheLunsAndByDefaultNotSet) {
  Lun lun = test::everything();
  lun.software_write_protect = true;
  EXPECT_EQ(pages6(sense6(lun, 0x0A))[4], 0x08);
  EXPECT_EQ(pages6(sense6(lun, 0x0A | kDefault))[4], 0x00);
  EXPECT_EQ(sense6(lun, 0x3F).data[2], 0x90);  // WP, DPOFUA
}

TEST(ModeSense, WceAndSwpAreChangeable) {
  const Lun lun = test::everything();
  Bytes caching(20, 0);
  caching[0] = 0x08;
  caching[1] = 0x12;
  caching[2] = 0x04;
  EXPECT_EQ(pages6(sense6(lun, 0x08 | kChangeable)), caching);
  EXPECT_EQ(pages6(sense6(lun, 0x0A | kChangeable)),
            (Bytes{0x0A, 0x0A, 0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(ModeSense, NothingIsChangeableWithoutModeSelect) {
  Lun lun = test::everything();
  lun.features = 0;
  Bytes expected = all_pages();
  for (size_t at = 0; at < expected.size(); at += 2u + expected[at + 1]) {
    std::fill_n(expected.begin() + static_cast<ptrdiff_t>(at) + 2, expected[at + 1], 0);
  }
  EXPECT_EQ(pages6(sense6(lun, 0x3F | kChangeable)), expected);
  EXPECT_EQ(pages10(sense10(lun, 0x3F | kChangeable)), expected);
}

TEST(ModeSense, SavedValuesAreNotSupported) {
  for (const uint8_t page : {0x01, 0x08, 0x0A, 0x1C, 0x3F}) {
    const auto code = static_cast<uint8_t>(page | kSaved);
    test::expect_check(sense6(test::everything(), code),
                       test::illegal(asc::kSavingParametersNotSupported, 2, 7));
    test::expect_check(sense10(test::everything(), code),
                       test::illegal(asc::kSavingParametersNotSupported, 2, 7));
  }
}

TEST(ModeSense, UnknownPagesAndSubpagesAreInvalidFields) {
  const std::set<int> known = {0x01, 0x08, 0x0A, 0x1C, 0x3F};
  for (int page = 0; page < 64; ++page) {
    for (int subpage = 0; subpage < 256; ++subpage) {
      for (const uint8_t pc : {kCurrent, kChangeable, kDefault}) {
        const auto answer = sense10(test::everything(), static_cast<uint8_t>(page | pc),
                                    static_cast<uint8_t>(subpage));
        if (!known.contains(page)) {
          test::expect_check(answer, test::invalid_field(2, 5));
        } else if (subpage != 0 && subpage != 0xFF && !(page == 0x0A && subpage == 1)) {
          test::expect_check(answer, test::invalid_field(3));
        } else {
          test::expect_good(answer);
        }
      }
    }
  }
}

TEST(ModeSense, DeviceSpecificParameterTellsWriteProtectionAndDpoFua) {
  for (const bool read_only : {false, true}) {
    for (const bool can_fua : {false, true}) {
      Lun lun = test::plain();
      lun.read_only = read_only;
      lun.can_fua = can_fua;
      const int expected = (read_only ? 0x80 : 0) | (can_fua ? 0x10 : 0);
      EXPECT_EQ(sense6(lun, 0x3F).data[2], expected);
      EXPECT_EQ(sense10(lun, 0x3F).data[3], expected);
    }
  }
}

TEST(ModeSense6, HasAShortDescriptorUnlessDisabled) {
  Lun lun = test::everything();
  const Bytes with = sense6(lun, 0x08, 0, 0).data;
  EXPECT_EQ(Bytes(with.begin(), with.begin() + 12),
            (Bytes{31, 0, 0x10, 8, 0, 0x20, 0, 0, 0, 0, 2, 0}));
  EXPECT_EQ(pages6(sense6(lun, 0x08, 0, 0)), kCaching);
  const Bytes without = sense6(lun, 0x08, 0, kDbd).data;
  EXPECT_EQ(Bytes(without.begin(), without.begin() + 4), (Bytes{23, 0, 0x10, 0}));
  // LLBAA is a bit of MODE SENSE (10).
  EXPECT_EQ(sense6(lun, 0x08, 0, kLlbaa).data, with);
}

TEST(ModeSense, AShortDescriptorCantTellMoreThan32Bits) {
  Lun lun = test::plain();
  lun.block_size = 4096;
  for (const auto& [blocks, told] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0xFFFFFFFE, 0xFFFFFFFE}, {0xFFFFFFFF, 0xFFFFFFFF}, {0x100000000, 0xFFFFFFFF}}) {
    lun.blocks = blocks;
    const Bytes data = sense6(lun, 0x3F, 0, 0).data;
    EXPECT_EQ(test::get_be(data, 4, 4), told);
    EXPECT_EQ(test::get_be(data, 8, 4), 4096u);
  }
}

TEST(ModeSense10, HasALongDescriptorWhereItIsAccepted) {
  Lun lun = test::everything();
  lun.blocks = 0x123456789A;
  const test::Answer answer = sense10(lun, 0x0A, 0, kLlbaa);
  EXPECT_EQ(pages10(answer), kControl);
  EXPECT_EQ(Bytes(answer.data.begin(), answer.data.begin() + 24),
            (Bytes{0, 34, 0, 0x10, 0x01, 0,    0,    16,  //
                   0, 0,  0, 0x12, 0x34, 0x56, 0x78, 0x9A, 0, 0, 0, 0, 0, 0, 2, 0}));
}

TEST(ModeSense10, HasAShortDescriptorWhereALongOneIsNotAccepted) {
  const test::Answer answer = sense10(test::everything(), 0x0A, 0, 0);
  EXPECT_EQ(pages10(answer), kControl);
  EXPECT_EQ(Bytes(answer.data.begin(), answer.data.begin() + 16),
            (Bytes{0, 26, 0, 0x10, 0, 0, 0, 8, 0, 0x20, 0, 0, 0, 0, 2, 0}));
}

TEST(ModeSense10, HasNoDescriptorWhereItIsDisabled) {
  const Bytes data = sense10(test::everything(), 0x0A, 0, kDbd | kLlbaa).data;
  EXPECT_EQ(Bytes(data.begin(), data.begin() + 8), (Bytes{0, 18, 0, 0x10, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace tcmud::scsi
