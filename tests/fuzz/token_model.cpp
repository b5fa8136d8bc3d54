// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/bytes.h"
#include "fuzz/copy_model.h"

// POPULATE TOKEN, WRITE USING TOKEN and RECEIVE ROD TOKEN INFORMATION. A token stands for what was
// there when it was made: whoever writes by it writes that, or is refused.
namespace tcmud::test {
namespace {

constexpr uint64_t kBlock = MediumModel::kBlock;
constexpr size_t kPopulateHeader = 16, kWriteHeader = 536, kRange = 16, kTokenBytes = 512;
constexpr size_t kMostRanges = 64, kMostTokens = 60;
constexpr uint32_t kZeroRod = 0xFFFF0001, kPointInTime = 0x00010000;
constexpr uint8_t kImmediate = 1, kDelete = 2, kHasType = 2;
constexpr uint8_t kDone = 1, kFailed = 2, kPartial = 3, kInBackground = 0x12;

bool overlap(const LbaRange& a, const LbaRange& b) {
  return a.lba < b.lba + b.blocks && b.lba < a.lba + a.blocks;
}

std::optional<std::vector<LbaRange>> ranges_of(std::span<const uint8_t> list, size_t header,
                                               const MediumModel& medium) {
  if (list.size() < header) {
    return std::nullopt;
  }
  const size_t all = load_be16(list.data()) + size_t{2};
  const size_t bytes = load_be16(&list[header - 2]);
  if (bytes == 0 || bytes % kRange != 0 || bytes / kRange > kMostRanges || header + bytes > all ||
      header + bytes > list.size()) {
    return std::nullopt;
  }
  std::vector<LbaRange> ranges;
  for (size_t at = header; at < header + bytes; at += kRange) {
    const LbaRange range{load_be64(&list[at]), load_be32(&list[at + 8])};
    if (!medium.is_within(range.lba, range.blocks) ||
        (range.blocks != 0 && std::any_of(ranges.begin(), ranges.end(), [&](const LbaRange& other) {
           return overlap(range, other);
         }))) {
      return std::nullopt;
    }
    if (range.blocks != 0) {
      ranges.push_back(range);
    }
  }
  return ranges;
}

}  // namespace

CopyModel::Token* CopyModel::find(std::span<const uint8_t> bytes) {
  const auto found = std::find_if(tokens_.begin(), tokens_.end(), [bytes](const Token& token) {
    return std::equal(bytes.begin(), bytes.end(), token.bytes.begin(), token.bytes.end());
  });
  return found == tokens_.end() ? nullptr : &*found;
}

std::string CopyModel::populate_token(const Asked& asked, const MediumModel& medium) {
  const size_t length = load_be32(&asked.cdb[10]);
  const uint32_t id = load_be32(&asked.cdb[6]);
  if (length == 0) {
    return asked.outcome.good() || asked.cdb[15] != 0 ? "" : "not GOOD, and nothing was to be done";
  }
  ++commands_;
  token_commands_.erase(id);
  const auto list = asked.list.first(std::min(asked.list.size(), length));
  const auto ranges = ranges_of(list, kPopulateHeader, medium);
  const uint32_t timeout = ranges ? load_be32(&list[4]) : 0;
  const bool valid = ranges && list.size() == length && timeout <= 600 &&
                     ((list[2] & kHasType) == 0 || load_be32(&list[8]) == kPointInTime);
  if (!asked.outcome.good()) {
    return !valid || asked.hindered || asked.cdb[15] != 0 || tokens_.size() + older_ >= kMostTokens
               ? ""
               : "not GOOD, and nothing is wrong with it";
  }
  if (!valid) {
    return "GOOD for a POPULATE TOKEN that can't be done";
  }
  Token token{.list_identifier = id, .ranges = *ranges};
  token.lives_until = Clock::now() + std::chrono::seconds(timeout == 0 ? 30 : timeout) -
                      std::chrono::milliseconds(500);
  Record record{.populate = true, .state = kDone, .token = tokens_.size()};
  for (const LbaRange& range : *ranges) {
    const auto from = medium.bytes().begin() + static_cast<long>(range.lba * kBlock);
    token.data.insert(token.data.end(), from, from + static_cast<long>(range.blocks * kBlock));
    record.count += range.blocks;
  }
  for (Token& other : tokens_) {
    other.list_identifier = other.list_identifier == id ? UINT32_MAX : other.list_identifier;
  }
  tokens_.push_back(std::move(token));
  remember(token_commands_, id, record);
  return {};
}

std::string CopyModel::write_using_token(const Asked& asked, MediumModel& medium) {
  const size_t length = load_be32(&asked.cdb[10]);
  const uint32_t id = load_be32(&asked.cdb[6]);
  const bool good = asked.outcome.good();
  if (length == 0) {
    return good || asked.hindered || asked.cdb[15] != 0 ? ""
                                                        : "not GOOD, and nothing was to be done";
  }
  ++commands_;
  token_commands_.erase(id);
  const auto list = asked.list.first(std::min(asked.list.size(), length));
  const auto ranges = ranges_of(list, kWriteHeader, medium);
  if (!ranges || list.size() < length) {
    return good ? "GOOD for a WRITE USING TOKEN that can't be done" : "";
  }
  const auto bytes = list.subspan(16, kTokenBytes);
  const bool zeroes = load_be32(bytes.data()) == kZeroRod;
  Token* const token = zeroes ? nullptr : find(bytes);
  if (!zeroes && (token == nullptr || token->deleted)) {
    return good ? "GOOD for a token that isn't there" : "";
  }
  const uint64_t offset = load_be64(&list[8]);
  if (offset > UINT64_MAX / kBlock || (token != nullptr && offset * kBlock > token->data.size())) {
    return good ? "GOOD for an offset beyond the token" : "";
  }
  Bytes next = medium.bytes();
  uint64_t wanted = 0;
  uint64_t at = offset * kBlock;
  uint64_t written = 0;
  bool over_itself = false;
  std::vector<LbaRange> destinations;
  for (const LbaRange& range : *ranges) {
    const uint64_t rest = token == nullptr ? range.blocks * kBlock : token->data.size() - at;
    const uint64_t bytes_here = std::min(range.blocks * kBlock, rest);
    uint8_t* to = next.data() + range.lba * kBlock;
    if (token == nullptr) {
      std::fill_n(to, bytes_here, uint8_t{0});
    } else {
      std::copy_n(token->data.begin() + static_cast<long>(at), bytes_here, to);
      at += bytes_here;
    }
    wanted += range.blocks * kBlock;
    written += bytes_here;
    destinations.push_back({range.lba, bytes_here / kBlock});
    for (const LbaRange& source : token == nullptr ? std::vector<LbaRange>() : token->ranges) {
      over_itself |= overlap(destinations.back(), source);
    }
  }
  const bool alive = token == nullptr || (!token->touched && Clock::now() < token->lives_until);
  for (const LbaRange& range : destinations) {
    touch(range);
  }
  if (!good) {
    if (asked.hindered) {
      medium.may_be(std::move(next));
    }
    return !alive || over_itself || asked.hindered || asked.cdb[15] != 0
               ? ""
               : "not GOOD, and nothing is wrong with it";
  }
  if (asked.corrupt) {
    return "GOOD for a LUN that can't be written";
  }
  const Record record{.state = written < wanted ? kPartial : kDone, .count = written / kBlock};
  const auto deleted = (list[2] & kDelete) != 0 && token != nullptr
                           ? std::optional<size_t>(token - tokens_.data())
                           : std::nullopt;
  if ((list[2] & kImmediate) != 0) {
    background_ = {id, std::move(next), record, deleted};
    return {};
  }
  if (deleted) {
    token->deleted = true;
  }
  medium.is(std::move(next));
  remember(token_commands_, id, record);
  return {};
}

std::string CopyModel::receive_token_information(const Asked& asked) {
  const uint32_t id = load_be32(&asked.cdb[2]);
  const auto& data = asked.outcome.data_in;
  if (background_ && background_->list_identifier == id) {
    return asked.outcome.good() && data.size() >= 6 && data[5] != kInBackground
               ? "a WRITE USING TOKEN that goes on isn't told to"
               : "";
  }
  const Record* record = find(token_commands_, id);
  if (record == nullptr || load_be32(&asked.cdb[10]) < 36 || asked.cdb[15] != 0) {
    return {};
  }
  if (!asked.outcome.good()) {
    return "nothing is known of a command that was";
  }
  if (data.size() < 36) {
    return {};
  }
  if (data[4] != (record->populate ? 0x10 : 0x11) || data[5] != record->state) {
    return "a command that ended otherwise";
  }
  if (data[15] != 0xF1 || (record->state != kFailed && load_be64(&data[16]) != record->count)) {
    return "another number of blocks";
  }
  const size_t at = size_t{32} + data[13] + 4;
  if (record->token && load_be32(&asked.cdb[10]) >= at + 2 + kTokenBytes &&
      data.size() >= at + 2 + kTokenBytes) {
    if (load_be32(&data[at - 4]) != 2 + kTokenBytes) {
      return "a POPULATE TOKEN without a token";
    }
    const auto from = data.begin() + static_cast<long>(at + 2);
    const Bytes told(from, from + kTokenBytes);
    Bytes& known = tokens_[*record->token].bytes;
    if (!known.empty() && known != told) {
      return "another token than before";
    }
    known = told;
  }
  return {};
}

std::optional<uint32_t> CopyModel::at_work() const {
  return background_ ? std::optional(background_->list_identifier) : std::nullopt;
}

std::string CopyModel::ended(const Outcome& information, bool failed, MediumModel& medium) {
  Background ended = std::move(*background_);
  background_.reset();
  const auto& data = information.data_in;
  if (!information.good() || data.size() < 36) {
    return "nothing is known of a WRITE USING TOKEN at work";
  }
  if (failed ? data[5] != kFailed
             : data[5] != ended.record.state || load_be64(&data[16]) != ended.record.count) {
    return "a WRITE USING TOKEN ended otherwise";
  }
  if (failed) {
    medium.may_be(std::move(ended.next));
    ended.record.state = kFailed;
  } else {
    medium.is(std::move(ended.next));
    if (ended.deletes) {
      tokens_[*ended.deletes].deleted = true;
    }
  }
  remember(token_commands_, ended.list_identifier, ended.record);
  return {};
}

}  // namespace tcmud::test
