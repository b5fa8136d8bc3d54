// SPDX-License-Identifier: Apache-2.0
#include "scsi/command_table.h"

#include <algorithm>

#include "scsi/commands.h"

// The one table of commands. Each entry's rules stand above it, with the clause of the standard by
// its title (clause numbers differ from revision to revision).
//
// Rules of every command, applied in execute.cpp in this order:
//   operation code or service action not in the table, or not there on this LUN: 05/20/00
//   the CDB ends before its last byte: 05/24/00
//   NACA set (SAM-6 "CONTROL byte"; standard INQUIRY data says NORMACA 0): 05/24/00
//   a command that writes, on a read-only LUN (SBC-4 "Write protection"): 07/27/00
// Rules of every extent: a block beyond the last one is 05/21/00. Reserved and obsolete bits are
// not looked at, unless an entry says so.
namespace tcmud::scsi {
namespace {

constexpr uint8_t kNaca = 0x04;  // CONTROL byte

constexpr CommandDescription kTable[] = {
    // SPC-5 "TEST UNIT READY". GOOD: a LUN whose backend can't be reached does not get this far.
    {.opcode = 0x00,
     .cdb_length = 6,
     .name = "TEST UNIT READY",
     .usage = {0x00, 0x00, 0x00, 0x00, 0x00, kNaca},
     .execute = test_unit_ready},

    // SPC-5 "REQUEST SENSE". DESC chooses the format. GOOD with the pending sense data, else NO
    // SENSE.
    {.opcode = 0x03,
     .cdb_length = 6,
     .flags = kIgnoresUnitAttention,
     .transfer = Transfer::kDataIn,
     .length = {4, 1},
     .name = "REQUEST SENSE",
     .usage = {0x03, 0x01, 0x00, 0x00, 0xFF, kNaca},
     .execute = request_sense},

    // SBC-4 "READ (10)" and its clauses for the other sizes; READ (6): no byte 1 flags, length 0
    // means 256 blocks.
    //   RDPROTECT other than 0, the medium having no protection information: 05/24/00
    //   DPO or FUA where MODE SENSE says DPOFUA 0: 05/24/00
    //   more blocks than MAXIMUM TRANSFER LENGTH: 05/24/00
    //   no blocks: GOOD
    //   a data buffer for fewer blocks: as many as it holds; 05/24/00 where those aren't whole
    //   blocks
    {.opcode = 0x08,
     .cdb_length = 6,
     .transfer = Transfer::kReadBlocks,
     .lba = {1, 3},
     .length = {4, 1},
     .name = "READ (6)",
     .usage = {0x08, 0x1F, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = read_blocks},

    // SBC-4 "WRITE (10)" and its clauses for the other sizes: as READ, with WRPROTECT, but
    //   a data buffer for fewer blocks: 05/24/00, and nothing is written
    {.opcode = 0x0A,
     .cdb_length = 6,
     .flags = kWritesMedium,
     .transfer = Transfer::kWriteBlocks,
     .lba = {1, 3},
     .length = {4, 1},
     .name = "WRITE (6)",
     .usage = {0x0A, 0x1F, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = write_blocks},

    // SPC-5 "INQUIRY".
    //   CMDDT (obsolete, asks for something else than inquiry data): 05/24/00
    //   EVPD 0 with a page code: 05/24/00; EVPD 1 with a page that VPD page 00h doesn't list:
    //   05/24/00
    {.opcode = 0x12,
     .cdb_length = 6,
     .flags = kIgnoresUnitAttention,
     .transfer = Transfer::kDataIn,
     .length = {3, 2},
     .name = "INQUIRY",
     .usage = {0x12, 0x03, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = inquiry},

    // SPC-5 "MODE SELECT (6)": WCE and SWP.
    {.opcode = 0x15,
     .cdb_length = 6,
     .transfer = Transfer::kParameterList,
     .length = {4, 1},
     .name = "MODE SELECT (6)",
     .usage = {0x15, 0x10, 0x00, 0x00, 0xFF, kNaca},
     .execute = mode_select_6},

    // SPC-5 "MODE SENSE (6)"; SBC-4 "Mode parameters for direct access block devices".
    //   PC 3 (saved values): 05/39/00; a page or subpage that isn't there: 05/24/00
    //   DBD 0: one short LBA mode parameter descriptor
    {.opcode = 0x1A,
     .cdb_length = 6,
     .transfer = Transfer::kDataIn,
     .length = {4, 1},
     .name = "MODE SENSE (6)",
     .usage = {0x1A, 0x08, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = mode_sense_6},

    // SBC-4 "START STOP UNIT". The LUN is always active; IMMED and NO_FLUSH therefore change
    // nothing.
    //   POWER CONDITION other than START_VALID (0), LOEJ, or START 0: not supported, 05/24/00
    {.opcode = 0x1B,
     .cdb_length = 6,
     .name = "START STOP UNIT",
     .usage = {0x1B, 0x00, 0x00, 0x00, 0xF3, kNaca},
     .execute = start_stop_unit},

    // SBC-4 "READ CAPACITY (10)". The last LBA, or FFFFFFFFh where that doesn't fit. LBA and PMI
    // are obsolete.
    {.opcode = 0x25,
     .cdb_length = 10,
     .transfer = Transfer::kDataIn,
     .name = "READ CAPACITY (10)",
     .usage = {0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, kNaca},
     .execute = read_capacity_10},

    {.opcode = 0x28,
     .cdb_length = 10,
     .flags = kHasDpoFua,
     .transfer = Transfer::kReadBlocks,
     .lba = {2, 4},
     .length = {7, 2},
     .name = "READ (10)",
     .usage = {0x28, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0xFF, kNaca},
     .execute = read_blocks},

    {.opcode = 0x2A,
     .cdb_length = 10,
     .flags = kWritesMedium | kHasDpoFua,
     .transfer = Transfer::kWriteBlocks,
     .lba = {2, 4},
     .length = {7, 2},
     .name = "WRITE (10)",
     .usage = {0x2A, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0xFF, kNaca},
     .execute = write_blocks},

    // SBC-4 "SYNCHRONIZE CACHE (10)", "(16)". Number of blocks 0: to the last one. IMMED: accepted,
    // and the status still
    // comes when the data is durable, so that GOOD means it.
    {.opcode = 0x35,
     .cdb_length = 10,
     .lba = {2, 4},
     .length = {7, 2},
     .name = "SYNCHRONIZE CACHE (10)",
     .usage = {0x35, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0xFF, kNaca},
     .execute = synchronize_cache},

    // SBC-4 "WRITE SAME (10)", "(16)".
    //   WRPROTECT other than 0; ANCHOR (ANC_SUP is 0); UNMAP where the LUN can't; PBDATA or LBDATA
    //   (obsolete, ask for
    //   other data than the buffer's): 05/24/00
    //   number of blocks 0 (Block Limits says WSNZ 1), or more than MAXIMUM WRITE SAME LENGTH:
    //   05/24/00
    //   NDOB (16 only): zeroes, whatever the data buffer holds; else the buffer must be exactly one
    //   block: 05/24/00
    {.opcode = 0x41,
     .cdb_length = 10,
     .flags = kWritesMedium,
     .transfer = Transfer::kOneBlock,
     .lba = {2, 4},
     .length = {7, 2},
     .name = "WRITE SAME (10)",
     .usage = {0x41, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0xFF, kNaca},
     .execute = write_same},

    // SBC-4 "UNMAP".
    //   ANCHOR (ANC_SUP is 0): 05/24/00
    //   parameter list length 0: GOOD; below 8, or more than the data that came: 05/1A/00
    //   UNMAP BLOCK DESCRIPTOR DATA LENGTH: rounded down to whole descriptors, and never beyond the
    //   parameter list;
    //   UNMAP DATA LENGTH tells nothing more and is not looked at
    //   more descriptors or blocks in sum than Block Limits says: 05/26/00
    //   descriptors of no blocks are skipped; all are checked before anything is unmapped
    {.opcode = 0x42,
     .cdb_length = 10,
     .flags = kWritesMedium | kNeedsUnmap,
     .transfer = Transfer::kParameterList,
     .length = {7, 2},
     .name = "UNMAP",
     .usage = {0x42, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, kNaca},
     .execute = unmap},

    // SPC-5 "MODE SENSE (10)": as (6), and LLBAA 1: the descriptor is a long LBA one.
    {.opcode = 0x5A,
     .cdb_length = 10,
     .transfer = Transfer::kDataIn,
     .length = {7, 2},
     .name = "MODE SENSE (10)",
     .usage = {0x5A, 0x18, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0xFF, kNaca},
     .execute = mode_sense_10},

    {.opcode = 0x88,
     .cdb_length = 16,
     .flags = kHasDpoFua,
     .transfer = Transfer::kReadBlocks,
     .lba = {2, 8},
     .length = {10, 4},
     .name = "READ (16)",
     .usage = {0x88, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = read_blocks},

    // SBC-4 "COMPARE AND WRITE".
    {.opcode = 0x89,
     .cdb_length = 16,
     .flags = kWritesMedium | kHasDpoFua,
     .transfer = Transfer::kWriteBlocks,
     .lba = {2, 8},
     .length = {13, 1},
     .name = "COMPARE AND WRITE",
     .usage = {0x89, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFF,
               0x00, kNaca},
     .execute = compare_and_write},

    {.opcode = 0x8A,
     .cdb_length = 16,
     .flags = kWritesMedium | kHasDpoFua,
     .transfer = Transfer::kWriteBlocks,
     .lba = {2, 8},
     .length = {10, 4},
     .name = "WRITE (16)",
     .usage = {0x8A, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = write_blocks},

    {.opcode = 0x91,
     .cdb_length = 16,
     .lba = {2, 8},
     .length = {10, 4},
     .name = "SYNCHRONIZE CACHE (16)",
     .usage = {0x91, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = synchronize_cache},

    {.opcode = 0x93,
     .cdb_length = 16,
     .flags = kWritesMedium,
     .transfer = Transfer::kOneBlock,
     .lba = {2, 8},
     .length = {10, 4},
     .name = "WRITE SAME (16)",
     .usage = {0x93, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = write_same},

    // SBC-4 "READ CAPACITY (16)". LBA and PMI are obsolete.
    {.opcode = 0x9E,
     .service_action = 0x10,
     .cdb_length = 16,
     .transfer = Transfer::kDataIn,
     .length = {10, 4},
     .name = "READ CAPACITY (16)",
     .usage = {0x9E, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = read_capacity_16},

    // SPC-5 "REPORT LUNS": the target core knows the LUNs, and answers.
    {.opcode = 0xA0,
     .cdb_length = 12,
     .flags = kIgnoresUnitAttention | kAnsweredByTarget,
     .transfer = Transfer::kDataIn,
     .length = {6, 4},
     .name = "REPORT LUNS",
     .usage = {0xA0, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00}},

    // SPC-5 "REPORT SUPPORTED OPERATION CODES". RCTD: with command timeouts descriptors, which name
    // no timeouts.
    //   REPORTING OPTIONS 1 for an operation code with service actions, 2 for one without, 4 to 7:
    //   05/24/00
    {.opcode = 0xA3,
     .service_action = 0x0C,
     .cdb_length = 12,
     .transfer = Transfer::kDataIn,
     .length = {6, 4},
     .name = "REPORT SUPPORTED OPERATION CODES",
     .usage = {0xA3, 0x0C, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca},
     .execute = report_supported_operation_codes},

    {.opcode = 0xA8,
     .cdb_length = 12,
     .flags = kHasDpoFua,
     .transfer = Transfer::kReadBlocks,
     .lba = {2, 4},
     .length = {6, 4},
     .name = "READ (12)",
     .usage = {0xA8, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca},
     .execute = read_blocks},

    {.opcode = 0xAA,
     .cdb_length = 12,
     .flags = kWritesMedium | kHasDpoFua,
     .transfer = Transfer::kWriteBlocks,
     .lba = {2, 4},
     .length = {6, 4},
     .name = "WRITE (12)",
     .usage = {0xAA, 0xF8, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca},
     .execute = write_blocks},
};

constexpr size_t kCommands = std::size(kTable);
// The longest answer: REPORT SUPPORTED OPERATION CODES, all commands with their timeouts.
static_assert(4 + 20 * kCommands <= kMaxResponse);

constexpr bool in_order(const CommandDescription& a, const CommandDescription& b) {
  return a.opcode != b.opcode ? a.opcode < b.opcode : a.service_action < b.service_action;
}
static_assert(std::is_sorted(std::begin(kTable), std::end(kTable), in_order));
static_assert(std::all_of(std::begin(kTable), std::end(kTable), [](const CommandDescription& d) {
  return d.cdb_length <= kMaxFixedCdb && d.usage[0] == d.opcode;
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
  return {kTable + slice.begin, kTable + slice.end};
}

const CommandDescription* find_command(std::span<const uint8_t> cdb) {
  if (cdb.empty()) {
    return nullptr;
  }
  for (const CommandDescription& d : find_opcode(cdb[0])) {
    if (!d.has_service_action() || (cdb.size() > 1 && (cdb[1] & 0x1F) == d.service_action)) {
      return &d;
    }
  }
  return nullptr;
}

bool is_supported(const Lun& lun, const CommandDescription& description) {
  return !description.has(kNeedsUnmap) || lun.can_unmap;
}

}  // namespace tcmud::scsi
