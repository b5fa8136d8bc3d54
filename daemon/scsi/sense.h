// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tcmud::scsi {

// SAM-6 5.3.1.
enum class Status : uint8_t {
  kGood = 0x00,
  kCheckCondition = 0x02,
  kConditionMet = 0x04,
  kBusy = 0x08,
  kReservationConflict = 0x18,
  kTaskSetFull = 0x28,
  kTaskAborted = 0x40,
};

// SPC-5 table 48.
enum class SenseKey : uint8_t {
  kNoSense = 0x0,
  kNotReady = 0x2,
  kMediumError = 0x3,
  kHardwareError = 0x4,
  kIllegalRequest = 0x5,
  kUnitAttention = 0x6,
  kDataProtect = 0x7,
  kCopyAborted = 0xA,
  kAbortedCommand = 0xB,
  kMiscompare = 0xE,
};

// Additional sense code in the high byte, its qualifier in the low one.
using AdditionalSense = uint16_t;
namespace asc {
inline constexpr AdditionalSense kNone = 0x0000;
inline constexpr AdditionalSense kOperationInProgress = 0x0016;
inline constexpr AdditionalSense kNotReadyCauseNotReportable = 0x0400;
inline constexpr AdditionalSense kBecomingReady = 0x0401;
inline constexpr AdditionalSense kFormatInProgress = 0x0404;
inline constexpr AdditionalSense kAsymmetricAccessStateTransition = 0x040A;
inline constexpr AdditionalSense kTargetPortInStandbyState = 0x040B;
inline constexpr AdditionalSense kSanitizeInProgress = 0x041B;
inline constexpr AdditionalSense kUnreachableCopyTarget = 0x0804;
inline constexpr AdditionalSense kWriteError = 0x0C00;
inline constexpr AdditionalSense kThirdPartyDeviceFailure = 0x0D01;
inline constexpr AdditionalSense kCopyTargetDeviceNotReachable = 0x0D02;
inline constexpr AdditionalSense kIncorrectCopyTargetDeviceType = 0x0D03;
inline constexpr AdditionalSense kInvalidFieldInCommandInformationUnit = 0x0E03;
inline constexpr AdditionalSense kUnrecoveredReadError = 0x1100;
inline constexpr AdditionalSense kParameterListLengthError = 0x1A00;
inline constexpr AdditionalSense kMiscompareDuringVerify = 0x1D00;
inline constexpr AdditionalSense kInvalidOperationCode = 0x2000;
inline constexpr AdditionalSense kLbaOutOfRange = 0x2100;
inline constexpr AdditionalSense kInvalidTokenOperation = 0x2300;
inline constexpr AdditionalSense kTokenUnknown = 0x2304;
inline constexpr AdditionalSense kTokenRevoked = 0x2306;
inline constexpr AdditionalSense kTokenExpired = 0x2307;
inline constexpr AdditionalSense kTokenDeleted = 0x2309;
inline constexpr AdditionalSense kInvalidFieldInCdb = 0x2400;
inline constexpr AdditionalSense kInvalidFieldInParameterList = 0x2600;
inline constexpr AdditionalSense kTooManyCscdDescriptors = 0x2606;
inline constexpr AdditionalSense kUnsupportedCscdDescriptorTypeCode = 0x2607;
inline constexpr AdditionalSense kTooManySegmentDescriptors = 0x2608;
inline constexpr AdditionalSense kUnsupportedSegmentDescriptorTypeCode = 0x2609;
inline constexpr AdditionalSense kInlineDataLengthExceeded = 0x260B;
inline constexpr AdditionalSense kWriteProtected = 0x2700;
inline constexpr AdditionalSense kSoftwareWriteProtected = 0x2702;
inline constexpr AdditionalSense kSpaceAllocationFailed = 0x2707;
inline constexpr AdditionalSense kModeParametersChanged = 0x2A01;
inline constexpr AdditionalSense kCapacityDataHasChanged = 0x2A09;
inline constexpr AdditionalSense kMediumFormatCorrupted = 0x3100;
inline constexpr AdditionalSense kFormatCommandFailed = 0x3101;
inline constexpr AdditionalSense kSanitizeFailed = 0x3103;
inline constexpr AdditionalSense kSavingParametersNotSupported = 0x3900;
inline constexpr AdditionalSense kInternalTargetFailure = 0x4400;
inline constexpr AdditionalSense kInsufficientResourcesToCreateRodToken = 0x550D;
inline constexpr AdditionalSense kSetTargetPortGroupsFailed = 0x670A;
}  // namespace asc

// What CHECK CONDITION comes with.
struct Sense {
  SenseKey key = SenseKey::kNoSense;
  AdditionalSense code = asc::kNone;
  // INFORMATION field: an LBA, the miscompare offset in bytes, or what a copy left undone of a
  // segment, in blocks.
  std::optional<uint64_t> information{};
  // Field pointer (SPC-5 4.4.2.4.2): byte of the CDB or parameter list that is wrong; only with
  // ILLEGAL REQUEST.
  std::optional<uint16_t> field{};
  bool field_in_cdb = true;
  // Bit pointer: the leftmost bit of the wrong field within that byte, 7 to 0; only with `field`.
  std::optional<uint8_t> field_bit{};
  // Progress indication (SPC-5 "Progress indication sense key specific information"), in 65536ths;
  // only with NO SENSE and NOT READY.
  std::optional<uint16_t> progress{};

  // COMMAND-SPECIFIC INFORMATION field: the number of the segment that a copy failed in; only with
  // COPY ABORTED.
  std::optional<uint16_t> segment{};

  bool operator==(const Sense&) const = default;
};

inline constexpr size_t kFixedSenseLength = 18;
// Header, information descriptor, and either the command specific or the sense key specific one.
inline constexpr size_t kMaxDescriptorSenseLength = 8 + 12 + 12;

// Fixed format sense data, always kFixedSenseLength bytes (SPC-5 4.4.3). INFORMATION that does not
// fit into 32 bits is left out (VALID 0). `out` must have room. Returns the length.
size_t encode_fixed(const Sense& sense, std::span<uint8_t> out);

// Descriptor format sense data (SPC-5 4.4.2), at most kMaxDescriptorSenseLength bytes; `out` must
// have room for that many. Returns the length.
size_t encode_descriptor(const Sense& sense, std::span<uint8_t> out);

}  // namespace tcmud::scsi
