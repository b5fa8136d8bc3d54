// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

constexpr uint8_t kPf = 0x10;

const Bytes kCaching = {0x08, 0x12, 0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes kControl = {0x0A, 0x0A, 0x02, 0x10, 0x00, 0x40, 0, 0, 0xFF, 0xFF, 0, 0};

// Both CDB sizes, which have headers of 4 and 8 bytes.
class ModeSelect : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] bool ten() const { return GetParam(); }
  [[nodiscard]] uint16_t header() const { return ten() ? 8 : 4; }
  [[nodiscard]] uint16_t length_byte() const { return ten() ? 7 : 4; }
  [[nodiscard]] Bytes cdb(size_t length, uint8_t flags = kPf) const {
    Bytes cdb(ten() ? 10 : 6, 0);
    cdb[0] = ten() ? 0x55 : 0x15;
    cdb[1] = flags;
    test::put_be(cdb, length_byte(), ten() ? 2 : 1, length);
    return cdb;
  }
  [[nodiscard]] Bytes list(const std::vector<Bytes>& pages) const {
    Bytes all(header(), 0);
    for (const Bytes& page : pages) {
      all.insert(all.end(), page.begin(), page.end());
    }
    return all;
  }
  [[nodiscard]] test::Answer select(const Lun& lun, const Bytes& list) const {
    return run(lun, cdb(list.size()), list.size(), list);
  }
  [[nodiscard]] Sense length_error() const {
    return test::illegal(asc::kParameterListLengthError, length_byte());
  }
};
INSTANTIATE_TEST_SUITE_P(, ModeSelect, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Ten" : "Six"; });

Bytes with(Bytes page, size_t at, uint8_t value) {
  page.at(at) = value;
  return page;
}

TEST_P(ModeSelect, SwitchesTheWriteCache) {
  Lun lun = test::everything();
  test::Answer answer = select(lun, list({with(kCaching, 2, 0x00)}));
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kModeSelect);
  EXPECT_FALSE(answer.outcome.mode.write_cache);
  EXPECT_FALSE(answer.outcome.mode.software_write_protect);
  lun.write_cache = false;
  answer = select(lun, list({kCaching}));
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kModeSelect);
  EXPECT_TRUE(answer.outcome.mode.write_cache);
}

TEST_P(ModeSelect, SwitchesSoftwareWriteProtection) {
  Lun lun = test::everything();
  test::Answer answer = select(lun, list({with(kControl, 4, 0x08)}));
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kModeSelect);
  EXPECT_TRUE(answer.outcome.mode.software_write_protect);
  EXPECT_TRUE(answer.outcome.mode.write_cache);  // stays what it is
  lun.software_write_protect = true;
  answer = select(lun, list({kControl}));
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kModeSelect);
  EXPECT_FALSE(answer.outcome.mode.software_write_protect);
}

TEST_P(ModeSelect, TakesSeveralPages) {
  const test::Answer answer =
      select(test::everything(), list({with(kCaching, 2, 0x00), with(kControl, 4, 0x08)}));
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kModeSelect);
  EXPECT_FALSE(answer.outcome.mode.write_cache);
  EXPECT_TRUE(answer.outcome.mode.software_write_protect);
}

// What MODE SENSE gave can be given back; sdparm and others do that.
TEST_P(ModeSelect, WhatModeSenseToldChangesNothing) {
  const Lun lun = test::everything();
  for (const uint8_t subpage : {0x00, 0xFF}) {
    Bytes told = ten() ? run(lun, {0x5A, 0, 0x3F, subpage, 0, 0, 0, 1, 0, 0}).data
                       : run(lun, {0x1A, 0, 0x3F, subpage, 255, 0}).data;
    test::expect_good(select(lun, told));
  }
}

TEST_P(ModeSelect, AnEmptyListAndAHeaderAloneAreGood) {
  test::expect_good(select(test::everything(), {}));
  test::expect_good(select(test::everything(), list({})));
}

TEST_P(ModeSelect, PfIsNeededAndSpAndRtdAreRefused) {
  const Lun lun = test::everything();
  const Bytes bytes = list({kCaching});
  test::expect_check(run(lun, cdb(bytes.size(), 0x00), bytes.size(), bytes),
                     test::invalid_field(1, 4));
  test::expect_check(run(lun, cdb(bytes.size(), 0x11), bytes.size(), bytes),
                     test::invalid_field(1, 0));
  test::expect_check(run(lun, cdb(bytes.size(), 0x12), bytes.size(), bytes),
                     test::invalid_field(1, 1));
}

// Every length that ends within the header, or within a page.
TEST_P(ModeSelect, ACutListIsALengthError) {
  const Lun lun = test::everything();
  const Bytes whole = list({with(kCaching, 2, 0x00), with(kControl, 4, 0x08)});
  for (size_t n = 1; n < whole.size(); ++n) {
    const test::Answer answer =
        select(lun, Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)));
    SCOPED_TRACE(n);
    if (n == header()) {
      test::expect_good(answer);
    } else if (n == header() + kCaching.size()) {
      EXPECT_EQ(answer.outcome.kind, Outcome::Kind::kModeSelect);
    } else {
      test::expect_check(answer, length_error());
    }
  }
}

TEST_P(ModeSelect, AListLongerThanTheDataIsALengthError) {
  const Bytes bytes = list({kCaching});
  test::expect_check(run(test::everything(), cdb(bytes.size()), bytes.size() - 1, bytes),
                     length_error());
}

