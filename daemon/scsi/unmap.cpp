// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr size_t kHeader = 8;
constexpr size_t kDescriptor = 16;

}  // namespace

Outcome unmap(const Context& c) {
  if ((c.cdb()[1] & 0x01) != 0) {  // ANCHOR
    return invalid_field(1, 0);
  }
  const uint64_t list_length = load(c.cdb(), c.description.length);
  if (list_length == 0) {
    return good();
  }
  const std::span<const uint8_t> list = c.command.parameters;
  if (list_length < kHeader || list_length > c.command.data_length ||
      list.size() < std::min<uint64_t>(list_length, kMaxParameterList)) {
    return illegal_cdb(asc::kParameterListLengthError, c.description.length.offset);
  }
  const size_t there = std::min<uint64_t>(load_be16(&list[2]), list_length - kHeader);
  const size_t count = there / kDescriptor;
  if (count > unmap_descriptor_limit(c.lun)) {
    return illegal_parameter(asc::kInvalidFieldInParameterList, 2);
  }

  uint64_t blocks = 0;  // at most kMaxUnmapDescriptors times 2^32
  uint32_t ranges = 0;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = kHeader + i * kDescriptor;
    const Extent extent{load_be64(&list[at]), load_be32(&list[at + 8])};
    if (!within_medium(c.lun, extent)) {
      return illegal_parameter(asc::kLbaOutOfRange, at);
    }
    blocks += extent.blocks;
    if (blocks > unmap_block_limit(c.lun)) {
      return illegal_parameter(asc::kInvalidFieldInParameterList, at + 8);
    }
    if (extent.blocks != 0) {
      c.ranges[ranges++] = {extent.lba * c.lun.block_size, extent.blocks * c.lun.block_size};
    }
  }
  return ranges == 0 ? good() : ask_handler({.op = BlockOp::kUnmap, .ranges = ranges});
}

}  // namespace tcmud::scsi
