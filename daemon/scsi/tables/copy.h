// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scsi/tables/usage.h"

// Third-party copy. One part of the table of commands, see command_table.cpp. Here the parameter
// lists are decoded and found valid; what depends on other LUNs, on copies under way and on tokens
// is the engine's to find out.
namespace tcmud::scsi {

inline constexpr CommandDescription kCopyCommands[] = {
    // SPC-4 "EXTENDED COPY (LID1)". Rules of the parameter list: extended_copy.h. This LUN may be
    // the
    // source only; the destination's write protection is the engine's to look at.
    {.opcode = 0x83,
     .service_action = 0x00,
     .cdb_length = 16,
     .needs = kCanCopy,
     .transfer = Transfer::kParameterList,
     .length = {10, 4},
     .name = "EXTENDED COPY (LID1)",
     .usage = {0x83, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = extended_copy},

    // SBC-4 "POPULATE TOKEN". Rules of the parameter list: rod_token.h.
    {.opcode = 0x83,
     .service_action = 0x10,
     .cdb_length = 16,
     .needs = kCanUseTokens,
     .transfer = Transfer::kParameterList,
     .length = {10, 4},
     .name = "POPULATE TOKEN",
     .usage = {0x83, 0x10, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = populate_token},

    // SBC-4 "WRITE USING TOKEN". Rules of the parameter list: rod_token.h.
    {.opcode = 0x83,
     .service_action = 0x11,
     .cdb_length = 16,
     .flags = kWritesMedium,
     .needs = kCanUseTokens,
     .transfer = Transfer::kParameterList,
     .length = {10, 4},
     .name = "WRITE USING TOKEN",
     .usage = {0x83, 0x11, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = write_using_token},

    // SPC-4 "RECEIVE COPY STATUS (LID1)", "RECEIVE COPY FAILURE DETAILS (LID1)". A list identifier
    // that is not known: the engine's 05/24/00.
    {.opcode = 0x84,
     .service_action = 0x00,
     .cdb_length = 16,
     .needs = kCanCopy,
     .transfer = Transfer::kDataIn,
     .length = {10, 4},
     .name = "RECEIVE COPY STATUS (LID1)",
     .usage = {0x84, 0x00, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = receive_copy_status},

    // SPC-4 "RECEIVE COPY OPERATING PARAMETERS". The list identifier is reserved.
    {.opcode = 0x84,
     .service_action = 0x03,
     .cdb_length = 16,
     .needs = kCanCopy,
     .transfer = Transfer::kDataIn,
     .length = {10, 4},
     .name = "RECEIVE COPY OPERATING PARAMETERS",
     .usage = {0x84, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = receive_copy_operating_parameters},

    {.opcode = 0x84,
     .service_action = 0x04,
     .cdb_length = 16,
     .needs = kCanCopy,
     .transfer = Transfer::kDataIn,
     .length = {10, 4},
     .name = "RECEIVE COPY FAILURE DETAILS (LID1)",
     .usage = {0x84, 0x04, 0xFF, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = receive_copy_failure_details},

    // SPC-5 "RECEIVE ROD TOKEN INFORMATION". A list identifier that is not known: the engine's
    // 05/24/00.
    {.opcode = 0x84,
     .service_action = 0x07,
     .cdb_length = 16,
     .needs = kCanUseTokens,
     .transfer = Transfer::kDataIn,
     .length = {10, 4},
     .name = "RECEIVE ROD TOKEN INFORMATION",
     .usage = {0x84, 0x07, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF,
               0x00, kNaca},
     .execute = receive_rod_token_information},
};

}  // namespace tcmud::scsi
