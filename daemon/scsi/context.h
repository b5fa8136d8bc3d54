// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "scsi/command_table.h"
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

// 05/<code>, pointing at a byte of the parameter list.
[[nodiscard]] inline Outcome illegal_parameter(AdditionalSense code, size_t byte) {
  return check_condition({.key = SenseKey::kIllegalRequest,
                          .code = code,
                          .field = static_cast<uint16_t>(byte),
                          .field_in_cdb = false});
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

// Writes response data from its beginning. Nothing is ever written past the end of the buffer,
// which is larger than the longest answer (see the assertion in command_table.cpp).
class DataIn {
 public:
  explicit DataIn(const Context& c) : c_(c), out_(c.response) {}

  void put8(uint64_t v) {
    if (size_ < out_.size()) {
      out_[size_++] = static_cast<uint8_t>(v);
    }
  }
  void put16(uint64_t v) { put(v, 2); }
  void put24(uint64_t v) { put(v, 3); }
  void put32(uint64_t v) { put(v, 4); }
  void put64(uint64_t v) { put(v, 8); }
  void zeroes(size_t n) { put_n(0, n); }
  void bytes(std::span<const uint8_t> data) {
    for (const uint8_t b : data) {
      put8(b);
    }
  }
  // Left-aligned ASCII data (SPC-5 "ASCII data field requirements"): what is no graphic character
  // becomes a space.
  void text(std::string_view s) {
    for (const char ch : s) {
      put8(ch >= 0x20 && ch <= 0x7E ? static_cast<uint8_t>(ch) : uint8_t{' '});
    }
  }
  void padded_text(std::string_view s, size_t width) {
    text(s.substr(0, width));
    put_n(' ', width - std::min(width, s.size()));
  }

  [[nodiscard]] size_t size() const { return size_; }
  // Fills in a length that precedes what it counts.
  void patch8(size_t at, size_t v) { out_[at] = static_cast<uint8_t>(v); }
  void patch16(size_t at, size_t v) { store_be16(&out_[at], static_cast<uint16_t>(v)); }
  void patch32(size_t at, size_t v) { store_be32(&out_[at], static_cast<uint32_t>(v)); }

  // GOOD with what was written, cut to the allocation length and to the data buffer (SPC-5
  // "Allocation length").
  [[nodiscard]] Outcome reply() const {
    uint64_t limit = std::min<uint64_t>(size_, c_.command.data_length);
    if (c_.description.length.width != 0) {
      limit = std::min(limit, load(c_.cdb(), c_.description.length));
    }
    Outcome outcome;
    outcome.response_length = static_cast<uint32_t>(limit);
    return outcome;
  }

 private:
  void put(uint64_t v, int width) {
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
      put8(v >> shift);
    }
  }
  void put_n(uint8_t v, size_t n) {
    while (n-- > 0) {
      put8(v);
    }
  }

  const Context& c_;
  std::span<uint8_t> out_;
  size_t size_ = 0;
};

}  // namespace tcmud::scsi
