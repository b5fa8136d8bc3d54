/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers in ring_layout.h are those of the kernel's header. */
#include <linux/target_core_user.h>
#include <stddef.h>

_Static_assert(offsetof(struct tcmu_mailbox, version) == 0, "");
_Static_assert(offsetof(struct tcmu_mailbox, flags) == 2, "");
_Static_assert(offsetof(struct tcmu_mailbox, cmdr_off) == 4, "");
_Static_assert(offsetof(struct tcmu_mailbox, cmdr_size) == 8, "");
_Static_assert(offsetof(struct tcmu_mailbox, cmd_head) == 12, "");
_Static_assert(offsetof(struct tcmu_mailbox, cmd_tail) == 64, "");
_Static_assert(sizeof(struct tcmu_cmd_entry_hdr) == 8, "");
_Static_assert(offsetof(struct tcmu_cmd_entry_hdr, cmd_id) == 4, "");
_Static_assert(offsetof(struct tcmu_cmd_entry_hdr, kflags) == 6, "");
_Static_assert(offsetof(struct tcmu_cmd_entry_hdr, uflags) == 7, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, req.iov_cnt) == 8, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, req.iov_bidi_cnt) == 12, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, req.iov_dif_cnt) == 16, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, req.cdb_off) == 24, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, req.iov) == 48, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, rsp.scsi_status) == 8, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, rsp.read_len) == 12, "");
_Static_assert(offsetof(struct tcmu_cmd_entry, rsp.sense_buffer) == 16, "");
_Static_assert(sizeof(struct tcmu_cmd_entry) == 112, "");
_Static_assert(offsetof(struct tcmu_tmr_entry, tmr_type) == 8, "");
_Static_assert(offsetof(struct tcmu_tmr_entry, cmd_cnt) == 12, "");
_Static_assert(offsetof(struct tcmu_tmr_entry, cmd_ids) == 32, "");
_Static_assert(TCMU_MAILBOX_VERSION == 2, "");
_Static_assert(TCMU_MAILBOX_FLAG_CAP_OOOC == 1 && TCMU_MAILBOX_FLAG_CAP_READ_LEN == 2, "");
_Static_assert(TCMU_MAILBOX_FLAG_CAP_TMR == 4 && TCMU_MAILBOX_FLAG_CAP_KEEP_BUF == 8, "");
_Static_assert(TCMU_OP_PAD == 0 && TCMU_OP_CMD == 1 && TCMU_OP_TMR == 2 && TCMU_OP_MASK == 7, "");
_Static_assert(TCMU_UFLAG_UNKNOWN_OP == 1 && TCMU_UFLAG_READ_LEN == 2 && TCMU_UFLAG_KEEP_BUF == 4,
               "");
_Static_assert(TCMU_SENSE_BUFFERSIZE == 96, "");
