// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tcmud::scsi {

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

  bool read_only = false;               // writes are refused, whatever the reason
  bool software_write_protect = false;  // SWP: the reason is an initiator's MODE SELECT
  bool write_cache = false;             // WCE; SYNCHRONIZE CACHE and FUA mean something
  bool rotational = false;

  // What the handler or the core's emulation can do.
  bool can_fua = false;       // DPOFUA; FUA is honoured
  bool can_flush = true;      // SYNCHRONIZE CACHE reaches the handler; otherwise it is GOOD at once
                              // (nothing is volatile)
  bool can_unmap = false;     // LBPU, LBPWS, LBPWS10
  bool unmap_zeroes = false;  // LBPRZ
  bool thin = false;          // provisioning type 2

  // Limits in logical blocks; 0 = none to report.
  uint32_t max_transfer_blocks = 0;  // MAXIMUM TRANSFER LENGTH; longer READ/WRITE: 05/24/00
  uint32_t optimal_transfer_blocks = 0;
  uint32_t max_unmap_blocks = 0;  // per UNMAP command (MAXIMUM UNMAP LBA COUNT); 0 = FFFFFFFFh
  uint32_t max_unmap_descriptors = 256;  // 0, or more than kMaxUnmapDescriptors: as many as that
  uint32_t unmap_granularity_blocks = 0;
  uint32_t unmap_alignment_blocks = 0;
  uint64_t max_write_same_blocks = 0;  // 0 = no limit
};

}  // namespace tcmud::scsi
