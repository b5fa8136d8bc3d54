// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scsi/sense.h"
#include "scsi/target_port_groups.h"

namespace tcmud::scsi {

// What only the engine can do: a command that needs it is there for initiators where its bit is set
// in Lun::features, and nowhere else.
enum Feature : uint32_t {
  kCanVerify = 1u << 0,           // BlockOp::kVerify, kVerifyData, kWriteAndVerify
  kCanOrWrite = 1u << 1,          // BlockOp::kOrWrite
  kCanCompareAndWrite = 1u << 2,  // BlockOp::kCompareAndWrite; also max_compare_and_write_blocks
  kCanWriteAtomic = 1u << 3,      // BlockRequest::atomic; also max_atomic_blocks
  kCanPrefetch = 1u << 4,         // BlockOp::kPrefetch; PRE-FETCH is GOOD without it as well
  kCanTellLbaStatus = 1u << 5,    // BlockOp::kLbaStatus
  kCanSelectMode = 1u << 6,       // Outcome::Kind::kModeSelect
  kCanFormat = 1u << 7,           // kFormat
  kCanSanitize = 1u << 8,         // kSanitize
  kCanCopy = 1u << 9,             // kExtendedCopy, kReceiveCopyResults
  kCanUseTokens = 1u << 10,       // kPopulateToken, kWriteUsingToken, kReceiveRodTokenInformation
  kHasPortGroups = 1u << 11,      // target_port_groups are what there is
  kCanSetPortGroups = 1u << 12,   // kSetTargetPortGroups
};

// SBC-4 "Sanitize operations": after one that failed, the medium is out of reach until another one
// succeeds or, where the failed one allowed it, SANITIZE (EXIT FAILURE MODE) gives it back.
enum class SanitizeFailure : uint8_t {
  kNone,
  kRestricted,    // AUSE was 0
  kUnrestricted,  // AUSE was 1
};

// Logical block provisioning resources, in units of 2^threshold_exponent blocks.
struct ProvisioningResources {
  uint32_t available = 0;
  uint32_t used = 0;
};

// What initiators are told about one LUN. Immutable; replaced as a whole when something changes
// (resize, write cache). Invariant: blocks * block_size is below 2^63, as off_t has it.
struct Lun {
  uint32_t block_size = 512;           // bytes: 512, 1024, 2048 or 4096
  uint64_t blocks = 0;                 // logical blocks; the last LBA is blocks - 1
  uint32_t physical_block_size = 512;  // bytes, block_size times a power of two

  // Identity, from configfs wwn/. tcmu-runner's values, which multipath.conf and SATP rules match,
  // where empty: vendor "LIO-ORG", product "TCMU device", revision "0002".
  std::string vendor, product, revision;
  std::string serial;  // unit serial number; also the base of the NAA designator

  // Asymmetric access; ascending by id, none where the administrator has set up none.
  std::vector<TargetPortGroup> target_port_groups;
  uint8_t implicit_transition_seconds = 0;  // IMPLICIT TRANSITION TIME; 0 = not told

  bool read_only = false;
  bool software_write_protect = false;  // SWP
  bool write_cache = false;             // WCE; SYNCHRONIZE CACHE and FUA mean something
  bool can_switch_write_cache = false;  // WCE is changeable by MODE SELECT
  bool default_write_cache = false;     // WCE of the default values, where it is changeable
  bool rotational = false;

  // What the handler or the core's emulation can do.
  bool can_fua = false;       // DPOFUA; FUA is honoured
  bool can_flush = true;      // SYNCHRONIZE CACHE reaches the handler; otherwise it is GOOD at once
                              // (nothing is volatile)
  bool can_unmap = false;     // LBPU, LBPWS, LBPWS10
  bool unmap_zeroes = false;  // LBPRZ
  bool thin = false;          // provisioning type 2
  uint32_t features = 0;      // Feature

  // Limits in logical blocks; 0 = none to report.
  uint32_t max_transfer_blocks = 0;  // MAXIMUM TRANSFER LENGTH; longer READ/WRITE: 05/24/00
  uint32_t optimal_transfer_blocks = 0;
  uint32_t max_unmap_blocks = 0;  // per UNMAP command (MAXIMUM UNMAP LBA COUNT); 0 = FFFFFFFFh
  uint32_t max_unmap_descriptors = 256;  // 0, or more than kMaxUnmapDescriptors: as many as that
  uint32_t unmap_granularity_blocks = 0;
  uint32_t unmap_alignment_blocks = 0;
  uint64_t max_write_same_blocks = 0;        // 0 = no limit
  uint8_t max_compare_and_write_blocks = 0;  // with kCanCompareAndWrite: not 0
  uint32_t max_atomic_blocks = 0;            // with kCanWriteAtomic: not 0
  uint32_t atomic_alignment_blocks = 0;
  uint32_t atomic_granularity_blocks = 0;

  uint8_t threshold_exponent = 0;  // THRESHOLD EXPONENT; not 0 where there are resources
  std::optional<ProvisioningResources> resources{};  // log page 0Ch is there where this is

  // A FORMAT UNIT or SANITIZE under way: how far it is, in 65536ths, and what other commands are
  // told: kFormatInProgress or kSanitizeInProgress.
  std::optional<uint16_t> progress{};
  AdditionalSense progress_code = asc::kFormatInProgress;
  SanitizeFailure sanitize_failure = SanitizeFailure::kNone;
  // A FORMAT UNIT did not succeed: the medium is out of reach until another one does.
  bool format_corrupt = false;

  [[nodiscard]] bool has(uint32_t needed) const { return (features & needed) == needed; }
};

}  // namespace tcmud::scsi