TEST_P(ModeSelect, NoOtherBitIsChangeable) {
  const Lun lun = test::everything();
  for (const Bytes& page : {kCaching, kControl}) {
    const size_t changeable = page[0] == 0x08 ? 2 : 4;
    const uint8_t mask = page[0] == 0x08 ? 0x04 : 0x08;
    for (size_t i = 2; i < page.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        if (i == changeable && (mask >> bit & 1) != 0) {
          continue;
        }
        const auto value = static_cast<uint8_t>(page[i] ^ 1 << bit);
        test::expect_check(select(lun, list({with(page, i, value)})),
                           test::invalid_parameter(static_cast<uint16_t>(header() + i),
                                                   static_cast<uint8_t>(bit)));
      }
    }
  }
}

TEST_P(ModeSelect, NothingIsChangedWhereALaterPageIsWrong) {
  test::expect_check(
      select(test::everything(), list({with(kCaching, 2, 0x00), with(kControl, 2, 0x06)})),
      test::invalid_parameter(static_cast<uint16_t>(header() + 20 + 2), 2));
}

TEST_P(ModeSelect, WceIsNotChangeableWhereItCantBeSwitched) {
  Lun lun = test::everything();
  lun.can_switch_write_cache = false;
  test::expect_check(select(lun, list({with(kCaching, 2, 0x00)})),
                     test::invalid_parameter(static_cast<uint16_t>(header() + 2), 2));
}

TEST_P(ModeSelect, PsIsNotLookedAt) {
  EXPECT_EQ(select(test::everything(), list({with(with(kCaching, 0, 0x88), 2, 0)})).outcome.kind,
            Outcome::Kind::kModeSelect);
}

TEST_P(ModeSelect, UnknownPagesAreRefused) {
  for (const uint8_t code : {0x00, 0x02, 0x0B, 0x3F}) {
    test::expect_check(select(test::everything(), list({with(kCaching, 0, code)})),
                       test::invalid_parameter(header(), 5));
  }
  test::expect_check(select(test::everything(), list({{0x4A, 0x02, 0, 28}})),
                     test::invalid_parameter(header(), 5));
  test::expect_check(select(test::everything(), list({{0x48, 0x00, 0, 18}})),
                     test::invalid_parameter(header(), 5));
}

TEST_P(ModeSelect, PagesOfAnotherLengthAreRefused) {
  test::expect_check(select(test::everything(), list({with(kCaching, 1, 0x0A)})),
                     test::invalid_parameter(static_cast<uint16_t>(header() + 1)));
  test::expect_check(select(test::everything(), list({{0x4A, 0x01, 0, 27}})),
                     test::invalid_parameter(static_cast<uint16_t>(header() + 2)));
}

TEST_P(ModeSelect, AMediumTypeIsRefused) {
  const uint16_t at = ten() ? 2 : 1;
  test::expect_check(select(test::everything(), with(list({}), at, 1)),
                     test::invalid_parameter(at));
}

TEST_P(ModeSelect, ABlockDescriptorChangesNeitherNumberNorLengthOfBlocks) {
  const Lun lun = test::everything();
  const uint16_t length_at = ten() ? 6 : 3;
  const auto select_descriptor = [&](uint64_t blocks, uint32_t length) {
    Bytes descriptor(8, 0);
    test::put_be(descriptor, 0, 4, blocks);
    test::put_be(descriptor, 5, 3, length);
    Bytes bytes = list({descriptor, with(kCaching, 2, 0)});
    bytes[length_at + (ten() ? 1 : 0)] = 8;
    return select(lun, bytes);
  };
  for (const uint64_t same : {lun.blocks, uint64_t{0}, uint64_t{0xFFFFFFFF}}) {
    EXPECT_EQ(select_descriptor(same, 512).outcome.kind, Outcome::Kind::kModeSelect);
  }
  test::expect_check(select_descriptor(lun.blocks - 1, 512), test::invalid_parameter(header()));
  test::expect_check(select_descriptor(lun.blocks, 4096),
                     test::invalid_parameter(static_cast<uint16_t>(header() + 5)));
}

TEST_P(ModeSelect, ABlockDescriptorLengthOfNoneIsRefused) {
  const uint16_t length_at = ten() ? 6 : 3;
  for (const uint8_t length : {1, 7, 9, 16}) {
    Bytes bytes = list({Bytes(16, 0)});
    bytes[length_at + (ten() ? 1 : 0)] = length;
    test::expect_check(select(test::everything(), bytes), test::invalid_parameter(length_at));
  }
}

TEST_P(ModeSelect, ACutBlockDescriptorIsALengthError) {
  Bytes bytes = list({Bytes(7, 0)});
  bytes[ten() ? 7 : 3] = 8;
  test::expect_check(select(test::everything(), bytes), length_error());
}

TEST(ModeSelect10, HasALongDescriptorWithLonglba) {
  const Lun lun = test::everything();
  Bytes bytes(8 + 16, 0);
  bytes[4] = 0x01;
  bytes[7] = 16;
  test::put_be(bytes, 8, 8, lun.blocks);
  test::put_be(bytes, 20, 4, 512);
  const Bytes cdb = {0x55, kPf, 0, 0, 0, 0, 0, 0, 24, 0};
  test::expect_good(run(lun, cdb, 24, bytes));
  test::expect_check(run(lun, cdb, 24, with(bytes, 15, 1)), test::invalid_parameter(8));
  test::expect_check(run(lun, cdb, 24, with(bytes, 23, 1)), test::invalid_parameter(20));
  test::expect_check(run(lun, cdb, 24, with(bytes, 7, 8)), test::invalid_parameter(6));
}

}  // namespace
}  // namespace tcmud::scsi
