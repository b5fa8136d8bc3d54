// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <ostream>
#include <vector>

#include <gtest/gtest.h>

#include "scsi/command_table.h"
#include "scsi/execute.h"

namespace tcmud::scsi {

// For gtest's messages.
inline void PrintTo(const Sense& s, std::ostream* out) {
  *out << std::hex << static_cast<int>(s.key) << "/" << s.code;
  if (s.field) {
    *out << (s.field_in_cdb ? " CDB byte " : " parameter byte ") << std::dec << *s.field;
  }
  if (s.field_bit) {
    *out << " bit " << static_cast<int>(*s.field_bit);
  }
}

namespace test {

using Bytes = std::vector<uint8_t>;

// What one command came to.
struct Answer {
  Outcome outcome;
  Bytes data;  // data-in, outcome.response_length bytes
  std::vector<Range> ranges;

  [[nodiscard]] bool good() const {
    return outcome.kind == Outcome::Kind::kReply && outcome.status == Status::kGood;
  }
  [[nodiscard]] bool block() const { return outcome.kind == Outcome::Kind::kBlock; }
};

// 1 GiB that can do everything.
inline Lun everything() {
  Lun lun;
  lun.block_size = 512;
  lun.blocks = 2097152;
  lun.physical_block_size = 4096;
  lun.serial = "3a5b6c7d-8e9f-4a1b-8c2d-0123456789ab";
  lun.write_cache = true;
  lun.can_fua = true;
  lun.can_unmap = true;
  lun.unmap_zeroes = true;
  lun.thin = true;
  lun.max_transfer_blocks = 8192;
  lun.optimal_transfer_blocks = 2048;
  lun.unmap_granularity_blocks = 8;
  lun.unmap_alignment_blocks = 4;
  lun.max_write_same_blocks = 65536;
  lun.features = UINT32_MAX;
  lun.can_switch_write_cache = true;
  lun.default_write_cache = true;
  lun.max_compare_and_write_blocks = 32;
  lun.max_atomic_blocks = 256;
  lun.threshold_exponent = 11;
  lun.resources = ProvisioningResources{.available = 1000, .used = 24};
  return lun;
}

// 1 MiB that can do nothing beyond reading and writing.
inline Lun plain() {
  Lun lun;
  lun.blocks = 2048;
  lun.rotational = true;
  lun.can_flush = false;
  return lun;
}

inline constexpr uint64_t kPlenty = 1 << 20;  // bytes of data buffer

// Executes one command, with guard bytes around what execute() may write.
inline Answer run(const Lun& lun, const Bytes& cdb, uint64_t data_length = kPlenty,
                  const Bytes& data_out = {}, const Sense* pending = nullptr) {
  constexpr uint8_t kGuard = 0xA5;
  constexpr size_t kMargin = 64;
  static std::vector<uint8_t> response;
  static std::vector<Range> ranges;
  response.assign(kMaxResponse + 2 * kMargin, kGuard);
  ranges.assign(kMaxUnmapDescriptors + 2, {kGuard, kGuard});

  // The caller's side of the contract: as much data-out as was asked for, and as there is. A copy
  // of its own, so that the address sanitizer sees a read beyond it.
  const size_t wanted = parameter_list_length(cdb, data_length);
  EXPECT_LE(wanted, std::min<uint64_t>(data_length, kMaxParameterList));
  const Bytes parameters(data_out.begin(), data_out.begin() + static_cast<ptrdiff_t>(std::min(
                                                                  wanted, data_out.size())));
  const Command command{
      .cdb = cdb, .data_length = data_length, .parameters = parameters, .pending_sense = pending};
  Answer answer;
  answer.outcome = execute(lun, command, std::span(response).subspan(kMargin, kMaxResponse),
                           std::span(ranges).subspan(1, kMaxUnmapDescriptors));

  const auto untouched = [](uint8_t b) { return b == kGuard; };
  EXPECT_TRUE(std::all_of(response.begin(), response.begin() + kMargin, untouched));
  EXPECT_TRUE(std::all_of(response.end() - kMargin, response.end(), untouched));
  EXPECT_EQ(ranges.front().offset, kGuard);
  EXPECT_EQ(ranges.back().offset, kGuard);
  EXPECT_LE(answer.outcome.response_length, kMaxResponse);
  EXPECT_LE(answer.outcome.block.ranges, kMaxUnmapDescriptors);
  const auto first = response.begin() + kMargin;
  answer.data.assign(first, first + answer.outcome.response_length);
  answer.ranges.assign(ranges.begin() + 1, ranges.begin() + 1 + answer.outcome.block.ranges);
  return answer;
}

// The sense data of ILLEGAL REQUEST, pointing at a byte of the CDB.
inline Sense illegal(AdditionalSense code, uint16_t byte, std::optional<uint8_t> bit = {}) {
  return {.key = SenseKey::kIllegalRequest, .code = code, .field = byte, .field_bit = bit};
}
inline Sense invalid_field(uint16_t byte, std::optional<uint8_t> bit = {}) {
  return illegal(asc::kInvalidFieldInCdb, byte, bit);
}
inline Sense illegal_parameter(AdditionalSense code, uint16_t byte,
                               std::optional<uint8_t> bit = {}) {
  return {.key = SenseKey::kIllegalRequest,
          .code = code,
          .field = byte,
          .field_in_cdb = false,
          .field_bit = bit};
}
inline Sense invalid_parameter(uint16_t byte, std::optional<uint8_t> bit = {}) {
  return illegal_parameter(asc::kInvalidFieldInParameterList, byte, bit);
}
// The data buffer is shorter than the CDB's transfer.
inline Sense short_buffer() {
  return {.key = SenseKey::kIllegalRequest, .code = asc::kInvalidFieldInCommandInformationUnit};
}

inline void expect_check(const Answer& answer, const Sense& sense) {
  EXPECT_EQ(answer.outcome.kind, Outcome::Kind::kReply);
  EXPECT_EQ(answer.outcome.status, Status::kCheckCondition);
  EXPECT_EQ(answer.outcome.sense, sense);
  EXPECT_TRUE(answer.data.empty());
}

inline void expect_good(const Answer& answer) {
  EXPECT_TRUE(answer.good()) << ::testing::PrintToString(answer.outcome.sense);
}

inline void put_be(Bytes& bytes, size_t offset, size_t width, uint64_t value) {
  for (size_t i = 0; i < width; ++i) {
    bytes.at(offset + i) = static_cast<uint8_t>(value >> (8 * (width - 1 - i)));
  }
}

inline uint64_t get_be(const Bytes& bytes, size_t offset, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) {
    value = value << 8 | bytes.at(offset + i);
  }
  return value;
}

// Where a CDB has its service action, by hand: byte 1, or bytes 8 and 9 of a variable length CDB.
inline bool is_service_action(const CommandDescription& d, size_t byte, int bit) {
  return d.opcode == 0x7F ? byte == 8 || byte == 9 : d.has_service_action() && byte == 1 && bit < 5;
}

inline void set_service_action(Bytes& cdb, uint16_t service_action) {
  if (cdb.at(0) == 0x7F) {
    cdb.at(8) = static_cast<uint8_t>(service_action >> 8);
    cdb.at(9) = static_cast<uint8_t>(service_action);
  } else {
    cdb.at(1) = static_cast<uint8_t>((cdb.at(1) & 0xE0) | service_action);
  }
}

// A CDB of this command with everything zero but operation code, service action and, in a variable
// length CDB, its length.
inline Bytes blank_cdb(const CommandDescription& d) {
  Bytes cdb(d.cdb_length, 0);
  cdb[0] = d.opcode;
  if (d.opcode == 0x7F) {
    cdb[7] = 0x18;
  }
  if (d.has_service_action()) {
    set_service_action(cdb, d.service_action);
  }
  return cdb;
}

inline Bytes with_extent(const CommandDescription& d, uint64_t lba, uint64_t blocks) {
  Bytes cdb = blank_cdb(d);
  put_be(cdb, d.lba.offset, d.lba.width, lba);
  put_be(cdb, d.length.offset, d.length.width, blocks);
  return cdb;
}

}  // namespace test
}  // namespace tcmud::scsi
