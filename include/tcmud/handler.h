/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handler API of tcmud.
 *
 * A handler is a shared object handler_<name>.so that turns block requests into storage. It exports
 * one symbol, tcmud_handler_init, through TCMUD_REGISTER_HANDLER. It never sees SCSI, the ring, or
 * another handler's LUN.
 *
 * Life of a handle (one per LUN):
 *
 *   check_config*        any thread, no side effects, no handle
 *   open                 the LUN's control thread; may block
 *   get_props            same thread, right after open and after each resize
 *   submit / flush_batch / reap      the LUN's loop (TCMUD_MODEL_ASYNC) or its pool
 * (TCMUD_MODEL_BLOCKING) resize               the LUN's control thread, while requests run close
 * the LUN's control thread, after every request was completed; may block
 *
 * Compatibility: structures are only ever appended to, and each begins with the size its writer
 * knew. The host copies the smaller of both sizes and takes the rest as zero, so a handler built
 * against an older header keeps loading, and a callback that it does not know is NULL, which means
 * "default". Nothing here throws.
 */
#ifndef TCMUD_HANDLER_H
#define TCMUD_HANDLER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows only when a structure changes its meaning; the host refuses a handler with a greater number
 * than its own. */
#define TCMUD_ABI 1u

/* ---- Requests ---- */

/* What is asked. A handler gets only operations for which its properties say TCMUD_NATIVE; READ and
 * WRITE always. */
enum tcmud_op {
  TCMUD_OP_READ = 1,  /* fill iov from [offset, offset+length) */
  TCMUD_OP_WRITE = 2, /* store iov at [offset, offset+length); with TCMUD_FLAG_FUA, durably */
  TCMUD_OP_FLUSH = 3, /* make every write completed before this submit durable */
  TCMUD_OP_UNMAP = 4, /* deallocate ranges[0..nranges); they read as zeroes if props.unmap_zeroes,
                         else as anything */
  TCMUD_OP_WRITE_ZEROES =
      5, /* [offset, offset+length) reads as zeroes; with TCMUD_FLAG_MAY_UNMAP it may deallocate */
  TCMUD_OP_WRITE_SAME = 6, /* repeat iov (exactly one logical block) over [offset, offset+length) */
  TCMUD_OP_COMPARE_AND_WRITE =
      7, /* iov holds length bytes to compare, then length bytes to write; atomic */
  TCMUD_OP_LBA_STATUS = 8 /* fill *lba_status for the blocks from offset on; changes nothing */
};

enum tcmud_flag {
  TCMUD_FLAG_FUA = 1u << 0, /* durable before completion; only where props.fua is TCMUD_NATIVE */
  TCMUD_FLAG_MAY_UNMAP = 1u << 1 /* WRITE_ZEROES: deallocating is welcome */
};

/* How a request ended. The core alone maps this to SCSI status and sense data. */
enum tcmud_status {
  TCMUD_QUEUED = -1,       /* from submit only: complete() comes later, exactly once */
  TCMUD_OK = 0,            /* done; a WRITE with FUA, and a FLUSH, durably */
  TCMUD_BUSY = 1,          /* try again later: SAM BUSY */
  TCMUD_NO_RESOURCE = 2,   /* out of memory or slots for the moment: TASK SET FULL */
  TCMUD_NOT_SUPPORTED = 3, /* this operation is not for this LUN: 05/20/00 */
  TCMUD_OUT_OF_RANGE = 4,  /* beyond the end: 05/21/00 */
  TCMUD_READ_ERROR =
      5, /* 03/11/00; info = byte offset of the first bad byte on the LUN, or TCMUD_NO_INFO */
  TCMUD_WRITE_ERROR = 6, /* 03/0C/00 */
  TCMUD_MISCOMPARE =
      7, /* 0E/1D/00; info = byte offset of the first difference within the compared data */
  TCMUD_NO_SPACE = 8,        /* 07/27/07: thin space is used up; nothing is wrong with the medium */
  TCMUD_WRITE_PROTECTED = 9, /* 07/27/00 */
  TCMUD_NOT_READY = 10,      /* backend not reachable for now: 02/04/01 */
  TCMUD_LOCK_LOST = 11,      /* fenced by another owner: 02/04/0B */
  TCMUD_TIMEOUT = 12,        /* BUSY to the initiator; counted apart */
  TCMUD_ABORTED = 13,        /* cancelled: 0B/00/00 */
  TCMUD_INTERNAL = 14,       /* 04/44/00 */
  TCMUD_NO_LOCK = 15         /* not done, and never will be: the storage's lock is not ours or not
                                enabled (the lock extension, below). The core sees to the lock and
                                lets initiators repeat the command */
};

