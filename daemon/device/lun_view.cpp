// SPDX-License-Identifier: Apache-2.0
#include "device/lun_view.h"

#include <algorithm>
#include <limits>

namespace tcmud::device {

namespace {

constexpr uint32_t kFeatures = scsi::kCanVerify | scsi::kCanOrWrite | scsi::kCanCompareAndWrite |
                               scsi::kCanWriteAtomic | scsi::kCanPrefetch |
                               scsi::kCanTellLbaStatus | scsi::kCanSelectMode | scsi::kCanFormat |
                               scsi::kCanSanitize;
constexpr uint32_t kMaxCompareAndWriteBlocks = 128;

// A byte limit as a number of blocks in a 32-bit field; 0 = none.
uint32_t blocks_of(uint64_t bytes, uint32_t block_size) {
  return static_cast<uint32_t>(
      std::min<uint64_t>(bytes / block_size, std::numeric_limits<uint32_t>::max()));
}

// The smaller of two limits, where 0 is none.
uint32_t stricter(uint32_t a, uint32_t b) {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

}  // namespace

std::string read_serial(kernel::DeviceDirectory& directory) {
  constexpr std::string_view kLabel = "T10 VPD Unit Serial Number: ";
  const auto text = directory.read("wwn/vpd_unit_serial");
  if (!text) {
    return {};
  }
  return text->starts_with(kLabel) ? text->substr(kLabel.size()) : *text;
}

uint32_t read_command_timeout(kernel::DeviceDirectory& directory) {
  return static_cast<uint32_t>(read_number(directory, "attrib/cmd_time_out").value_or(0));
}

Result<LunAttributes> read_attributes(kernel::DeviceDirectory& directory) {
  const auto block_size = read_number(directory, "attrib/hw_block_size");
  if (!block_size) {
    return tl::unexpected(block_size.error());
  }
  const auto size = read_number(directory, "attrib/dev_size");
  if (!size) {
    return tl::unexpected(size.error());
  }
  const auto max_sectors = read_number(directory, "attrib/hw_max_sectors");
  if (!max_sectors) {
    return tl::unexpected(max_sectors.error());
  }
  return LunAttributes{.block_size = static_cast<uint32_t>(*block_size),
                       .size = *size,
                       .max_sectors = static_cast<uint32_t>(*max_sectors),
                       .command_timeout = read_command_timeout(directory)};
}

View make_view(const LunAttributes& attributes, const tcmud_props& props, const Modes& modes) {
  const uint32_t block_size = attributes.block_size;
  auto lun = std::make_shared<scsi::Lun>();
  lun->block_size = block_size;
  lun->blocks = attributes.size / block_size;
  lun->physical_block_size = props.physical_block_size;
  lun->serial = attributes.serial;
  lun->read_only = props.read_only != 0;
  lun->software_write_protect = modes.software_write_protect;
  lun->write_cache = props.write_cache != 0 && !modes.write_through;
  lun->can_switch_write_cache = props.write_cache != 0;
  lun->default_write_cache = props.write_cache != 0 && !modes.default_write_through;
  lun->rotational = props.rotational != 0;
  lun->can_flush = props.flush == TCMUD_NATIVE;
  lun->can_fua = props.fua == TCMUD_NATIVE || lun->can_flush;
  lun->can_unmap = props.unmap == TCMUD_NATIVE && props.read_only == 0;
  lun->unmap_zeroes = props.unmap_zeroes != 0;
  lun->thin = props.thin != 0;
  lun->max_transfer_blocks =
      stricter(attributes.max_sectors, blocks_of(props.max_transfer, block_size));
  lun->optimal_transfer_blocks = blocks_of(props.optimal_io_size, block_size);
  lun->max_unmap_blocks = blocks_of(props.max_unmap_length, block_size);
  lun->max_unmap_descriptors = scsi::kMaxUnmapDescriptors;
  lun->unmap_granularity_blocks = blocks_of(props.unmap_granularity, block_size);
  lun->unmap_alignment_blocks = blocks_of(props.unmap_alignment, block_size);
  lun->features = kFeatures;
  if (modes.third_party_copy) {
    lun->features |= scsi::kCanCopy | scsi::kCanUseTokens;
  }
  lun->target_port_groups = attributes.port_groups.groups;
  lun->implicit_transition_seconds = attributes.port_groups.implicit_transition_seconds;
  for (const scsi::TargetPortGroup& group : lun->target_port_groups) {
    lun->features |= scsi::kHasPortGroups;
    if (group.explicitly) {
      lun->features |= scsi::kCanSetPortGroups;
    }
  }
  lun->max_compare_and_write_blocks =
      static_cast<uint8_t>(stricter(lun->max_transfer_blocks, kMaxCompareAndWriteBlocks));
  // What is written in one piece stays whole when the power goes: that is a physical block, and no
  // handler promises more.
  lun->max_atomic_blocks = props.physical_block_size / block_size;
  lun->atomic_alignment_blocks = lun->max_atomic_blocks;
  return View{.lun = std::move(lun), .props = props, .write_through = modes.write_through};
}

}  // namespace tcmud::device
