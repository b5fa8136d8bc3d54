// SPDX-License-Identifier: Apache-2.0
#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

constexpr uint8_t kRctd = 0x80;

test::Answer report(const Lun& lun, uint8_t options, uint8_t opcode = 0,
                    uint16_t service_action = 0) {
  Bytes cdb = {0xA3, 0x0C, options, opcode, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0};
  test::put_be(cdb, 4, 2, service_action);
  return run(lun, cdb);
}

const Bytes kTimeouts = {0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes kNotSupported = {0, 1, 0, 0};

class SupportedOpcodes : public ::testing::TestWithParam<uint8_t> {};
INSTANTIATE_TEST_SUITE_P(, SupportedOpcodes, ::testing::Values(0, kRctd), [](const auto& info) {
  return info.param != 0 ? "WithTimeouts" : "WithoutTimeouts";
});

// Parses what all_commands says and holds it against the table, entry by entry.
TEST_P(SupportedOpcodes, AllCommandsAreThoseOfTheTable) {
  for (const Lun& lun : {test::everything(), test::plain()}) {
    const test::Answer answer = report(lun, GetParam());
    test::expect_good(answer);
    const bool timeouts = GetParam() != 0;
    const size_t size = timeouts ? 20 : 8;
    ASSERT_EQ(test::get_be(answer.data, 0, 4), answer.data.size() - 4);
    ASSERT_EQ((answer.data.size() - 4) % size, 0u);
    size_t at = 4;
    for (const CommandDescription& d : command_table()) {
      if ((d.opcode == 0x42 && !lun.can_unmap) || (d.needs != 0 && lun.features == 0) ||
          d.opcode == kVariableLength) {
        continue;
      }
      SCOPED_TRACE(d.name);
      ASSERT_LE(at + size, answer.data.size());
      EXPECT_EQ(answer.data[at], d.opcode);
      EXPECT_EQ(test::get_be(answer.data, at + 2, 2),
                d.has_service_action() ? d.service_action : 0);
      EXPECT_EQ(answer.data[at + 5], (timeouts ? 2 : 0) | (d.has_service_action() ? 1 : 0));
      EXPECT_EQ(test::get_be(answer.data, at + 6, 2), d.cdb_length);
      if (timeouts) {
        EXPECT_EQ(Bytes(&answer.data[at + 8], &answer.data[at + 8] + 12), kTimeouts);
      }
      at += size;
    }
    EXPECT_EQ(at, answer.data.size());
  }
}

TEST_P(SupportedOpcodes, EachEntryIsReportedByItselfWithItsUsageData) {
  const Lun lun = test::everything();
  for (const CommandDescription& d : command_table()) {
    SCOPED_TRACE(d.name);
    const int support = d.opcode == kVariableLength ? 5 : 3;
    Bytes expected = {0, static_cast<uint8_t>(GetParam() | support), 0, d.cdb_length};
    expected.insert(expected.end(), d.usage.begin(), d.usage.begin() + d.cdb_length);
    if (GetParam() != 0) {
      expected.insert(expected.end(), kTimeouts.begin(), kTimeouts.end());
    }
    const uint16_t service_action = d.has_service_action() ? d.service_action : 0;
    const uint8_t exact = d.has_service_action() ? 2 : 1;
    for (const uint8_t options : {exact, uint8_t{3}}) {
      const test::Answer answer = report(lun, GetParam() | options, d.opcode, service_action);
      test::expect_good(answer);
      EXPECT_EQ(answer.data, expected);
    }
  }
}

TEST_P(SupportedOpcodes, WhatIsNotInTheTableIsReportedAsNotSupported) {
  const Lun lun = test::everything();
  for (int opcode = 0; opcode < 256; ++opcode) {
    if (find_opcode(static_cast<uint8_t>(opcode)).empty()) {
      for (const uint8_t options : {1, 2, 3}) {
        const test::Answer answer =
            report(lun, GetParam() | options, static_cast<uint8_t>(opcode), 3);
        test::expect_good(answer);
        EXPECT_EQ(answer.data, kNotSupported);
      }
    }
  }
}

TEST(ReportSupportedOperationCodes, GoldenBytesOfRead10) {
  Lun lun = test::everything();
  EXPECT_EQ(report(lun, 1, 0x28).data, (Bytes{0x00, 0x03, 0x00, 0x0A, 0x28, 0xF8, 0xFF, 0xFF, 0xFF,
                                              0xFF, 0x00, 0xFF, 0xFF, 0x04}));
}

// iscsi-test-cu holds DPOFUA of MODE SENSE against the usage data.
TEST(ReportSupportedOperationCodes, DpoAndFuaAreUsedOnlyWhereSupported) {
  Lun lun = test::everything();
  lun.can_fua = false;
  for (const uint8_t opcode : {0x28, 0x2A, 0x88, 0x8A, 0xA8, 0xAA}) {
    EXPECT_EQ(report(lun, 1, opcode).data[5], 0xE0);
  }
  EXPECT_EQ(report(lun, 1, 0x41).data[5], 0xFE);
  EXPECT_EQ(report(lun, 1, 0x2F).data[5], 0xE6);  // DPO and no FUA
  EXPECT_EQ(report(lun, 2, 0x7F, 0x09).data[4 + 10], 0xE0);
  EXPECT_EQ(report(lun, 2, 0x7F, 0x0A).data[4 + 10], 0xE6);
}

// READ (32) and its like are for disks with protection information of type 2, says SBC-4. Besides,
// iscsi-test-cu has no room for the usage data of 32 bytes, and takes what it has instead for ours.
TEST(ReportSupportedOperationCodes, CommandsOfProtectionAreNotListedAndNotOfTheStandard) {
  const Lun lun = test::everything();
  const Bytes all = report(lun, 0).data;
  for (size_t at = 4; at < all.size(); at += 8) {
    EXPECT_NE(all[at], kVariableLength);
  }
  for (const uint16_t service_action : {0x09, 0x0A, 0x0B, 0x0C, 0x0D}) {
    EXPECT_EQ(report(lun, 2, kVariableLength, service_action).data[1], 0x05);
  }
}

TEST(ReportSupportedOperationCodes, GoldenBytesOfRead32) {
  Bytes expected = {0x00, 0x05, 0x00, 0x20, 0x7F, 0x04, 0, 0, 0, 0, 0x00, 0xFF, 0, 0x09, 0xF8, 0};
  expected.insert(expected.end(), 8, 0xFF);
  expected.insert(expected.end(), 8, 0);
  expected.insert(expected.end(), 4, 0xFF);
  EXPECT_EQ(report(test::everything(), 2, 0x7F, 0x09).data, expected);
}

TEST(ReportSupportedOperationCodes, UnmapIsNotSupportedWhereTheLunCant) {
  EXPECT_EQ(report(test::plain(), 1, 0x42).data, kNotSupported);
}

TEST(ReportSupportedOperationCodes, ServiceActionsNeedTheRightOption) {
  const Lun lun = test::everything();
  const Sense invalid = test::invalid_field(2, 2);
  test::expect_check(report(lun, 1, 0x9E, 0x10), invalid);
  test::expect_check(report(lun, 1, 0xA3, 0x0C), invalid);
  test::expect_check(report(lun, 2, 0x28), invalid);
  test::expect_check(report(lun, 2, 0x42), invalid);
}

TEST(ReportSupportedOperationCodes, AnUnknownServiceActionIsNotSupported) {
  const Lun lun = test::everything();
  EXPECT_EQ(report(lun, 2, 0x9E, 0x13).data, kNotSupported);
  EXPECT_EQ(report(lun, 3, 0x9E, 0x13).data, kNotSupported);
  EXPECT_EQ(report(lun, 3, 0x9E, 0x110).data, kNotSupported);
  EXPECT_EQ(report(lun, 3, 0x28, 1).data, kNotSupported);
}

TEST(ReportSupportedOperationCodes, OptionOneDoesNotLookAtTheServiceAction) {
  const Lun lun = test::everything();
  EXPECT_EQ(report(lun, 1, 0x28, 7).data, report(lun, 1, 0x28, 0).data);
}

TEST(ReportSupportedOperationCodes, OtherOptionsAreInvalid) {
  for (const uint8_t options : {4, 5, 6, 7}) {
    test::expect_check(report(test::everything(), options, 0x28), test::invalid_field(2, 2));
  }
}

TEST(ReportSupportedTaskManagementFunctions, GoldenBytes) {
  const Lun lun = test::plain();
  EXPECT_EQ(run(lun, {0xA3, 0x0D, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0}).data, (Bytes{0x88, 0, 0, 0}));
  EXPECT_EQ(run(lun, {0xA3, 0x0D, 0x80, 0, 0, 0, 0, 0, 0, 255, 0, 0}).data,
            (Bytes{0x88, 0, 0, 0x0C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace tcmud::scsi