#define TCMUD_NO_INFO UINT64_MAX

struct tcmud_range {
  uint64_t offset; /* bytes */
  uint64_t length; /* bytes, > 0 */
};

/* Where a block's data is, with the values of SBC-4's PROVISIONING STATUS. */
enum tcmud_provisioning {
  TCMUD_MAPPED = 0,      /* the block has its space */
  TCMUD_DEALLOCATED = 1, /* a write has to find space first, and may end with TCMUD_NO_SPACE */
  TCMUD_ANCHORED = 2     /* no data, but the space for it */
};

struct tcmud_extent_status {
  uint64_t length;    /* bytes, > 0, a multiple of the logical block size */
  uint32_t state;     /* enum tcmud_provisioning */
  uint32_t reserved_; /* 0 */
};

/*
 * The answer to TCMUD_OP_LBA_STATUS. The first extent begins at the request's offset, each further
 * one where the one before it ends. With TCMUD_OK there is at least one; they may end before the
 * request's range does (there was no room, or looking further would take long), and must not end
 * behind it. A block of which only a part has data is mapped.
 */
struct tcmud_lba_status {
  uint32_t size;
  uint32_t capacity;                   /* extents that there is room for, > 0; the host's */
  uint32_t count;                      /* extents filled in; the handler's, 0 until then */
  uint32_t reserved_;                  /* 0 */
  struct tcmud_extent_status* extents; /* `capacity` of them */
};

/*
 * One request. Owned by the host; valid from submit until complete. The handler may change nothing
 * but *ctx. offset and length are in bytes and multiples of the logical block size; offset + length
 * <= size of the LUN. Buffers are page aligned except in a WRITE_SAME or its emulation, where they
 * are aligned to the logical block size.
 */
struct tcmud_request {
  uint32_t size;
  uint16_t op;    /* enum tcmud_op */
  uint16_t flags; /* enum tcmud_flag */
  uint64_t offset;
  uint64_t length;
  const struct iovec* iov; /* sum of iov_len == length, but for WRITE_SAME (one block) and
                              COMPARE_AND_WRITE (twice) */
  uint32_t iovcnt;         /* may exceed IOV_MAX */
  uint32_t nranges;
  const struct tcmud_range* ranges; /* UNMAP only: at most props.max_unmap_ranges, ascending or not,
                                       never overlapping the end */
  uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0 = none. After it nobody waits for the answer, but it
                           is still owed */
  void* ctx; /* ctx_size bytes of the handler's own, 64-byte aligned, content kept from an earlier
                request */
  struct tcmud_lba_status* lba_status; /* LBA_STATUS only: where the answer goes */
};

/* ---- Configuration
 * -------------------------------------------------------------------------------------------- */

/* One option behind the path: ";key=value", or ";key" (value is then ""). Options of the core are
 * not in the list. */
struct tcmud_option {
  const char* key;
  const char* value;
};

/*
 * "file//tmp/a.img;create;direct" arrives as path "/tmp/a.img" and options {create, ""}, {direct,
 * ""}. A handler must refuse an option that it does not know, and name it.
 */
struct tcmud_config {
  uint32_t size;
  uint32_t noptions;
  const char* path; /* never NULL */
  const struct tcmud_option* options;
};

struct tcmud_device; /* the host's; opaque */
struct tcmud_host;

