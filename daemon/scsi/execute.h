// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "scsi/lun.h"
#include "scsi/sense.h"

namespace tcmud::scsi {

inline constexpr uint32_t kMaxUnmapDescriptors = 256;
// Bytes of parameter data (data-out) that any command may need; the most is UNMAP's, and SANITIZE's
// with a pattern of a block of 4096 bytes.
inline constexpr size_t kMaxParameterList = 8 + 16 * kMaxUnmapDescriptors;
// Bytes of response data (data-in) that any command may produce; the most is all of REPORT
// SUPPORTED OPERATION CODES.
inline constexpr size_t kMaxResponse = 8192;

// A command as it arrived. All pure values: no I/O, no clock, no lock in this room.
struct Command {
  // At least 1 byte; as long as the transport gave it.
  std::span<const uint8_t> cdb;
  // Bytes: the transport's expected transfer length, which may differ from the CDB's.
  uint64_t data_length = 0;
  // The first min(data_length, parameter_list_length(cdb)) bytes of data-out.
  std::span<const uint8_t> parameters{};
  // What REQUEST SENSE tells, a unit attention that is then done with for instance; nullptr: NO
  // SENSE.
  const Sense* pending_sense = nullptr;
};

// What the block layer is asked to do.
enum class BlockOp : uint8_t {
  kRead,
  kWrite,
  kFlush,
  kUnmap,
  kWriteSame,
  kWriteZeroes,
  kCompareAndWrite,  // the data buffer holds `length` bytes to compare, then as many to write
  kVerify,           // is the medium readable? No data
  kVerifyData,       // the data buffer is compared with the medium
  kWriteAndVerify,   // the data buffer is written, read back from the medium, and compared
  kOrWrite,          // the data buffer is ORed into the medium
  kPrefetch,         // into the cache, if it helps; no data
  kLbaStatus,        // see lba_status.h; `offset` is where the description begins
};

// Does it change what is on the medium?
[[nodiscard]] bool writes(BlockOp op);

struct Range {
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes
};

struct BlockRequest {
  BlockOp op = BlockOp::kRead;
  bool fua = false;  // kRead, kWrite: what is read is on the medium, what is written gets there
  bool may_unmap = false;  // kWriteSame, kWriteZeroes: the UNMAP bit was set
  bool immediate = false;  // kFlush, kPrefetch: GOOD at once, the work later
  bool one_block = false;  // kVerifyData: the data buffer holds one block that each must equal
  bool atomic = false;     // kWrite: all of it or nothing
  // All but kUnmap and kLbaStatus: the extent on the LUN in bytes, whole blocks, never beyond its
  // end, never empty but for kFlush. kRead, kWrite, kVerifyData without one_block, kWriteAndVerify
  // and kOrWrite: length is also that of the data, and never more than the data buffer's.
  // kWriteSame: the data buffer holds exactly one block. kCompareAndWrite: exactly twice `length`.
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t ranges = 0;             // kUnmap: how many of the caller's `ranges` were filled (> 0)
  uint32_t allocation_length = 0;  // kLbaStatus: bytes, never more than the data buffer's
};

// MODE SELECT: what is to hold from now on, of which at least one is not what the Lun says. Whoever
// else uses the LUN is told by a unit attention condition, kModeParametersChanged.
struct ModeChange {
  bool write_cache = false;
  bool software_write_protect = false;
};

// What a FORMAT UNIT or SANITIZE (OVERWRITE) fills blocks with: bytes of Command::parameters, again
// and again from the beginning of each block; zeroes where the length is 0.
struct Pattern {
  uint16_t offset = 0;
  uint16_t length = 0;
};

struct FormatRequest {
  bool immediate = false;  // GOOD at once, progress in Lun::progress
  Pattern pattern;
};

struct SanitizeRequest {
  enum class Kind : uint8_t {
    kOverwrite,
    kBlockErase,       // unmapped or zeroes: reads succeed afterwards (WABEREQ 01b)
    kExitFailureMode,  // only where Lun::sanitize_failure is kUnrestricted, which then is done with
  };
  Kind kind = Kind::kOverwrite;
  bool immediate = false;          // GOOD at once, progress in Lun::progress
  bool unrestricted_exit = false;  // AUSE: what Lun::sanitize_failure becomes if it fails
  // kOverwrite: each pass writes the other's complement, and the last one the pattern.
  bool invert = false;
  uint8_t passes = 1;  // kOverwrite: 1 to 31
  Pattern pattern;     // kOverwrite: 1 byte to a block
};

// The third-party copy commands. Their parameter lists were found valid; extended_copy.h and
// rod_token.h decode them.
struct CopyRequest {
  uint32_t list_identifier = 0;
  uint32_t allocation_length = 0;  // data-in, bytes, never more than the data buffer's
  bool failed_segment = false;     // kReceiveCopyResults: its details, not the copy status
};

// What is to be done about a command.
struct Outcome {
  enum class Kind : uint8_t {
    kReply,                       // answer now: status, sense, and response_length bytes of data-in
    kBlock,                       // ask the handler: `block`
    kModeSelect,                  // `mode`
    kFormat,                      // `format`
    kSanitize,                    // `sanitize`
    kExtendedCopy,                // `copy`
    kReceiveCopyResults,          // `copy`
    kPopulateToken,               // `copy`
    kWriteUsingToken,             // `copy`
    kReceiveRodTokenInformation,  // `copy`
    kSetTargetPortGroups,         // requested_states() of target_port_groups.h; there is one
  };
  Kind kind = Kind::kReply;
  Status status = Status::kGood;
  Sense sense{};  // with kCheckCondition
  // Bytes of `response` to send, already cut to the allocation length and to data_length.
  uint32_t response_length = 0;
  BlockRequest block{};
  ModeChange mode{};
  FormatRequest format{};
  SanitizeRequest sanitize{};
  CopyRequest copy{};
};

// How many bytes of data-out execute() wants as `parameters`; 0 for most commands, never more than
// kMaxParameterList.
[[nodiscard]] size_t parameter_list_length(std::span<const uint8_t> cdb, uint64_t data_length);

// Decodes and, where no medium is needed, executes one command. `response` has kMaxResponse bytes,
// `ranges` has kMaxUnmapDescriptors elements; both are the caller's scratch, overwritten. Any
// thread; no allocation.
[[nodiscard]] Outcome execute(const Lun& lun, const Command& command, std::span<uint8_t> response,
                              std::span<Range> ranges);

// The state of the LUN in which nobody may read its medium, or may `writes`; NO SENSE where there
// is none. What execute() tells READ and WRITE.
[[nodiscard]] Sense medium_refusal(const Lun& lun, bool writes);

// May this command be answered while a unit attention condition is pending (SAM-6 "Unit attention
// conditions": INQUIRY, REPORT LUNS, REQUEST SENSE)? False: the unit attention is reported instead.
[[nodiscard]] bool ignores_unit_attention(std::span<const uint8_t> cdb);

// Sense data as it goes with CHECK CONDITION: fixed format (D_SENSE is 0), but descriptor format
// where the INFORMATION field needs more than the 32 bits that it has there. `out` has at least 32
// bytes. Returns the length.
size_t encode_sense(const Sense& sense, std::span<uint8_t> out);

}  // namespace tcmud::scsi
