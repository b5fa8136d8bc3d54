// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scsi/tables/usage.h"

// The medium as a whole: its size, which of its blocks are there, and what makes it anew. One part
// of the table of commands, see command_table.cpp.
namespace tcmud::scsi {

inline constexpr CommandDescription kProvisioningCommands[] = {
    // SBC-4 "FORMAT UNIT". Every block is written, with zeroes or the pattern of the list.
    //   FMTPINFO other than 0 (no protection information), FFMT other than 0 (blocks that nobody
    //   wrote), and without FMTDATA also LONGLIST, CMPLST, DEFECT LIST FORMAT (which are about a
    //   list): 05/24/00
    //   FMTDATA: a list that ends within its header (4 bytes, LONGLIST: 8), within its
    //   initialization
    //   pattern descriptor or the pattern: 05/1A/00
    //   PROTECTION FIELD USAGE, P_I_INFORMATION, PROTECTION INTERVAL EXPONENT or DEFECT LIST LENGTH
    //   other than 0 (there are no defects to be told of): 05/26/00
    //   FOV 0 with DPRY, DCRT, STPF or IP; SI; a pattern type other than 0 (without a pattern) and
    //   1
    //   (a pattern of one byte to one block): 05/26/00
    //   DPRY, DCRT and STPF change nothing: no defect is ever found. IMMED: GOOD at once
    {.opcode = 0x04,
     .cdb_length = 6,
     .flags = kWritesMedium,
     .needs = kCanFormat,
     .transfer = Transfer::kParameterList,
     .name = "FORMAT UNIT",
     .usage = {0x04, 0xFF, 0x00, 0x00, 0x03, kNaca},
     .execute = format_unit},

    // SBC-4 "READ CAPACITY (10)". The last LBA, or FFFFFFFFh where that doesn't fit. LBA and PMI
    // are obsolete.
    {.opcode = 0x25,
     .cdb_length = 10,
     .transfer = Transfer::kDataIn,
     .name = "READ CAPACITY (10)",
     .usage = {0x25, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, kNaca},
     .execute = read_capacity_10},

    // SBC-4 "READ DEFECT DATA (10)", "(12)". Both lists are there and empty, in the format asked
    // for.
    //   DEFECT LIST FORMAT 6 (vendor specific) and 7 (reserved): 05/24/00
    //   ADDRESS DESCRIPTOR INDEX (12): whatever it says, the list is empty from there
    {.opcode = 0x37,
     .cdb_length = 10,
     .transfer = Transfer::kDataIn,
     .length = {7, 2},
     .name = "READ DEFECT DATA (10)",
     .usage = {0x37, 0x00, 0x1F, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, kNaca},
     .execute = read_defect_data_10},

    // SBC-4 "WRITE SAME (10)", "(16)", "(32)".
    //   WRPROTECT other than 0; ANCHOR (ANC_SUP is 0); UNMAP where the LUN can't; PBDATA or LBDATA
    //   (obsolete, ask for other data than the buffer's): 05/24/00
    //   number of blocks 0 (Block Limits says WSNZ 1), or more than MAXIMUM WRITE SAME LENGTH:
    //   05/24/00
    //   NDOB (not in 10): zeroes, whatever the data buffer holds; else the buffer must be exactly
    //   one block: 05/24/00
    {.opcode = 0x41,
     .cdb_length = 10,
     .flags = kWritesMedium,
     .transfer = Transfer::kOneBlock,
     .lba = kLba10,
     .length = kLength10,
     .name = "WRITE SAME (10)",
     .usage = usage_10(0x41, 0xFE),
     .execute = write_same},
    {.opcode = 0x93,
     .cdb_length = 16,
     .flags = kWritesMedium,
     .transfer = Transfer::kOneBlock,
     .lba = kLba16,
     .length = kLength16,
     .name = "WRITE SAME (16)",
     .usage = usage_16(0x93, 0xFF),
     .execute = write_same},
    {.opcode = kVariableLength,
     .service_action = 0x000D,
     .cdb_length = 32,
     .flags = kWritesMedium | kBelongsToProtection,
     .transfer = Transfer::kOneBlock,
     .lba = kLba32,
     .length = kLength32,
     .name = "WRITE SAME (32)",
     .usage = usage_32(0x0D, 0xFF),
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

    // SBC-4 "SANITIZE". Rules of all its service actions:
    //   ZNR (no zones) or another bit of byte 1, or a reserved byte, other than 0: 05/24/00.
    //   iscsi-test-cu wants it of a command that destroys everything
    //   IMMED: GOOD at once. AUSE: EXIT FAILURE MODE is allowed if it fails; refused (05/24/00)
    //   where one that failed did not allow it
    // "OVERWRITE service action":
    //   a parameter list of less than 5 bytes, or of more than a block and 4: 05/24/00; longer than
    //   the data that came: 05/1A/00
    //   TEST other than 0, OVERWRITE COUNT 0, INITIALIZATION PATTERN LENGTH 0, more than a block or
    //   more than the list holds: 05/26/00
    {.opcode = 0x48,
     .service_action = 0x01,
     .cdb_length = 10,
     .flags = kWritesMedium,
     .needs = kCanSanitize,
     .transfer = Transfer::kParameterList,
     .length = {7, 2},
     .name = "SANITIZE (OVERWRITE)",
     .usage = {0x48, 0xE1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = sanitize_overwrite},
    // "BLOCK ERASE service action": a parameter list: 05/24/00
    {.opcode = 0x48,
     .service_action = 0x02,
     .cdb_length = 10,
     .flags = kWritesMedium,
     .needs = kCanSanitize,
     .transfer = Transfer::kParameterList,
     .length = {7, 2},
     .name = "SANITIZE (BLOCK ERASE)",
     .usage = {0x48, 0xE2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = sanitize_block_erase},
    // "EXIT FAILURE MODE service action": a parameter list: 05/24/00; no operation has
    // failed: GOOD; the one that failed had AUSE 0: 05/24/00
    {.opcode = 0x48,
     .service_action = 0x1F,
     .cdb_length = 10,
     .flags = kWritesMedium,
     .needs = kCanSanitize,
     .transfer = Transfer::kParameterList,
     .length = {7, 2},
     .name = "SANITIZE (EXIT FAILURE MODE)",
     .usage = {0x48, 0x5F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = sanitize_exit_failure_mode},

    // SBC-4 "READ CAPACITY (16)". LBA and PMI are obsolete.
    {.opcode = 0x9E,
     .service_action = 0x10,
     .cdb_length = 16,
     .transfer = Transfer::kDataIn,
     .length = kLength16,
     .name = "READ CAPACITY (16)",
     .usage = {0x9E, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = read_capacity_16},

    // SBC-4 "GET LBA STATUS (16)". From the starting LBA on, as far as there is room.
    //   a starting LBA behind the last one: 05/21/00
    //   REPORT TYPE other than 0 (all blocks): 05/24/00
    {.opcode = 0x9E,
     .service_action = 0x12,
     .cdb_length = 16,
     .needs = kCanTellLbaStatus,
     .transfer = Transfer::kDataIn,
     .lba = kLba16,
     .length = kLength16,
     .name = "GET LBA STATUS (16)",
     .usage = {0x9E, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
               0xFF, kNaca},
     .execute = get_lba_status},

    {.opcode = 0xB7,
     .cdb_length = 12,
     .transfer = Transfer::kDataIn,
     .length = kLength12,
     .name = "READ DEFECT DATA (12)",
     .usage = {0xB7, 0x1F, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca},
     .execute = read_defect_data_12},
};

}  // namespace tcmud::scsi