enum tcmud_open_flag { TCMUD_OPEN_READ_ONLY = 1u << 0 };

struct tcmud_open_args {
  uint32_t size;
  uint32_t flags; /* enum tcmud_open_flag */
  const struct tcmud_host* host;
  struct tcmud_device* device; /* for host calls; valid until close returns */
  const char* name;            /* "<hba>/<name>": how the log names the LUN */
  struct tcmud_config config;
  uint64_t lun_size;   /* bytes: dev_size of configfs; the LUN will have this size */
  uint32_t block_size; /* bytes: hw_block_size of configfs: 512, 1024, 2048 or 4096 */
};

/* ---- Properties ---- */

enum tcmud_support {
  TCMUD_NONE = 0,    /* not there, and the core does not offer it to initiators */
  TCMUD_EMULATE = 1, /* the core does it by other requests */
  TCMUD_NATIVE = 2   /* the handler does it */
};

enum tcmud_model {
  TCMUD_MODEL_ASYNC = 0,   /* submit is called on the LUN's loop alone and must not wait for I/O */
  TCMUD_MODEL_BLOCKING = 1 /* submit may block and is called by up to `threads` threads at once */
};

/* Filled by get_props; the host has zeroed it. Zero in a limit means "no limit of ours". */
struct tcmud_props {
  uint32_t size;
  uint32_t model;   /* enum tcmud_model */
  uint32_t threads; /* BLOCKING: how many submits at once are of use, 1..64 */
  int32_t
      event_fd; /* ASYNC: readable when reap() has something to do, polled on the loop; -1 = none */
  uint64_t
      lun_size; /* bytes the backend can serve now; the LUN is usable only if >= lun_size of open */
  uint8_t fua, flush, unmap, write_zeroes, write_same, compare_and_write; /* enum tcmud_support */
  uint8_t read_only;    /* 1: the medium refuses writes */
  uint8_t rotational;   /* 1: VPD B1 says "rotating" is not denied; 0: medium rotation rate 1
                           (non-rotating) */
  uint8_t write_cache;  /* 1: a completed write may be volatile until flush: WCE */
  uint8_t unmap_zeroes; /* 1: unmapped blocks read as zeroes: LBPRZ */
  uint8_t thin;         /* 1: thin provisioned: VPD B2 provisioning type 2 */
  uint8_t reserved_;
  uint32_t physical_block_size; /* bytes; 0 = the logical block size */
  uint32_t optimal_io_size;     /* bytes */
  uint32_t max_transfer; /* bytes per READ or WRITE; the core splits nothing, initiators are told */
  uint32_t max_unmap_ranges;        /* per request; 0 = 1 */
  uint64_t max_unmap_length;        /* bytes per range */
  uint64_t max_write_zeroes_length; /* bytes per WRITE_ZEROES or WRITE_SAME; the core splits */
  uint64_t unmap_granularity;       /* bytes; 0 = logical block size */
  uint64_t unmap_alignment;         /* bytes: offset of the first whole granule */
  uint8_t lba_status; /* enum tcmud_support of TCMUD_OP_LBA_STATUS; unless NATIVE, initiators are
                         told that all blocks are mapped */
  uint8_t lock;       /* 1: the lock extension is to be used for this LUN */
  uint8_t reserved2_[2];
  uint32_t compare_and_write_unit; /* bytes, a power of two: COMPARE_AND_WRITE is NATIVE within one
                                      aligned unit of so many, and beyond it the core emulates it;
                                      0 = NATIVE is for all */
};

/* ---- Host services
 * -------------------------------------------------------------------------------------------- */

enum tcmud_log_level {
  TCMUD_LOG_CRITICAL = 0,
  TCMUD_LOG_ERROR = 1,
  TCMUD_LOG_WARNING = 2,
  TCMUD_LOG_INFO = 3,
  TCMUD_LOG_DEBUG = 4
};

