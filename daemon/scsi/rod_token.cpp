// SPDX-License-Identifier: Apache-2.0
#include "scsi/rod_token.h"

#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr size_t kRangeLength = 16;
constexpr size_t kPopulateHeader = 16;
constexpr size_t kWriteHeader = 536;

Outcome list_too_short() {
  return illegal_parameter(asc::kParameterListLengthError, 0);
}

bool overlap(const Range& a, const Range& b) {
  return a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}

// The range descriptors behind a header, whose last two bytes tell how many there are. Its first
// two, DATA LENGTH, count the bytes behind themselves.
Outcome decode_ranges(const Lun& lun, std::span<const uint8_t> list, size_t header,
                      TokenRanges& ranges) {
  const size_t data_length = load_be16(&list[0]);
  const size_t length_at = header - 2;
  const size_t length = load_be16(&list[length_at]);
  if (data_length + 2 < header + kRangeLength) {
    return invalid_parameter(0);
  }
  if (length < kRangeLength || length % kRangeLength != 0 || header + length > data_length + 2) {
    return invalid_parameter(length_at);
  }
  if (header + length > list.size()) {
    return list_too_short();
  }
  if (length / kRangeLength > kMaxTokenRanges) {
    return illegal_parameter(asc::kTooManySegmentDescriptors, length_at);
  }
  ranges.count = 0;
  ranges.total = 0;
  for (size_t at = header; at < header + length; at += kRangeLength) {
    const Extent extent{load_be64(&list[at]), load_be32(&list[at + 8])};
    if (!within_medium(lun, extent)) {
      return illegal_parameter(asc::kLbaOutOfRange, at);
    }
    if (extent.blocks == 0) {
      continue;
    }
    const Range range{extent.lba * lun.block_size, extent.blocks * lun.block_size};
    const auto end = ranges.range.begin() + static_cast<ptrdiff_t>(ranges.count);
    if (std::any_of(ranges.range.begin(), end,
                    [&](const Range& other) { return overlap(range, other); })) {
      return invalid_parameter(at);
    }
    ranges.total += range.length;
    if (ranges.total > kMaxTokenBytes) {
      return invalid_parameter(at + 8);
    }
    ranges.range[ranges.count++] = range;
  }
  return good();
}

Outcome to_the_engine(const Context& c, Outcome::Kind kind, size_t identifier_at) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.copy.list_identifier = load_be32(c.cdb() + identifier_at);
  return outcome;
}

// The list as long as the CDB says: at least `header` bytes, or none at all.
bool has_list(const Context& c, size_t header, std::span<const uint8_t>& list) {
  return parameter_list(c, list) && (list.empty() || list.size() >= header);
}

}  // namespace

Outcome decode_populate_token(const Lun& lun, std::span<const uint8_t> list,
                              PopulateToken& populate) {
  if (list.size() < kPopulateHeader) {
    return list_too_short();
  }
  populate.immediate = (list[2] & 0x01) != 0;  // IMMED
  const uint32_t timeout = load_be32(&list[4]);
  if (timeout > kMaxTokenTimeout) {
    return invalid_parameter(4);
  }
  populate.timeout = timeout == 0 ? kDefaultTokenTimeout : timeout;
  const bool has_type = (list[2] & 0x02) != 0;  // RTV
  if (has_type && load_be32(&list[8]) != kAccessUponReferenceRod) {
    return invalid_parameter(8);
  }
  return decode_ranges(lun, list, kPopulateHeader, populate.ranges);
}

Outcome decode_write_using_token(const Lun& lun, std::span<const uint8_t> list,
                                 WriteUsingToken& write) {
  if (list.size() < kWriteHeader) {
    return list_too_short();
  }
  write.immediate = (list[2] & 0x01) != 0;     // IMMED
  write.delete_token = (list[2] & 0x02) != 0;  // DEL_TKN
  const uint64_t blocks = load_be64(&list[8]);
  if (blocks > UINT64_MAX / lun.block_size) {
    return invalid_parameter(8);
  }
  write.offset = blocks * lun.block_size;
  write.token = list.subspan(16, kRodTokenLength);
  write.zeroes = load_be32(write.token.data()) == kBlockZeroRod;
  return decode_ranges(lun, list, kWriteHeader, write.ranges);
}

Outcome populate_token(const Context& c) {
  std::span<const uint8_t> list;
  if (!has_list(c, kPopulateHeader, list)) {
    return parameter_list_length_error(c);
  }
  if (list.empty()) {
    return good();
  }
  PopulateToken populate;
  Outcome bad = decode_populate_token(c.lun, list, populate);
  return bad.status != Status::kGood ? bad : to_the_engine(c, Outcome::Kind::kPopulateToken, 6);
}

Outcome write_using_token(const Context& c) {
  std::span<const uint8_t> list;
  if (!has_list(c, kWriteHeader, list)) {
    return parameter_list_length_error(c);
  }
  if (list.empty()) {
    return good();
  }
  WriteUsingToken write;
  Outcome bad = decode_write_using_token(c.lun, list, write);
  return bad.status != Status::kGood ? bad : to_the_engine(c, Outcome::Kind::kWriteUsingToken, 6);
}

Outcome receive_rod_token_information(const Context& c) {
  Outcome outcome = to_the_engine(c, Outcome::Kind::kReceiveRodTokenInformation, 2);
  outcome.copy.allocation_length =
      static_cast<uint32_t>(std::min<uint64_t>(DataIn::room(c), UINT32_MAX));
  return outcome;
}

size_t token_information_data(const TokenInformation& information, std::span<uint8_t> out) {
  std::array<uint8_t, 32> sense;
  const size_t sense_length = information.completion == Status::kCheckCondition
                                  ? encode_sense(information.sense, sense)
                                  : 0;
  const bool has_token = information.token.size() == kRodTokenLength;
  const size_t tokens = has_token ? 2 + kRodTokenLength : 0;
  DataWriter data(out);
  data.put32(32 - 4 + sense_length + 4 + tokens);  // AVAILABLE DATA
  data.put8(information.populate ? 0x10 : 0x11);   // RESPONSE TO SERVICE ACTION
  data.put8(static_cast<uint8_t>(information.state));
  data.put16(0);           // OPERATION COUNTER
  data.put32(0xFFFFFFFE);  // ESTIMATED STATUS UPDATE DELAY: no estimate
  data.put8(static_cast<uint8_t>(information.completion));
  data.put8(sense_length);  // LENGTH OF THE SENSE DATA FIELD
  data.put8(sense_length);  // SENSE DATA LENGTH
  data.put8(0xF1);          // TRANSFER COUNT UNITS: logical blocks
  data.put64(information.blocks);
  data.put16(0);  // SEGMENTS PROCESSED
  data.zeroes(6);
  data.bytes(std::span(sense).first(sense_length));
  data.put32(tokens);  // ROD TOKEN DESCRIPTORS LENGTH
  if (has_token) {
    data.put16(0);
    data.bytes(information.token);
  }
  return data.size();
}

}  // namespace tcmud::scsi
