// SPDX-License-Identifier: Apache-2.0
#include "scsi/command_table.h"

#include <algorithm>

#include "scsi/tables/copy.h"
#include "scsi/tables/medium.h"
#include "scsi/tables/primary.h"
#include "scsi/tables/provisioning.h"

// The one table of commands, put together from its families in tables/. Each entry's rules stand
// above it, with the clause of the standard by its title (clause numbers differ from revision to
// revision).
//
// Rules of every command, applied in execute.cpp in this order:
//   operation code or service action not in the table, or not there on this LUN: 05/20/00
//   the CDB ends before its last byte: 05/24/00
//   NACA set (SAM-6 "CONTROL byte"; standard INQUIRY data says NORMACA 0): 05/24/00
//   ADDITIONAL CDB LENGTH of a variable length CDB not that of the command: 05/24/00
//   a FORMAT UNIT or SANITIZE is under way (SBC-4 "FORMAT UNIT", "Sanitize operations"), but for
//   INQUIRY, REPORT LUNS and REQUEST SENSE: 02/04/04 or 02/04/1B with its progress
//   a SANITIZE has failed, but for those and SANITIZE: 03/31/03
//   a command that writes, on a read-only LUN (SBC-4 "Write protection"): 07/27/00; where it is
//   software write protected: 07/27/02
// Rules of every extent: a block beyond the last one is 05/21/00. Reserved and obsolete bits are
// not looked at, unless an entry says so.
namespace tcmud::scsi {
namespace {

constexpr size_t kCommands = std::size(kPrimaryCommands) + std::size(kMediumCommands) +
                             std::size(kProvisioningCommands) + std::size(kCopyCommands);

constexpr bool in_order(const CommandDescription& a, const CommandDescription& b) {
  return a.opcode != b.opcode ? a.opcode < b.opcode : a.service_action < b.service_action;
}

constexpr std::array<CommandDescription, kCommands> assemble() {
  std::array<CommandDescription, kCommands> table{};
  auto end = table.begin();
  end = std::copy(std::begin(kPrimaryCommands), std::end(kPrimaryCommands), end);
  end = std::copy(std::begin(kMediumCommands), std::end(kMediumCommands), end);
  end = std::copy(std::begin(kProvisioningCommands), std::end(kProvisioningCommands), end);
  std::copy(std::begin(kCopyCommands), std::end(kCopyCommands), end);
  std::sort(table.begin(), table.end(), in_order);
  return table;
}
constexpr std::array<CommandDescription, kCommands> kTable = assemble();

// The longest answer: REPORT SUPPORTED OPERATION CODES, all commands with their timeouts.
static_assert(4 + 20 * kCommands <= kMaxResponse);
static_assert(std::adjacent_find(kTable.begin(), kTable.end(),
                                 [](const CommandDescription& a, const CommandDescription& b) {
                                   return !in_order(a, b);
                                 }) == kTable.end());  // and none is there twice
static_assert(std::all_of(kTable.begin(), kTable.end(), [](const CommandDescription& d) {
  return d.cdb_length <= kLongestCdb && d.usage[0] == d.opcode;
}));

// For each operation code, where its entries begin and end in the table.
struct Slice {
  uint8_t begin = 0;
  uint8_t end = 0;
};
static_assert(kCommands <= UINT8_MAX);

constexpr std::array<Slice, 256> make_index() {
  std::array<Slice, 256> index{};
  for (size_t i = 0; i < kCommands; ++i) {
    Slice& slice = index[kTable[i].opcode];
    if (slice.end == 0) {
      slice.begin = static_cast<uint8_t>(i);
    }
    slice.end = static_cast<uint8_t>(i + 1);
  }
  return index;
}
constexpr std::array<Slice, 256> kIndex = make_index();

}  // namespace

std::span<const CommandDescription> command_table() {
  return kTable;
}

std::span<const CommandDescription> find_opcode(uint8_t opcode) {
  const Slice slice = kIndex[opcode];
  return {kTable.data() + slice.begin, kTable.data() + slice.end};
}

const CommandDescription* find_command(std::span<const uint8_t> cdb) {
  if (cdb.empty()) {
    return nullptr;
  }
  const std::span<const CommandDescription> entries = find_opcode(cdb[0]);
  if (entries.empty() || !entries[0].has_service_action()) {
    return entries.empty() ? nullptr : &entries[0];
  }
  if (cdb.size() < service_action_end(cdb[0])) {
    return nullptr;
  }
  const uint16_t service_action =
      cdb[0] == kVariableLength ? load_be16(&cdb[8]) : uint16_t{cdb[1]} & 0x1F;
  for (const CommandDescription& d : entries) {
    if (d.service_action == service_action) {
      return &d;
    }
  }
  return nullptr;
}

bool is_supported(const Lun& lun, const CommandDescription& description) {
  return lun.has(description.needs) && (!description.has(kNeedsUnmap) || lun.can_unmap);
}

}  // namespace tcmud::scsi