enum tcmud_event {
  TCMUD_EVENT_RESIZED = 1, /* props.lun_size changed behind our back: get_props() tells, and the LUN
                              takes that size */
  TCMUD_EVENT_LOCK = 2     /* tcmud_lock.get_status() tells something new */
};

/* How the storage behind a LUN is, for administrators. */
enum tcmud_backend_state {
  TCMUD_BACKEND_UP = 0,
  TCMUD_BACKEND_SLOW = 1,       /* reachable by name only: requests end in TCMUD_TIMEOUT */
  TCMUD_BACKEND_RECOVERING = 2, /* being opened again; requests get BUSY meanwhile */
  TCMUD_BACKEND_GONE = 3        /* removed under the LUN: only the administrator can help */
};

struct tcmud_handler;

struct tcmud_host {
  uint32_t size;
  uint32_t abi;
  /* Ends a request that submit QUEUED. Any thread, exactly once per request; info is TCMUD_NO_INFO
   * or as the status says. */
  void (*complete)(struct tcmud_request* request, int32_t status, uint64_t info);
  /* One line, no newline. Any thread but not on the way of every request. */
  void (*log)(struct tcmud_device* device, int32_t level, const char* message);
  /* enum tcmud_event. Any thread. */
  void (*event)(struct tcmud_device* device, int32_t what);
  /* Another handler, for one that stacks on it; NULL if there is none of that subtype. During open
   * and check_config only. */
  const struct tcmud_handler* (*find_handler)(const char* subtype);
  /* enum tcmud_backend_state, whenever it changes, and one line that tells why and what to do. It
   * is logged and shown as the LUN's state. Any thread. */
  void (*backend_state)(struct tcmud_device* device, int32_t state, const char* why);
};

/* ---- The "lock" extension
 * ---------------------------------------------------------------------------------------------- */

/*
 * For storage that several hosts serve side by side, of which one at a time may write. Offered by
 * get_extension(TCMUD_LOCK_EXTENSION, TCMUD_LOCK_VERSION), and in force for a LUN where props.lock
 * is 1.
 *
 * A request that needs the lock and comes when it is not enabled ends with TCMUD_NO_LOCK at once.
 * The core then calls acquire(). Once the lock is ours it answers whatever it was sent before (an
 * initiator may have given it up, and have written something newer by way of another host), and
 * calls enable(): only from then on do such requests reach the storage. While the lock is ours the
 * handler itself decides when to give it to a host that asks for it; it lets what is under way end
 * first, and requests that come later end with TCMUD_NO_LOCK. Where the lock was taken from us by
 * force, requests end with TCMUD_LOCK_LOST, done or not.
 */
#define TCMUD_LOCK_EXTENSION "lock"
#define TCMUD_LOCK_VERSION 1u

enum tcmud_lock_state {
  TCMUD_LOCK_FREE = 0,     /* nobody has it, as far as we know */
  TCMUD_LOCK_FOREIGN = 1,  /* another host has it */
  TCMUD_LOCK_ACQUIRED = 2, /* ours, to be enabled */
  TCMUD_LOCK_ENABLED = 3   /* ours, and in use */
};

struct tcmud_lock_status {
  uint32_t size;
  uint32_t state;    /* enum tcmud_lock_state */
  int32_t group;     /* FOREIGN: the target port group by which its holder is reached, as told by
                        the holder; -1 = not known */
  uint32_t wait_ms;  /* not ours, and acquire() was called: its holder keeps it for so long */
  uint64_t attempts; /* calls of acquire() that have come to an end, well or not */
  uint64_t acquired; /* how often it became ours */
  uint64_t lost;     /* how often it was taken from us by force */
  char holder[128];  /* for people: who has it; "" = nobody, or not known */
};

