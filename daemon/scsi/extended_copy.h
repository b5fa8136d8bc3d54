// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "scsi/execute.h"

// EXTENDED COPY (LID1) and what is asked about its copies (SPC-4), between logical units that are
// told by their designators. All pure; any thread.
namespace tcmud::scsi {

// Told by RECEIVE COPY OPERATING PARAMETERS and VPD page 8Fh.
inline constexpr size_t kMaxCopyCscds = 8;
inline constexpr size_t kMaxCopySegments = 64;
inline constexpr size_t kCscdLength = 32, kSegmentLength = 28, kCopyHeaderLength = 16;
inline constexpr size_t kMaxCopyDescriptors =  // bytes, of both lists together
    kMaxCopyCscds * kCscdLength + kMaxCopySegments * kSegmentLength;
inline constexpr size_t kMaxCopies =
    16;  // at once, of EXTENDED COPY and WRITE USING TOKEN together
inline constexpr uint32_t kMaxCopySegmentBytes = 0xFFFFu * 4096;
static_assert(kCopyHeaderLength + kMaxCopyDescriptors <= kMaxParameterList);

// SPC-4 "Identification Descriptor CSCD descriptor format", of a direct access block device.
struct CopyCscd {
  std::array<uint8_t, 16> naa{};  // NAA designator of the logical unit, as VPD page 83h has it
  uint8_t naa_length = 0;         // 8 or 16
  uint32_t block_length = 0;      // bytes; DISK BLOCK LENGTH
};

// SPC-4 "Block device to block device" segment descriptor. `blocks` blocks of the destination's
// length with DC, else of the source's.
struct CopySegment {
  uint16_t source = 0;       // index of a CSCD, or kThisLogicalUnit
  uint16_t destination = 0;  // likewise
  uint16_t blocks = 0;
  bool destination_counts = false;  // DC
  uint64_t source_lba = 0;
  uint64_t destination_lba = 0;
};
inline constexpr uint16_t kThisLogicalUnit = 0xFFFF;  // the one that the command was sent to

struct ExtendedCopy {
  enum class Usage : uint8_t { kHold = 0, kDiscard = 2, kNone = 3 };  // LIST ID USAGE
  uint8_t list_identifier = 0;
  Usage usage = Usage::kNone;
  size_t cscds = 0;
  size_t segments = 0;
  std::array<CopyCscd, kMaxCopyCscds> cscd{};
  std::array<CopySegment, kMaxCopySegments> segment{};
};

// Decodes a parameter list as long as the CDB says, at least kCopyHeaderLength. GOOD (kReply), or
// the CHECK CONDITION:
//   CSCD or segment descriptor lists longer than kMaxCopyDescriptors or than the list, or ending
//   within a descriptor: 05/1A/00
//   inline data: 05/26/0B; too many CSCDs: 05/26/06; too many segments: 05/26/08
//   LIST ID USAGE 1 (reserved), or 3 with a list identifier other than 0: 05/26/00
//   a CSCD other than E4h: 05/26/07; one that isn't a direct access block device: 0A/0D/03; one
//   whose designator isn't NAA, binary, of a logical unit, of 8 or 16 bytes: 05/26/00. LU ID TYPE
//   and RELATIVE INITIATOR PORT IDENTIFIER are not looked at
//   a segment other than 02h: 05/26/09; of another length: 05/26/00; with an index of no CSCD:
//   0A/08/04
[[nodiscard]] Outcome decode_extended_copy(std::span<const uint8_t> list, ExtendedCopy& copy);

// What one segment comes to, in bytes.
struct CopyExtents {
  uint64_t source = 0;
  uint64_t destination = 0;
  uint64_t length = 0;
};
// False: it reaches beyond the end of one of the two, or is no whole number of both one's blocks.
[[nodiscard]] bool segment_extents(const CopySegment& segment, const Lun& source,
                                   const Lun& destination, CopyExtents& extents);

// RECEIVE COPY STATUS (LID1): SPC-4 "Parameter data". Returns the bytes written, cut to `out`.
struct CopyStatus {
  enum class State : uint8_t { kInProgress = 0, kDone = 1, kFailed = 2 };
  State state = State::kDone;
  uint16_t segments_processed = 0;
  uint64_t bytes = 0;  // written; told in kibibytes where that doesn't fit, and so on
};
size_t copy_status_data(const CopyStatus& status, std::span<uint8_t> out);

// RECEIVE COPY FAILURE DETAILS (LID1), with the sense data of the failed copy; `status` is that
// copy's. Returns the bytes written, cut to `out`.
size_t copy_failure_data(Status status, const Sense& sense, std::span<uint8_t> out);

}  // namespace tcmud::scsi
