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
// Bytes of parameter data (data-out) that any command may need: the UNMAP parameter list.
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
  kCompareAndWrite,  // the data buffer holds `length` bytes to compare, then `length` to write
  kVerify,           // medium check without data
  kVerifyData,       // the data buffer is compared with the medium
  kWriteAndVerify,
  kOrWrite,  // the data buffer is ORed into the medium
  kPrefetch,
  kLbaStatus,
};

struct Range {
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes
};

struct BlockRequest {
  BlockOp op = BlockOp::kRead;
  bool fua = false;  // kRead, kWrite: what is read is on the medium, what is written gets there
  bool immediate = false;  // kFlush, kPrefetch: GOOD at once, the work goes on behind it
  bool one_block = false;  // kVerifyData: the data buffer is one block that every block must equal
  bool atomic = false;     // kWrite: no other command sees or changes a part of it
  bool may_unmap = false;  // kWriteSame, kWriteZeroes: the UNMAP bit was set
  // All but kUnmap: the extent on the LUN in bytes, whole blocks, never beyond its end, never empty
  // but for kFlush. kRead and kWrite: length is also that of the data, and never more than the data
  // buffer's. kWriteSame: the data buffer holds exactly one block.
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t allocation_length = 0;  // kLbaStatus: bytes of parameter data that are wanted
  uint32_t ranges = 0;             // kUnmap: how many of the caller's `ranges` were filled (> 0)
};

// What MODE SELECT makes of the two bits that can be changed.
struct ModeChange {
  bool write_cache = false;             // Caching mode page: WCE
  bool software_write_protect = false;  // Control mode page: SWP
};

// What is to be done about a command.
struct Outcome {
  enum class Kind : uint8_t {
    kReply,       // answer now: status, sense, and response_length bytes of data-in
    kBlock,       // ask the handler: `block`
    kModeSelect,  // change what `mode` says, then answer GOOD
  };
  Kind kind = Kind::kReply;
  Status status = Status::kGood;
  Sense sense{};  // with kCheckCondition
  // Bytes of `response` to send, already cut to the allocation length and to data_length.
  uint32_t response_length = 0;
  BlockRequest block{};
  ModeChange mode{};
};

// How many bytes of data-out execute() wants as `parameters`; 0 for most commands, never more than
// kMaxParameterList.
[[nodiscard]] size_t parameter_list_length(std::span<const uint8_t> cdb, uint64_t data_length);

// Decodes and, where no medium is needed, executes one command. `response` has kMaxResponse bytes,
// `ranges` has kMaxUnmapDescriptors elements; both are the caller's scratch, overwritten. Any
// thread; no allocation.
[[nodiscard]] Outcome execute(const Lun& lun, const Command& command, std::span<uint8_t> response,
                              std::span<Range> ranges);

// May this command be answered while a unit attention condition is pending (SAM-6 "Unit attention
// conditions": INQUIRY, REPORT LUNS, REQUEST SENSE)? False: the unit attention is reported instead.
[[nodiscard]] bool ignores_unit_attention(std::span<const uint8_t> cdb);

// Sense data as it goes with CHECK CONDITION: fixed format (D_SENSE is 0), but descriptor format
// where the INFORMATION field needs more than the 32 bits that it has there. `out` has at least 32
// bytes. Returns the length.
size_t encode_sense(const Sense& sense, std::span<uint8_t> out);

}  // namespace tcmud::scsi