/* Every call is made on the LUN's control thread and returns at once. */
struct tcmud_lock {
  uint32_t size;
  uint32_t reserved_;
  /* Get the lock, for the target port group by which we are reached (-1: none, or several). Ask the
   * holder for it; one that does not answer is fenced, so that nothing of it is written any more.
   * Repeated calls are one until `attempts` grows. TCMUD_EVENT_LOCK tells when there is news. */
  void (*acquire)(void* handle, int32_t group);
  /* From now on requests are done. Only after get_status() told ACQUIRED; nothing happens if it is
   * not so any more. */
  void (*enable)(void* handle);
  /* Give it up after what is under way ended. TCMUD_EVENT_LOCK follows. */
  void (*release)(void* handle);
  void (*get_status)(void* handle, struct tcmud_lock_status* status);
};

/* ---- The handler
 * ---------------------------------------------------------------------------------------------- */

struct tcmud_handler {
  uint32_t size;
  uint32_t abi;
  const char* subtype;     /* the word before the first '/' of a LUN's configuration: [a-z0-9_-]+ */
  const char* description; /* one line */
  const char* config_help; /* what follows "subtype/", for people: D-Bus ConfigDesc */
  uint32_t ctx_size;       /* bytes of request->ctx, at most 4096 */
  uint32_t reserved_;

  /*
   * Is this configuration well formed? Any thread, at any time, no side effects (nothing opened for
   * writing, nothing created). 0, or a negative errno and a reason of one line in why[why_size].
   * What may come into being later (a missing file) is no error. NULL: everything is accepted.
   */
  int32_t (*check_config)(const struct tcmud_host* host, const struct tcmud_config* config,
                          char* why, size_t why_size);

  /* 0 and *handle, or a negative errno and a reason of one line in why[why_size] that names cause
   * and remedy. */
  int32_t (*open)(const struct tcmud_open_args* args, void** handle, char* why, size_t why_size);

  void (*get_props)(void* handle, struct tcmud_props* props);

  /* TCMUD_QUEUED, or the final status: then complete() must not be called for it. */
  int32_t (*submit)(void* handle, struct tcmud_request* request);

  /* ASYNC, optional: the loop has no further request for now; send what you collected. On the loop.
   */
  void (*flush_batch)(void* handle);

  /*
   * ASYNC, optional: look for finished work and complete() it. On the loop: when event_fd is
   * readable and while the loop polls. Returns how many requests it completed. Must be cheap when
   * there is nothing.
   */
  uint32_t (*reap)(void* handle);

  /* Optional: try to end a queued request early with TCMUD_ABORTED. It is owed its one complete()
   * all the same. On the loop. */
  void (*cancel)(void* handle, struct tcmud_request* request);

  /* The LUN has a new size (dev_size). 0, or a negative errno and a reason. NULL: resizing is
   * refused. Requests go on meanwhile. */
  int32_t (*resize)(void* handle, uint64_t lun_size, char* why, size_t why_size);

  /* May block. When it returns, no thread of the handler is inside a call of the host's any more,
   * nor will be. */
  void (*close)(void* handle);

  /* Optional: further tables by name and version, NULL if unknown. */
  const void* (*get_extension)(const char* name, uint32_t version);

  /* Optional: after how many seconds the kernel answers a command in our place, 0 = never. It shall
   * end before that, well or not. On the LUN's control thread: after open, and when it changes. */
  void (*set_command_timeout)(void* handle, uint32_t seconds);
};

typedef const struct tcmud_handler* (*tcmud_handler_init_fn)(const struct tcmud_host* host);

#ifdef __cplusplus
#define TCMUD_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define TCMUD_EXPORT __attribute__((visibility("default")))
#endif

/* At file scope, once: exports `handler`, a struct tcmud_handler with size and abi set, to the
 * host. */
#define TCMUD_REGISTER_HANDLER(handler)                                                         \
  TCMUD_EXPORT const struct tcmud_handler* tcmud_handler_init(const struct tcmud_host* host_);  \
  TCMUD_EXPORT const struct tcmud_handler* tcmud_handler_init(const struct tcmud_host* host_) { \
    (void)host_;                                                                                \
    return &(handler);                                                                          \
  }                                                                                             \
  struct tcmud_handler

#ifdef __cplusplus
}
#endif

#endif /* TCMUD_HANDLER_H */
