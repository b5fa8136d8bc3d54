// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scsi/tables/usage.h"

// The LUN's state, its parameters and what it tells of itself. One part of the table of commands,
// see command_table.cpp.
namespace tcmud::scsi {

inline constexpr CommandDescription kPrimaryCommands[] = {
    // SPC-5 "TEST UNIT READY". GOOD: a LUN whose backend can't be reached does not get this far.
    {.opcode = 0x00,
     .cdb_length = 6,
     .name = "TEST UNIT READY",
     .usage = {0x00, 0x00, 0x00, 0x00, 0x00, kNaca},
     .execute = test_unit_ready},

    // SPC-5 "REQUEST SENSE". DESC chooses the format. GOOD with the pending sense data, else with
    // NOT READY and the progress of a FORMAT UNIT or SANITIZE under way, else NO SENSE.
    {.opcode = 0x03,
     .cdb_length = 6,
     .flags = kIgnoresUnitAttention,
     .transfer = Transfer::kDataIn,
     .length = {4, 1},
     .name = "REQUEST SENSE",
     .usage = {0x03, 0x01, 0x00, 0x00, 0xFF, kNaca},
     .execute = request_sense},

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

    // SPC-5 "MODE SELECT (6)", "MODE SELECT (10)".
    //   PF 0 (pages in a vendor's format), SP (no page can be saved), RTD (RTD_SUP is 0): 05/24/00
    //   parameter list length 0: GOOD; a list that is longer than the data, or ends within its
    //   header, block descriptor or a page: 05/1A/00
    //   MEDIUM TYPE other than 0, a block descriptor that isn't one, or one with another block
    //   length or number of blocks (0 and the highest: as it is): 05/26/00
    //   a page that MODE SENSE doesn't have, one of another length, or with another value in a bit
    //   that isn't changeable: 05/26/00, and nothing is changed; PS and the mode data length are
    //   not looked at, WP and DPOFUA are reserved
    {.opcode = 0x15,
     .cdb_length = 6,
     .needs = kCanSelectMode,
     .transfer = Transfer::kParameterList,
     .length = {4, 1},
     .name = "MODE SELECT (6)",
     .usage = {0x15, 0x13, 0x00, 0x00, 0xFF, kNaca},
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

    // SBC-4 "PREVENT ALLOW MEDIUM REMOVAL". The medium is not removable (RMB 0), so that its
    // removal is prevented at all times, and allowing it allows nothing: GOOD
    //   PREVENT 2 and 3 (obsolete, of medium changers): 05/24/00
    {.opcode = 0x1E,
     .cdb_length = 6,
     .name = "PREVENT ALLOW MEDIUM REMOVAL",
     .usage = {0x1E, 0x00, 0x00, 0x00, 0x02, kNaca},
     .execute = prevent_allow_medium_removal},

    // SPC-5 "LOG SENSE".
    //   SP (no parameter can be saved), PPC (obsolete, asks for changed parameters only): 05/24/00
    //   a page or subpage that isn't there, PARAMETER POINTER beyond the page's last: 05/24/00
    //   PC is not looked at: all parameters are binary lists, which have no thresholds or defaults
    {.opcode = 0x4D,
     .cdb_length = 10,
     .transfer = Transfer::kDataIn,
     .length = {7, 2},
     .name = "LOG SENSE",
     .usage = {0x4D, 0x03, 0x3F, 0xFF, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, kNaca},
     .execute = log_sense},

    // As (6), with a header of 8 bytes; LONGLBA in it: the block descriptor is a long LBA one.
    {.opcode = 0x55,
     .cdb_length = 10,
     .needs = kCanSelectMode,
     .transfer = Transfer::kParameterList,
     .length = {7, 2},
     .name = "MODE SELECT (10)",
     .usage = {0x55, 0x13, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, kNaca},
     .execute = mode_select_10},

    // SPC-5 "MODE SENSE (10)": as (6), and LLBAA 1: the descriptor is a long LBA one.
    {.opcode = 0x5A,
     .cdb_length = 10,
     .transfer = Transfer::kDataIn,
     .length = {7, 2},
     .name = "MODE SENSE (10)",
     .usage = {0x5A, 0x18, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0xFF, kNaca},
     .execute = mode_sense_10},

    // SPC-5 "REPORT LUNS": the target core knows the LUNs, and answers.
    {.opcode = 0xA0,
     .cdb_length = 12,
     .flags = kIgnoresUnitAttention | kAnsweredByTarget,
     .transfer = Transfer::kDataIn,
     .length = {6, 4},
     .name = "REPORT LUNS",
     .usage = {0xA0, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00}},

    // SPC-5 "REPORT TARGET PORT GROUPS". Both headers: length only and extended.
    //   PARAMETER DATA FORMAT other than those: 05/24/00
    {.opcode = 0xA3,
     .service_action = 0x0A,
     .cdb_length = 12,
     .needs = kHasPortGroups,
     .transfer = Transfer::kDataIn,
     .length = {6, 4},
     .name = "REPORT TARGET PORT GROUPS",
     .usage = {0xA3, 0xEA, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca},
     .execute = report_target_port_groups},

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

    // SPC-5 "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS". What the target core does for every LUN:
    // ABORT TASK and LOGICAL UNIT RESET. REPD: the extended format, which names no timeouts.
    {.opcode = 0xA3,
     .service_action = 0x0D,
     .cdb_length = 12,
     .transfer = Transfer::kDataIn,
     .length = {6, 4},
     .name = "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
     .usage = {0xA3, 0x0D, 0x80, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca},
     .execute = report_supported_task_management_functions},

    // SPC-5 "SET TARGET PORT GROUPS". All of the list is checked before any state changes.
    //   parameter list length 0: GOOD; a list that is longer than the data, or ends within its
    //   header or a descriptor: 05/1A/00
    //   a state that can't be asked for (LBA dependent, offline, reserved) or that the group
    //   doesn't support; a group that isn't there, whose states change implicitly only, or that
    //   was named before (an invalid combination of states): 05/26/00
    //   a group that is in transition: 02/04/0A; a change that fails: 04/67/0A
    {.opcode = 0xA4,
     .service_action = 0x0A,
     .cdb_length = 12,
     .needs = kCanSetPortGroups,
     .transfer = Transfer::kParameterList,
     .length = {6, 4},
     .name = "SET TARGET PORT GROUPS",
     .usage = {0xA4, 0x0A, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca},
     .execute = set_target_port_groups},
};

}  // namespace tcmud::scsi
