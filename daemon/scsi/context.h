// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "scsi/command_table.h"
#include "scsi/data_writer.h"
#include "scsi/execute.h"

// What the commands of this room share: their input, the extents of their CDBs, and ways to say an
// answer.
namespace tcmud::scsi {

// One command on its way. The CDB is complete: at least description.cdb_length bytes.
struct Context {
  const Lun& lun;
  const Command& command;
  const CommandDescription& description;
  std::span<uint8_t> response;
  std::span<Range> ranges;

  [[nodiscard]] const uint8_t* cdb() const { return command.cdb.data(); }
  // The byte with RDPROTECT or WRPROTECT, DPO and FUA, and others in their place.
  [[nodiscard]] uint8_t flags() const { return command.cdb[description.flags_byte()]; }
};

[[nodiscard]] inline uint64_t load(const uint8_t* cdb, Field field) {
  const uint8_t* p = cdb + field.offset;
  switch (field.width) {
    case 1:
      return p[0];
    case 2:
      return load_be16(p);
    case 3:
      return load_be24(p);
    case 4:
      return load_be32(p);
    case 8:
      return load_be64(p);
    default:
      return 0;
  }
}

// ---- Answers -------------------------------------------------------------------------------

[[nodiscard]] inline Outcome good() {
  return {};
}

[[nodiscard]] inline Outcome check_condition(const Sense& sense) {
  Outcome outcome;
  outcome.status = Status::kCheckCondition;
  outcome.sense = sense;
  return outcome;
}

// 05/<code>, pointing at a byte of the CDB and, where given, at the leftmost bit of the field.
[[nodiscard]] inline Outcome illegal_cdb(AdditionalSense code, size_t byte,
                                         std::optional<uint8_t> bit = std::nullopt) {
  return check_condition({.key = SenseKey::kIllegalRequest,
                          .code = code,
                          .field = static_cast<uint16_t>(byte),
                          .field_bit = bit});
}

// 05/24/00.
[[nodiscard]] inline Outcome invalid_field(size_t byte, std::optional<uint8_t> bit = std::nullopt) {
  return illegal_cdb(asc::kInvalidFieldInCdb, byte, bit);
}

// 05/24/00, pointing at a bit of the byte that Context::flags() gives.
[[nodiscard]] inline Outcome invalid_flag(const Context& c, uint8_t bit) {
  return invalid_field(c.description.flags_byte(), bit);
}

// 05/<code>, pointing at a byte of the parameter list.
[[nodiscard]] inline Outcome illegal_parameter(AdditionalSense code, size_t byte,
                                               std::optional<uint8_t> bit = std::nullopt) {
  return check_condition({.key = SenseKey::kIllegalRequest,
                          .code = code,
                          .field = static_cast<uint16_t>(byte),
                          .field_in_cdb = false,
                          .field_bit = bit});
}

// 05/26/00.
[[nodiscard]] inline Outcome invalid_parameter(size_t byte,
                                               std::optional<uint8_t> bit = std::nullopt) {
  return illegal_parameter(asc::kInvalidFieldInParameterList, byte, bit);
}

// 05/0E/03: the CDB wants more data than the transport says there is. The CDB is not wrong, so
// nothing in it is pointed at.
[[nodiscard]] inline Outcome data_buffer_too_short() {
  return check_condition(
      {.key = SenseKey::kIllegalRequest, .code = asc::kInvalidFieldInCommandInformationUnit});
}

[[nodiscard]] inline Outcome ask_handler(const BlockRequest& block) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kBlock;
  outcome.block = block;
  return outcome;
}

// ---- Extents -------------------------------------------------------------------------------

struct Extent {
  uint64_t lba = 0;
  uint64_t blocks = 0;
};

// LBA and number of blocks of any CDB size.
[[nodiscard]] inline Extent decode_extent(const Context& c) {
  Extent extent{load(c.cdb(), c.description.lba), load(c.cdb(), c.description.length)};
  if (c.description.cdb_length == 6) {
    // 21 bits of LBA, and a TRANSFER LENGTH of zero stands for 256 (SBC-4, READ (6), WRITE (6)).
    extent.lba &= 0x1FFFFF;
    if (extent.blocks == 0) {
      extent.blocks = 256;
    }
  }
  return extent;
}

// No sum is formed that could overflow. An empty extent at the very end of the medium is within it.
[[nodiscard]] inline bool within_medium(const Lun& lun, const Extent& extent) {
  return extent.lba <= lun.blocks && extent.blocks <= lun.blocks - extent.lba;
}

[[nodiscard]] inline Outcome lba_out_of_range(const Context& c) {
  return illegal_cdb(asc::kLbaOutOfRange, c.description.lba.offset);
}

// ---- Limits of UNMAP, as Block Limits tells them -------------------------------------------

[[nodiscard]] inline uint32_t unmap_block_limit(const Lun& lun) {
  return lun.max_unmap_blocks != 0 ? lun.max_unmap_blocks : UINT32_MAX;
}

[[nodiscard]] inline uint32_t unmap_descriptor_limit(const Lun& lun) {
  return lun.max_unmap_descriptors != 0 ? std::min(lun.max_unmap_descriptors, kMaxUnmapDescriptors)
                                        : kMaxUnmapDescriptors;
}

// ---- Data-in -------------------------------------------------------------------------------

// Writes response data, into a buffer that is larger than the longest answer (see the assertion in
// command_table.cpp).
class DataIn : public DataWriter {
 public:
  explicit DataIn(const Context& c) : DataWriter(c.response), c_(c) {}

  // GOOD with what was written, cut to the allocation length and to the data buffer (SPC-5
  // "Allocation length").
  [[nodiscard]] Outcome reply() const {
    Outcome outcome;
    outcome.response_length = static_cast<uint32_t>(std::min<uint64_t>(size(), room(c_)));
    return outcome;
  }

  // How much data-in there is room for: ALLOCATION LENGTH, where there is one, and the data buffer.
  [[nodiscard]] static uint64_t room(const Context& c) {
    return c.description.length.width == 0
               ? c.command.data_length
               : std::min(c.command.data_length, load(c.cdb(), c.description.length));
  }

 private:
  const Context& c_;
};

// ---- Data-out ------------------------------------------------------------------------------

// The parameter list, as long as its PARAMETER LIST LENGTH says. False where the data that came, or
// the longest list of any command, is shorter.
[[nodiscard]] inline bool parameter_list(const Context& c, std::span<const uint8_t>& list) {
  const uint64_t length = load(c.cdb(), c.description.length);
  if (length > c.command.data_length || length > c.command.parameters.size()) {
    return false;
  }
  list = c.command.parameters.first(length);
  return true;
}

[[nodiscard]] inline Outcome parameter_list_length_error(const Context& c) {
  return illegal_cdb(asc::kParameterListLengthError, c.description.length.offset);
}

}  // namespace tcmud::scsi
