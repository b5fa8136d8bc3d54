/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's TCM_USER2 ABI: offsets in bytes and values. <linux/target_core_user.h> isn't C++
   (and fights with <sys/uio.h> over iovec), so that its facts stand here a second time; abi_check.c
   compares each with that header at compile time. */
#pragma once

#ifdef __cplusplus
namespace tcmud::kernel::abi {
#endif

enum {
  /* The mailbox, at the map's start. Only the tail is ours to write. */
  kMailboxVersionAt = 0,  /* u16 */
  kMailboxFlagsAt = 2,    /* u16 */
  kMailboxRingAt = 4,     /* u32: the ring's offset from the mailbox, a multiple of kMailboxAlign */
  kMailboxRingSizeAt = 8, /* u32 */
  kMailboxHeadAt = 12,    /* u32, the kernel's */
  kMailboxTailAt = 64,    /* u32, ours, in a cache line of its own */
  kMailboxSize = 128,
  kMailboxAlign = 64,
  kMailboxVersion = 2,
  kCapOutOfOrder = 1,
  kCapReadLength = 2,
  kCapTmr = 4,
  kCapKeepBuffer = 8,

  /* What each entry begins with. Its length, a multiple of 8, and its operation share a word. */
  kLengthOpAt = 0,  /* u32 */
  kIdAt = 4,        /* u16 */
  kUserFlagsAt = 7, /* u8 */
  kHeaderSize = 8,
  kEntryAlign = 8,
  kOpMask = 7,
  kOpPad = 0,
  kOpCommand = 1,
  kOpTmr = 2,
  kUserFlagUnknownOp = 1,
  kUserFlagReadLength = 2,
  kUserFlagKeepBuffer = 4,

  /* A command, as the kernel writes it. */
  kIovecCountAt = 8,      /* u32: Data-Out or Data-In */
  kBidiIovecCountAt = 12, /* u32: Data-In behind those, of a bidirectional command */
  kDifIovecCountAt = 16,  /* u32 */
  kCdbOffsetAt = 24,      /* u64, from the mailbox */
  kIovecsAt = 48,         /* {u64 offset from the mailbox, u64 bytes}[] */
  kCommandSize = 112,     /* at least */

  /* And as we answer it, in the same place. */
  kStatusAt = 8,      /* u8 */
  kReadLengthAt = 12, /* u32 */
  kSenseAt = 16,
  kSenseSize = 96,

  /* A task management notification. */
  kTmrTypeAt = 8,   /* u8 */
  kTmrCountAt = 12, /* u32 */
  kTmrIdsAt = 32,   /* u16[] */
};

/* Generic netlink. */
enum {
  kCmdAdded = 1,
  kCmdRemoved = 2,
  kCmdReconfigured = 3,
  kCmdAddedDone = 4,
  kCmdRemovedDone = 5,
  kCmdReconfiguredDone = 6,
  kCmdSetFeatures = 7,
};
enum {
  kAttrDevice = 1,     /* string: the UIO name */
  kAttrMinor = 2,      /* u32 */
  kAttrDevConfig = 4,  /* string */
  kAttrDevSize = 5,    /* u64 */
  kAttrWriteCache = 6, /* u8 */
  kAttrStatus = 7,     /* s32 */
  kAttrDeviceId = 8,   /* u32 */
  kAttrReplies = 9,    /* u8 */
  kAttrMax = 9,
};

#ifdef __cplusplus
}
#endif
