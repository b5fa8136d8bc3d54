// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "scsi/execute.h"

namespace tcmud::scsi {

struct Context;

// A big-endian field of a CDB: where it begins and how many bytes it has (0: the command has no
// such field).
struct Field {
  uint8_t offset = 0;
  uint8_t width = 0;
};

// What the length field of a CDB counts, and which way data goes.
enum class Transfer : uint8_t {
  kNone,             // no data; `length` is a number of blocks where the command has an extent
  kDataIn,           // `length` is the ALLOCATION LENGTH in bytes
  kParameterList,    // data-out; `length` is the PARAMETER LIST LENGTH in bytes
  kReadBlocks,       // `length` blocks of data-in
  kWriteBlocks,      // `length` blocks of data-out
  kOneBlock,         // one block of data-out, for all of `length` blocks
  kVerifyBlocks,     // no data-out, one block of it or `length` blocks, as BYTCHK says
  kCompareAndWrite,  // `length` blocks of data-out to compare, then as many to write
};

enum CommandFlag : uint8_t {
  kWritesMedium = 1 << 0,  // refused where the LUN is read-only (07/27/00) or SWP is set (07/27/02)
  kIgnoresUnitAttention =
      1 << 1,            // SAM-6 "Unit attention conditions": answered while one is pending
  kHasDpoFua = 1 << 2,   // byte 1 has DPO and FUA, reported and accepted only where the LUN can_fua
  kNeedsUnmap = 1 << 3,  // there only where the LUN can_unmap
  kAnsweredByTarget = 1 << 4,  // the target core answers it for every LUN; it never gets here
  kHasDpo = 1 << 5,            // as kHasDpoFua, but no FUA
  // SBC-4 has a disk process it only with protection information of type 2, which no LUN here has.
  // It does what it says all the same, but initiators are not told to expect it of a disk.
  kBelongsToProtection = 1 << 6,
};

inline constexpr uint16_t kNoServiceAction = 0xFFFF;
inline constexpr size_t kLongestCdb = 32;
inline constexpr uint8_t kVariableLength = 0x7F;  // operation code of 32-byte CDBs
using CdbUsage = std::array<uint8_t, kLongestCdb>;

// One command. Decoding, REPORT SUPPORTED OPERATION CODES and the tests all read this and nothing
// else.
struct CommandDescription {
  uint8_t opcode = 0;
  uint16_t service_action = kNoServiceAction;
  uint8_t cdb_length = 0;
  uint8_t flags = 0;   // CommandFlag
  uint32_t needs = 0;  // Feature: there only where the LUN has it
  Transfer transfer = Transfer::kNone;
  Field lba{};
  Field length{};
  const char* name = "";
  // CDB usage data (SPC-5 REPORT SUPPORTED OPERATION CODES, one_command format): a one for each bit
  // that the answer may depend on; operation code and service action hold their values.
  CdbUsage usage{};
  // Called once the CDB is known to be complete; nullptr only with kAnsweredByTarget.
  Outcome (*execute)(const Context&) = nullptr;

  [[nodiscard]] constexpr bool has(CommandFlag flag) const { return (flags & flag) != 0; }
  [[nodiscard]] constexpr bool has_service_action() const {
    return service_action != kNoServiceAction;
  }
  [[nodiscard]] constexpr uint8_t flags_byte() const { return cdb_length == 32 ? 10 : 1; }
  // SAM-6 "CONTROL byte".
  [[nodiscard]] constexpr uint8_t control_byte() const {
    return opcode == kVariableLength ? 1 : static_cast<uint8_t>(cdb_length - 1);
  }
};

// Every command, ascending by operation code and service action.
[[nodiscard]] std::span<const CommandDescription> command_table();

// All entries of one operation code; empty if there is none.
[[nodiscard]] std::span<const CommandDescription> find_opcode(uint8_t opcode);

// Where the service action of a CDB ends, for operation codes that have service actions: byte 1,
// bits 4 to 0, or bytes 8 and 9.
[[nodiscard]] constexpr uint8_t service_action_end(uint8_t opcode) {
  return opcode == kVariableLength ? 10 : 2;
}

// The entry for a CDB; nullptr if the operation code or its service action is not in the table, or
// the CDB ends before its service action.
[[nodiscard]] const CommandDescription* find_command(std::span<const uint8_t> cdb);

// Is this command there for initiators of this LUN?
[[nodiscard]] bool is_supported(const Lun& lun, const CommandDescription& description);

}  // namespace tcmud::scsi
