// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <set>
#include <tuple>

#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;

struct Command {
  int opcode;
  int service_action;
  bool operator<(const Command& o) const {
    return std::tie(opcode, service_action) < std::tie(o.opcode, o.service_action);
  }
};

// Everything that a direct access block device may be asked, as bytes and not from the table, so
// that an entry can't be lost without notice.
const std::set<Command> kEverything = {
    {0x00, -1},   {0x03, -1},   {0x04, -1},   {0x08, -1},   {0x0A, -1},   {0x12, -1},
    {0x15, -1},   {0x1A, -1},   {0x1B, -1},   {0x1E, -1},   {0x25, -1},   {0x28, -1},
    {0x2A, -1},   {0x2E, -1},   {0x2F, -1},   {0x34, -1},   {0x35, -1},   {0x37, -1},
    {0x41, -1},   {0x42, -1},   {0x48, 0x01}, {0x48, 0x02}, {0x48, 0x1F}, {0x4D, -1},
    {0x55, -1},   {0x5A, -1},   {0x7F, 0x09}, {0x7F, 0x0A}, {0x7F, 0x0B}, {0x7F, 0x0C},
    {0x7F, 0x0D}, {0x83, 0x00}, {0x83, 0x10}, {0x83, 0x11}, {0x84, 0x00}, {0x84, 0x03},
    {0x84, 0x04}, {0x84, 0x07}, {0x88, -1},   {0x89, -1},   {0x8A, -1},   {0x8B, -1},
    {0x8E, -1},   {0x8F, -1},   {0x90, -1},   {0x91, -1},   {0x93, -1},   {0x9C, -1},
    {0x9E, 0x10}, {0x9E, 0x12}, {0xA0, -1},   {0xA3, 0x0A}, {0xA4, 0x0A}, {0xA3, 0x0C},
    {0xA3, 0x0D}, {0xA8, -1},   {0xAA, -1},   {0xAE, -1},   {0xAF, -1},   {0xB7, -1}};

Command command_of(const CommandDescription& d) {
  return {d.opcode, d.has_service_action() ? d.service_action : -1};
}

TEST(CommandTable, HasEveryCommandOfADiskAndNoOther) {
  std::set<Command> there;
  for (const CommandDescription& d : command_table()) {
    there.insert(command_of(d));
    EXPECT_TRUE(kEverything.contains(command_of(d))) << d.name;
  }
  for (const Command& command : kEverything) {
    EXPECT_TRUE(there.contains(command))
        << std::hex << command.opcode << "/" << command.service_action;
  }
}

// What only the engine can do is offered only where it can.
TEST(CommandTable, CommandsThatNeedAFeatureAreThereExactlyWhereTheLunHasIt) {
  const std::map<uint32_t, std::set<Command>> needing = {
      {kCanVerify,
       {{0x2E, -1},
        {0xAE, -1},
        {0x8E, -1},
        {0x7F, 0x0C},
        {0x2F, -1},
        {0xAF, -1},
        {0x8F, -1},
        {0x7F, 0x0A}}},
      {kCanOrWrite, {{0x8B, -1}}},
      {kCanCompareAndWrite, {{0x89, -1}}},
      {kCanWriteAtomic, {{0x9C, -1}}},
      {kCanPrefetch, {}},
      {kCanTellLbaStatus, {{0x9E, 0x12}}},
      {kCanSelectMode, {{0x15, -1}, {0x55, -1}}},
      {kCanFormat, {{0x04, -1}}},
      {kCanSanitize, {{0x48, 0x01}, {0x48, 0x02}, {0x48, 0x1F}}},
      {kCanCopy, {{0x83, 0x00}, {0x84, 0x00}, {0x84, 0x03}, {0x84, 0x04}}},
      {kHasPortGroups, {{0xA3, 0x0A}}},
      {kCanSetPortGroups, {{0xA4, 0x0A}}},
      {kCanUseTokens, {{0x83, 0x10}, {0x83, 0x11}, {0x84, 0x07}}}};
  for (const auto& [feature, commands] : needing) {
    Lun without = test::everything();
    without.features &= ~feature;
    Lun only = test::everything();
    only.features = feature;
    for (const CommandDescription& d : command_table()) {
      SCOPED_TRACE(d.name);
      const bool needs = commands.contains(command_of(d));
      EXPECT_EQ(is_supported(without, d), !needs);
      EXPECT_EQ(is_supported(only, d), needs || d.needs == 0);
      if (needs) {
        test::expect_check(test::run(without, test::blank_cdb(d)),
                           test::illegal(asc::kInvalidOperationCode, 0));
      }
    }
  }
}

// SPC-5 table "OPERATION CODE group": the first three bits tell the length.
TEST(CommandTable, CdbLengthIsThatOfTheOperationCodesGroup) {
  constexpr int kLengths[] = {6, 10, 10, 32, 16, 12, 0, 0};
  for (const CommandDescription& d : command_table()) {
    EXPECT_EQ(d.cdb_length, kLengths[d.opcode >> 5]) << d.name;
  }
}

TEST(CommandTable, IsAscendingByOperationCodeAndServiceAction) {
  const auto table = command_table();
  for (size_t i = 1; i < table.size(); ++i) {
    EXPECT_LT(command_of(table[i - 1]), command_of(table[i])) << table[i].name;
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
    if (d.opcode == 0x7F) {
      EXPECT_EQ(d.usage[8] << 8 | d.usage[9], d.service_action) << d.name;
    } else if (d.has_service_action()) {
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
      test::set_service_action(cdb, static_cast<uint16_t>(service_action));
      bool in_table = false;
      bool opcode_in_table = false;
      for (const CommandDescription& d : command_table()) {
        opcode_in_table |= d.opcode == opcode;
        in_table |=
            d.opcode == opcode && (!d.has_service_action() || d.service_action == service_action);
      }
      if (!in_table) {
        // SANITIZE is there, with other service actions.
        const auto sense = opcode == 0x48     ? test::invalid_field(1, 4)
                           : !opcode_in_table ? test::illegal(asc::kInvalidOperationCode, 0)
                           : opcode == 0x7F   ? test::illegal(asc::kInvalidOperationCode, 8)
                                              : test::illegal(asc::kInvalidOperationCode, 1);
        test::expect_check(test::run(lun, cdb), sense);
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
