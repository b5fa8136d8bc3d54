// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;

// What Linux, Windows and ESXi need to attach a disk and use it. Here as bytes, and not from the
// table, so that an entry can't be lost without notice.
TEST(CommandTable, HasEveryCommandThatInitiatorsNeedToUseADisk) {
  const std::set<std::pair<int, int>> wanted = {
      {0x00, -1}, {0x03, -1}, {0x08, -1}, {0x0A, -1},   {0x12, -1},  {0x1A, -1},
      {0x1B, -1}, {0x25, -1}, {0x28, -1}, {0x2A, -1},   {0x35, -1},  {0x41, -1},
      {0x42, -1}, {0x5A, -1}, {0x88, -1}, {0x8A, -1},   {0x91, -1},  {0x93, -1},
      {0xA0, -1}, {0xA8, -1}, {0xAA, -1}, {0x9E, 0x10}, {0xA3, 0x0C}};
  std::set<std::pair<int, int>> there;
  for (const CommandDescription& d : command_table()) {
    there.insert({d.opcode, d.has_service_action() ? d.service_action : -1});
  }
  for (const auto& command : wanted) {
    EXPECT_TRUE(there.contains(command)) << std::hex << command.first << "/" << command.second;
  }
}

// SPC-5 table "OPERATION CODE group": the first three bits tell the length.
TEST(CommandTable, CdbLengthIsThatOfTheOperationCodesGroup) {
  constexpr int kLengths[] = {6, 10, 10, 0, 16, 12, 0, 0};
  for (const CommandDescription& d : command_table()) {
    EXPECT_EQ(d.cdb_length, kLengths[d.opcode >> 5]) << d.name;
  }
}

TEST(CommandTable, NamesAreUnique) {
  std::set<std::string> names;
  for (const CommandDescription& d : command_table()) {
    EXPECT_TRUE(names.insert(d.name).second) << d.name;
  }
}

TEST(CommandTable, EachEntryIsExecutedByUsOrByTheTargetCore) {
  for (const CommandDescription& d : command_table()) {
    EXPECT_NE(d.execute != nullptr, d.has(kAnsweredByTarget)) << d.name;
  }
}

TEST(CommandTable, FindsEachEntryByItsCdb) {
  for (const CommandDescription& d : command_table()) {
    EXPECT_EQ(find_command(test::blank_cdb(d)), &d) << d.name;
  }
}

TEST(CommandTable, AllEntriesOfAnOperationCodeHaveServiceActionsOrNone) {
  for (const CommandDescription& d : command_table()) {
    for (const CommandDescription& other : find_opcode(d.opcode)) {
      EXPECT_EQ(d.has_service_action(), other.has_service_action()) << d.name;
    }
  }
}

TEST(CommandTable, UsageDataHoldsOperationCodeAndServiceAction) {
  for (const CommandDescription& d : command_table()) {
    EXPECT_EQ(d.usage[0], d.opcode) << d.name;
    if (d.has_service_action()) {
      EXPECT_EQ(d.usage[1] & 0x1F, d.service_action) << d.name;
    }
    for (size_t i = d.cdb_length; i < d.usage.size(); ++i) {
      EXPECT_EQ(d.usage[i], 0) << d.name;
    }
  }
}

TEST(CommandTable, UsageDataCoversAddressAndLengthFields) {
  for (const CommandDescription& d : command_table()) {
    for (const Field field : {d.lba, d.length}) {
      for (size_t i = field.offset; i < size_t{field.offset} + field.width; ++i) {
        const bool high_bits_of_6_byte_lba = d.cdb_length == 6 && d.lba.width != 0 && i == 1;
        EXPECT_EQ(d.usage[i], high_bits_of_6_byte_lba ? 0x1F : 0xFF) << d.name << " byte " << i;
      }
    }
  }
}

// Every operation code and service action that the table doesn't have.
TEST(CommandTable, WhatIsNotInTheTableIsAnInvalidOperationCode) {
  const Lun lun = test::everything();
  for (int opcode = 0; opcode < 256; ++opcode) {
    for (int service_action = 0; service_action < 32; ++service_action) {
      Bytes cdb(32, 0);
      cdb[0] = static_cast<uint8_t>(opcode);
      cdb[1] = static_cast<uint8_t>(service_action);
      bool in_table = false;
      bool opcode_in_table = false;
      for (const CommandDescription& d : command_table()) {
        opcode_in_table |= d.opcode == opcode;
        in_table |=
            d.opcode == opcode && (!d.has_service_action() || d.service_action == service_action);
      }
      if (!in_table) {
        test::expect_check(test::run(lun, cdb),
                           test::illegal(asc::kInvalidOperationCode, opcode_in_table ? 1 : 0));
        EXPECT_FALSE(ignores_unit_attention(cdb));
        EXPECT_EQ(parameter_list_length(cdb, 4096), 0u);
      }
    }
  }
}

TEST(CommandTable, WhatIsInTheTableIsNoInvalidOperationCode) {
  const Lun lun = test::everything();
  for (const CommandDescription& d : command_table()) {
    const test::Answer answer = test::run(lun, test::blank_cdb(d));
    EXPECT_EQ(answer.outcome.sense.code == asc::kInvalidOperationCode, d.has(kAnsweredByTarget))
        << d.name;
  }
}

TEST(CommandTable, UnmapIsNotThereWhereTheLunCant) {
  test::expect_check(test::run(test::plain(), {0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0}),
                     test::illegal(asc::kInvalidOperationCode, 0));
}

}  // namespace
}  // namespace tcmud::scsi
