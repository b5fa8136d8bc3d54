// SPDX-License-Identifier: Apache-2.0
#include "fuzz/copy_model.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

// EXTENDED COPY (LID1), and what is asked of it. Tokens: token_model.cpp.
namespace tcmud::test {
namespace {

constexpr uint64_t kBlock = MediumModel::kBlock;
constexpr size_t kHeader = 16, kCscd = 32, kSegment = 28;
constexpr size_t kMostCscds = 8, kMostSegments = 64;
constexpr uint16_t kThisLun = 0xFFFF;
constexpr uint8_t kReserved = 1, kNone = 3;  // LIST ID USAGE
constexpr uint8_t kHold = 0;
constexpr size_t kRemembered = 60;

// An identification descriptor of a direct access block device, by an NAA designator.
bool is_cscd(std::span<const uint8_t> d) {
  return d[0] == 0xE4 && (d[1] & 0x1F) == 0 && (d[4] & 0x0F) == 1 && (d[5] & 0x3F) == 3 &&
         (d[7] == 8 || d[7] == 16);
}

}  // namespace

std::optional<std::vector<CopyModel::Segment>> CopyModel::segments_of(
    std::span<const uint8_t> list, const MediumModel& medium) const {
  if (list.size() < kHeader) {
    return std::nullopt;
  }
  const uint8_t usage = list[1] >> 3 & 3;
  const size_t cscds = load_be16(&list[2]);
  const size_t segments = load_be32(&list[8]);
  if (usage == kReserved || (usage == kNone && list[0] != 0) || cscds % kCscd != 0 ||
      cscds / kCscd > kMostCscds || segments % kSegment != 0 ||
      segments / kSegment > kMostSegments || load_be32(&list[12]) != 0 ||
      kHeader + cscds + segments > list.size()) {
    return std::nullopt;
  }
  const auto cscd = [&](size_t i) { return list.subspan(kHeader + i * kCscd, kCscd); };
  for (size_t i = 0; i < cscds / kCscd; ++i) {
    if (!is_cscd(cscd(i))) {
      return std::nullopt;
    }
  }
  const auto is_this = [&](uint16_t i) {
    return i == kThisLun ||
           (i < cscds / kCscd && cscd(i)[7] == naa_.size() &&
            std::equal(naa_.begin(), naa_.end(), &cscd(i)[8]) && load_be24(&cscd(i)[29]) == kBlock);
  };
  std::vector<Segment> found;
  for (size_t at = kHeader + cscds; at < kHeader + cscds + segments; at += kSegment) {
    const uint8_t* d = &list[at];
    const Segment segment{load_be64(d + 12), load_be64(d + 20), load_be16(d + 10)};
    if (d[0] != 0x02 || load_be16(d + 2) != kSegment - 4 || !is_this(load_be16(d + 4)) ||
        !is_this(load_be16(d + 6)) || !medium.is_within(segment.from, segment.blocks) ||
        !medium.is_within(segment.to, segment.blocks)) {
      return std::nullopt;
    }
    found.push_back(segment);
  }
  return found;
}

std::string CopyModel::extended_copy(const Asked& asked, MediumModel& medium) {
  const Outcome& outcome = asked.outcome;
  const size_t length = load_be32(&asked.cdb[10]);
  if (length == 0) {
    return outcome.good() || asked.cdb[15] != 0 ? "" : "not GOOD, and nothing was to be done";
  }
  ++commands_;
  const auto segments =
      length > asked.list.size() ? std::nullopt : segments_of(asked.list.first(length), medium);
  if (!segments) {
    if (!asked.list.empty()) {
      copies_.erase(asked.list[0]);
    }
    return outcome.good() ? "GOOD for an EXTENDED COPY that can't be done" : "";
  }
  const uint8_t usage = asked.list[1] >> 3 & 3;
  if (usage != kNone) {
    copies_.erase(asked.list[0]);
  }
  const bool failed = outcome.check(0x0A, 0x0D, 0x01);
  if (!outcome.good() && !failed) {
    return asked.hindered || asked.cdb[15] != 0 ? "" : "not GOOD, and nothing is wrong with it";
  }
  if (failed && !asked.hindered) {
    return "a copy that fails although nobody does";
  }
  // The number of the segment is told: COMMAND-SPECIFIC INFORMATION, its last two bytes.
  const size_t last = failed ? load_be16(&outcome.sense[10]) : segments->size();
  if (failed &&
      (last >= segments->size() || load_be32(&outcome.sense[3]) > (*segments)[last].blocks)) {
    return "a copy fails behind its end";
  }
  Record record{.state = uint8_t(failed ? 2 : 1), .count = 0, .segments = last};
  for (size_t i = 0; i < segments->size() && i <= last; ++i) {
    const Segment& s = (*segments)[i];
    touch({s.to, s.blocks});
    Bytes next = medium.bytes();
    std::memmove(next.data() + s.to * kBlock, next.data() + s.from * kBlock, s.blocks * kBlock);
    i < last ? medium.is(std::move(next)) : medium.may_be(std::move(next));
    record.count += i < last ? s.blocks * kBlock : 0;
  }
  if (asked.corrupt && record.count > 0) {
    return "a copy of what can't be read";
  }
  if (usage == kHold) {
    remember(copies_, asked.list[0], record);
  }
  return {};
}

std::string CopyModel::receive_copy_status(const Asked& asked) const {
  const Record* record = find(copies_, asked.cdb[2]);
  const auto& data = asked.outcome.data_in;
  if (record == nullptr || load_be32(&asked.cdb[10]) < 12 || asked.cdb[15] != 0) {
    return {};
  }
  if (!asked.outcome.good()) {
    return "nothing is known of a copy that was";
  }
  if (data.size() < 12) {
    return {};
  }
  if (data[4] != record->state || load_be16(&data[5]) != record->segments) {
    return "a copy that ended otherwise";
  }
  const bool counts = data[7] == 0 && (record->state == 1 ? load_be32(&data[8]) == record->count
                                                          : load_be32(&data[8]) >= record->count);
  return counts ? "" : "a copy of another size";
}

std::string CopyModel::receive_failure_details(const Asked& asked) const {
  const Record* record = find(copies_, asked.cdb[2]);
  const auto& data = asked.outcome.data_in;
  if (record == nullptr || load_be32(&asked.cdb[10]) < 4 || asked.cdb[15] != 0) {
    return {};
  }
  if (!asked.outcome.good()) {
    return "nothing is known of a copy that was";
  }
  const bool has_details = data.size() >= 4 && load_be32(data.data()) != 0;
  return data.size() < 4 || has_details == (record->state == 2)
             ? ""
             : "details of a failure that wasn't one, or none of one that was";
}

void CopyModel::touch(const LbaRange& range) {
  for (Token& token : tokens_) {
    for (const LbaRange& other : token.ranges) {
      token.touched |= range.lba < other.lba + other.blocks && other.lba < range.lba + range.blocks;
    }
  }
}

const CopyModel::Record* CopyModel::find(const Records& records, uint32_t list_identifier) const {
  const auto found = records.find(list_identifier);
  return found == records.end() || commands_ - found->second.number > kRemembered ? nullptr
                                                                                  : &found->second;
}

CopyModel::Record& CopyModel::remember(Records& records, uint32_t list_identifier, Record record) {
  record.number = commands_;
  return records[list_identifier] = record;
}

}  // namespace tcmud::test
