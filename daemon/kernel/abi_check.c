/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing but the proof that abi.h says what the kernel's header says. */
#include <linux/target_core_user.h>
#include <stddef.h>

#include "kernel/abi.h"

#define SAME(ours, kernels) _Static_assert((int)(ours) == (int)(kernels), #ours " is not " #kernels)

SAME(kMailboxVersionAt, offsetof(struct tcmu_mailbox, version));
SAME(kMailboxFlagsAt, offsetof(struct tcmu_mailbox, flags));
SAME(kMailboxRingAt, offsetof(struct tcmu_mailbox, cmdr_off));
SAME(kMailboxRingSizeAt, offsetof(struct tcmu_mailbox, cmdr_size));
SAME(kMailboxHeadAt, offsetof(struct tcmu_mailbox, cmd_head));
SAME(kMailboxTailAt, offsetof(struct tcmu_mailbox, cmd_tail));
SAME(kMailboxSize, sizeof(struct tcmu_mailbox));
SAME(kMailboxAlign, ALIGN_SIZE);
SAME(kMailboxVersion, TCMU_MAILBOX_VERSION);
SAME(kCapOutOfOrder, TCMU_MAILBOX_FLAG_CAP_OOOC);
SAME(kCapReadLength, TCMU_MAILBOX_FLAG_CAP_READ_LEN);
SAME(kCapTmr, TCMU_MAILBOX_FLAG_CAP_TMR);
SAME(kCapKeepBuffer, TCMU_MAILBOX_FLAG_CAP_KEEP_BUF);

SAME(kLengthOpAt, offsetof(struct tcmu_cmd_entry_hdr, len_op));
SAME(kIdAt, offsetof(struct tcmu_cmd_entry_hdr, cmd_id));
SAME(kUserFlagsAt, offsetof(struct tcmu_cmd_entry_hdr, uflags));
SAME(kHeaderSize, sizeof(struct tcmu_cmd_entry_hdr));
SAME(kEntryAlign, TCMU_OP_ALIGN_SIZE);
SAME(kOpMask, TCMU_OP_MASK);
SAME(kOpPad, TCMU_OP_PAD);
SAME(kOpCommand, TCMU_OP_CMD);
SAME(kOpTmr, TCMU_OP_TMR);
SAME(kUserFlagUnknownOp, TCMU_UFLAG_UNKNOWN_OP);
SAME(kUserFlagReadLength, TCMU_UFLAG_READ_LEN);
SAME(kUserFlagKeepBuffer, TCMU_UFLAG_KEEP_BUF);

SAME(kIovecCountAt, offsetof(struct tcmu_cmd_entry, req.iov_cnt));
SAME(kBidiIovecCountAt, offsetof(struct tcmu_cmd_entry, req.iov_bidi_cnt));
SAME(kDifIovecCountAt, offsetof(struct tcmu_cmd_entry, req.iov_dif_cnt));
SAME(kCdbOffsetAt, offsetof(struct tcmu_cmd_entry, req.cdb_off));
SAME(kIovecsAt, offsetof(struct tcmu_cmd_entry, req.iov));
SAME(kCommandSize, sizeof(struct tcmu_cmd_entry));
SAME(kStatusAt, offsetof(struct tcmu_cmd_entry, rsp.scsi_status));
SAME(kReadLengthAt, offsetof(struct tcmu_cmd_entry, rsp.read_len));
SAME(kSenseAt, offsetof(struct tcmu_cmd_entry, rsp.sense_buffer));
SAME(kSenseSize, TCMU_SENSE_BUFFERSIZE);
SAME(kTmrTypeAt, offsetof(struct tcmu_tmr_entry, tmr_type));
SAME(kTmrCountAt, offsetof(struct tcmu_tmr_entry, cmd_cnt));
SAME(kTmrIdsAt, offsetof(struct tcmu_tmr_entry, cmd_ids));

SAME(kCmdAdded, TCMU_CMD_ADDED_DEVICE);
SAME(kCmdRemoved, TCMU_CMD_REMOVED_DEVICE);
SAME(kCmdReconfigured, TCMU_CMD_RECONFIG_DEVICE);
SAME(kCmdAddedDone, TCMU_CMD_ADDED_DEVICE_DONE);
SAME(kCmdRemovedDone, TCMU_CMD_REMOVED_DEVICE_DONE);
SAME(kCmdReconfiguredDone, TCMU_CMD_RECONFIG_DEVICE_DONE);
SAME(kCmdSetFeatures, TCMU_CMD_SET_FEATURES);
SAME(kAttrDevice, TCMU_ATTR_DEVICE);
SAME(kAttrMinor, TCMU_ATTR_MINOR);
SAME(kAttrDevConfig, TCMU_ATTR_DEV_CFG);
SAME(kAttrDevSize, TCMU_ATTR_DEV_SIZE);
SAME(kAttrWriteCache, TCMU_ATTR_WRITECACHE);
SAME(kAttrStatus, TCMU_ATTR_CMD_STATUS);
SAME(kAttrDeviceId, TCMU_ATTR_DEVICE_ID);
SAME(kAttrReplies, TCMU_ATTR_SUPP_KERN_CMD_REPLY);
