// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

// The shared memory's format as the kernel writes and reads it. Written down once more, apart from
// the daemon's own reading of it, and because <linux/target_core_user.h> is C alone;
// ring_layout_check.c holds it against that header.
namespace tcmud::test::layout {

struct Mailbox {
  uint16_t version;
  uint16_t flags;
  uint32_t cmdr_off;
  uint32_t cmdr_size;
  uint32_t cmd_head;
  uint32_t reserved[12];
  uint32_t cmd_tail;  // the daemon's
};
static_assert(offsetof(Mailbox, cmd_head) == 12 && offsetof(Mailbox, cmd_tail) == 64);

struct Header {
  uint32_t len_op;  // length of the entry in bytes, a multiple of 8 | operation code
  uint16_t cmd_id;
  uint8_t kflags;
  uint8_t uflags;
};
static_assert(sizeof(Header) == 8);

struct CommandRequest {
  Header header;
  uint32_t iov_cnt;
  uint32_t iov_bidi_cnt;
  uint32_t iov_dif_cnt;
  uint32_t padding_0;
  uint64_t cdb_off;  // from the start of the mailbox
  uint64_t padding_1[2];
  // struct iovec[iov_cnt + iov_bidi_cnt], then the CDB
};
static_assert(offsetof(CommandRequest, cdb_off) == 24 && sizeof(CommandRequest) == 48);

struct CommandResponse {
  Header header;
  uint8_t scsi_status;
  uint8_t padding[3];
  uint32_t read_len;
  uint8_t sense[96];
};
static_assert(offsetof(CommandResponse, read_len) == 12 && offsetof(CommandResponse, sense) == 16);
static_assert(sizeof(CommandResponse) == 112);

struct Tmr {
  Header header;
  uint8_t tmr_type;
  uint8_t padding_0[3];
  uint32_t cmd_cnt;
  uint64_t padding_1[2];
  // uint16_t[cmd_cnt]
};
static_assert(offsetof(Tmr, cmd_cnt) == 12 && sizeof(Tmr) == 32);

inline constexpr uint16_t kMailboxVersion = 2;
inline constexpr uint16_t kCapOutOfOrder = 1 << 0;
inline constexpr uint16_t kCapReadLength = 1 << 1;
inline constexpr uint16_t kCapTmr = 1 << 2;
inline constexpr uint16_t kCapKeepBuffer = 1 << 3;

inline constexpr uint8_t kOpPad = 0;
inline constexpr uint8_t kOpCommand = 1;
inline constexpr uint8_t kOpTmr = 2;
inline constexpr uint32_t kOpMask = 7;

inline constexpr uint8_t kFlagUnknownOp = 1 << 0;
inline constexpr uint8_t kFlagReadLength = 1 << 1;
inline constexpr uint8_t kFlagKeepBuffer = 1 << 2;

}  // namespace tcmud::test::layout
