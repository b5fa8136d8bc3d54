// SPDX-License-Identifier: Apache-2.0
#include "copy/lun_copies.h"

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "scsi/designator.h"

namespace tcmud::copy {
namespace {

using scsi::SenseKey;
using scsi::Status;
namespace asc = scsi::asc;
using Answer = LunCopies::Answer;
using End = CopyResult::End;

constexpr size_t kMaxRecords = 64;
// Tokens of one LUN: each write to it is compared with all of them.
constexpr size_t kMaxGuarded = 64;
// Between two lines of the log about copies that a LUN's initiators may not make.
constexpr uint64_t kObjectionsApart = 10'000'000'000;  // ns

Answer refuse(SenseKey key, scsi::AdditionalSense code) {
  return {.status = Status::kCheckCondition, .sense = {.key = key, .code = code}};
}

// What is wrong with a segment (SPC-4 "Errors detected during processing of segment descriptors").
Answer aborted(scsi::AdditionalSense code, uint16_t segment) {
  return {.status = Status::kCheckCondition,
          .sense = {.key = SenseKey::kCopyAborted, .code = code, .segment = segment}};
}

scsi::AdditionalSense ended_code(Token::State state) {
  switch (state) {
    case Token::State::kExpired:
      return asc::kTokenExpired;
    case Token::State::kDeleted:
      return asc::kTokenDeleted;
    default:
      return asc::kTokenRevoked;
  }
}

// What became of the LUNs that a copy is between (SPC-4 "Errors detected during processing of
// segment descriptors"), without the place of the error.
Answer answer_of(const CopyResult& result) {
  switch (result.end) {
    case End::kRunning:
    case End::kGood:
      return {};
    case End::kSourceFailed:
    case End::kDestinationFailed:
      return refuse(SenseKey::kCopyAborted, asc::kThirdPartyDeviceFailure);
    case End::kSourceGone:
    case End::kDestinationGone:
      return refuse(SenseKey::kCopyAborted, asc::kCopyTargetDeviceNotReachable);
    case End::kTokenEnded:
      return refuse(SenseKey::kIllegalRequest, ended_code(result.token_state));
    case End::kTooLong:
      return refuse(SenseKey::kCopyAborted, asc::kNone);
    case End::kCancelled:
      return refuse(SenseKey::kAbortedCommand, asc::kNone);
  }
  return refuse(SenseKey::kHardwareError, asc::kInternalTargetFailure);
}

// EXTENDED COPY: with the segment that failed, and what is left of it in blocks, as it counts them.
Answer extended_copy_answer(const CopyResult& result, const std::vector<uint64_t>& lengths,
                            const std::vector<uint32_t>& block_sizes) {
  Answer answer = answer_of(result);
  if (answer.sense.key == SenseKey::kCopyAborted && result.moves < lengths.size()) {
    answer.sense.segment = static_cast<uint16_t>(result.moves);
    answer.sense.information =
        (lengths[result.moves] - result.bytes_of_move) / block_sizes[result.moves];
  }
  return answer;
}

// WRITE USING TOKEN: the destination is the LUN itself, which says what it has to say.
Answer write_using_token_answer(const CopyResult& result) {
  if (result.end == End::kDestinationFailed) {
    return {.status = result.status, .sense = result.sense};
  }
  return answer_of(result);
}

// The ranges of a token from byte `offset` on, one after the other, to those of the command.
std::vector<Move> pair_up(const scsi::TokenRanges& from, uint64_t offset,
                          const std::shared_ptr<Lun>& source, const scsi::TokenRanges& to,
                          const std::shared_ptr<Lun>& destination) {
  std::vector<Move> moves;
  size_t i = 0;
  while (i < from.count && offset >= from.range[i].length) {
    offset -= from.range[i++].length;
  }
  uint64_t written = 0;
  for (size_t j = 0; i < from.count && j < to.count;) {
    const uint64_t length = std::min(from.range[i].length - offset, to.range[j].length - written);
    moves.push_back({.source = source,
                     .source_offset = from.range[i].offset + offset,
                     .destination = destination,
                     .destination_offset = to.range[j].offset + written,
                     .length = length});
    offset += length;
    written += length;
    if (offset == from.range[i].length) {
      offset = 0;
      ++i;
    }
    if (written == to.range[j].length) {
      written = 0;
      ++j;
    }
  }
  return moves;
}

}  // namespace

LunCopies::Record* LunCopies::find(bool token_command, uint32_t list_identifier) {
  const auto found = std::find_if(records_.begin(), records_.end(), [&](const Record& record) {
    return record.token_command == token_command && record.list_identifier == list_identifier;
  });
  return found == records_.end() ? nullptr : &*found;
}

// SPC-4 "LIST IDENTIFIER": one that is in use is refused; what is known of an older command by the
// same identifier is forgotten.
std::optional<Answer> LunCopies::make_room(bool token_command, uint32_t list_identifier) {
  if (const Record* record = find(token_command, list_identifier); record != nullptr) {
    if (record->is_running()) {
      return refuse(SenseKey::kIllegalRequest, asc::kOperationInProgress);
    }
    std::erase_if(records_, [record](const Record& other) { return &other == record; });
  }
  std::erase_if(records_,
                [](const Record& record) { return !record.keep && !record.is_running(); });
  if (records_.size() >= kMaxRecords) {
    const auto over = std::find_if(records_.begin(), records_.end(),
                                   [](const Record& record) { return !record.is_running(); });
    if (over == records_.end()) {
      return Answer{.status = Status::kTaskSetFull};
    }
    records_.erase(over);
  }
  return std::nullopt;
}

uint64_t LunCopies::deadline() const {
  return patience_ns_ == 0 ? 0 : monotonic_ns() + patience_ns_;
}

bool LunCopies::wants_ways(std::span<const uint8_t> list, uint64_t came) const {
  const std::shared_ptr<Lun> self = self_.lock();
  if (partners_ == Partners::kAll || are_fresh(came) || self == nullptr) {
    return false;
  }
  scsi::ExtendedCopy copy;
  static_cast<void>(scsi::decode_extended_copy(list, copy));
  const auto own = scsi::naa_of(self->told()->serial);
  return std::any_of(copy.cscd.begin(), copy.cscd.begin() + static_cast<long>(copy.cscds),
                     [&own](const scsi::CopyCscd& cscd) {
                       return !own ||
                              !std::equal(own->begin(), own->end(), cscd.naa.begin(),
                                          cscd.naa.begin() + static_cast<long>(cscd.naa_length));
                     });
}

// nullptr: there is none, or the command may not touch it, which initiators can't tell apart.
std::shared_ptr<Lun> LunCopies::resolve(const scsi::ExtendedCopy& copy, uint16_t cscd,
                                        const Ways* ways, bool writes) {
  std::shared_ptr<Lun> self = self_.lock();
  if (cscd == scsi::kThisLogicalUnit) {
    return self;
  }
  const scsi::CopyCscd& wanted = copy.cscd[cscd];
  std::shared_ptr<Lun> found = manager_->find(std::span(wanted.naa).first(wanted.naa_length));
  const bool usable = found != nullptr && self != nullptr && may_use(*self, *found, ways, writes);
  return usable ? std::move(found) : nullptr;
}

bool LunCopies::may_use(const Lun& self, const Lun& other, const Ways* ways, bool writes) {
  if (partners_ == Partners::kAll || &self == &other) {
    return true;
  }
  const auto found =
      ways == nullptr ? Objection{} : objection(*ways, self.name(), other.name(), writes);
  if (!found) {
    return true;
  }
  if (const uint64_t now = monotonic_ns();
      objected_ns_ == 0 || now - objected_ns_ > kObjectionsApart) {
    objected_ns_ = now;
    const std::string why =
        ways == nullptr ? std::string("configfs could not be read, to see who reaches it")
        : found->way == nullptr
            ? std::string("configfs knows no port that this LUN is reached by")
            : fmt::format("{} leads to this LUN and {}", found->way->name,
                          found->only_reads ? "only to reading that one" : "not to that one");
    log::warning(
        self.name(),
        "an initiator's EXTENDED COPY may not {} {}: {}. Map both LUNs {}wherever this one "
        "is mapped, or set third_party_copy = \"all\" in tcmu.conf",
        writes ? "write" : "read", other.name(), why, writes ? "for writing " : "");
  }
  return false;
}

// What each segment comes to. Everything is looked at before anything is copied.
Answer LunCopies::resolve(const scsi::ExtendedCopy& copy, const Ways* ways,
                          std::vector<Move>& moves) {
  for (size_t i = 0; i < copy.segments; ++i) {
    const scsi::CopySegment& segment = copy.segment[i];
    const std::shared_ptr<Lun> source = resolve(copy, segment.source, ways, false);
    const std::shared_ptr<Lun> destination = resolve(copy, segment.destination, ways, true);
    if (source == nullptr || destination == nullptr) {
      return aborted(asc::kCopyTargetDeviceNotReachable, static_cast<uint16_t>(i));
    }
    const auto from = source->told();
    const auto to = destination->told();
    for (const auto& [cscd, lun] : {std::pair(segment.source, from), {segment.destination, to}}) {
      if (cscd != scsi::kThisLogicalUnit && copy.cscd[cscd].block_length != lun->block_size) {
        return refuse(SenseKey::kIllegalRequest, asc::kInvalidFieldInParameterList);
      }
    }
    scsi::CopyExtents extents;
    if (!scsi::segment_extents(segment, *from, *to, extents)) {
      // Not LBA OUT OF RANGE, which would speak of the command's own LUN.
      return aborted(asc::kNone, static_cast<uint16_t>(i));
    }
    moves.push_back({.source = source,
                     .source_offset = extents.source,
                     .destination = destination,
                     .destination_offset = extents.destination,
                     .length = extents.length});
  }
  return {};
}

LunCopies::Begun LunCopies::extended_copy(std::span<const uint8_t> list, uint64_t came, Done done) {
  scsi::ExtendedCopy copy;
  static_cast<void>(scsi::decode_extended_copy(list, copy));
  const bool has_identifier = copy.usage != scsi::ExtendedCopy::Usage::kNone;
  if (has_identifier) {
    if (auto refused = make_room(false, copy.list_identifier)) {
      return {.answer = refused};
    }
  }
  std::vector<Move> moves;
  if (Answer bad = resolve(copy, are_fresh(came) ? ways_.get() : nullptr, moves);
      bad.status != Status::kGood) {
    return {.answer = bad};
  }
  Place place = manager_->take_place();
  if (!place) {
    return {.answer = Answer{.status = Status::kTaskSetFull}};
  }
  std::vector<uint64_t> lengths;
  std::vector<uint32_t> block_sizes;
  for (size_t i = 0; i < moves.size(); ++i) {
    lengths.push_back(moves[i].length);
    const Lun& counts =
        copy.segment[i].destination_counts ? *moves[i].destination : *moves[i].source;
    block_sizes.push_back(counts.told()->block_size);
  }
  auto copier = std::make_shared<Copier>(std::move(moves), nullptr, deadline(), std::move(place));
  if (!copier->run([done = std::move(done), lengths, block_sizes](const CopyResult& result) {
        done(extended_copy_answer(result, lengths, block_sizes));
      })) {
    return {.answer = Answer{.status = Status::kTaskSetFull}};
  }
  remember(copier);
  if (has_identifier) {
    records_.push_back({.list_identifier = copy.list_identifier,
                        .keep = copy.usage == scsi::ExtendedCopy::Usage::kHold,
                        .copier = copier,
                        .segment_lengths = std::move(lengths),
                        .block_sizes = std::move(block_sizes)});
  }
  return {.answer = std::nullopt, .copier = std::move(copier)};
}

LunCopies::Begun LunCopies::write_using_token(const scsi::Lun& lun, uint32_t list_identifier,
                                              std::span<const uint8_t> list, Done done) {
  scsi::WriteUsingToken write;
  static_cast<void>(scsi::decode_write_using_token(lun, list, write));
  if (auto refused = make_room(true, list_identifier)) {
    return {.answer = refused};
  }
  const std::shared_ptr<Lun> self = self_.lock();
  std::shared_ptr<Token> token;
  std::vector<Move> moves;
  if (write.zeroes) {
    for (const scsi::Range& range : std::span(write.ranges.range).first(write.ranges.count)) {
      moves.push_back(
          {.destination = self, .destination_offset = range.offset, .length = range.length});
    }
  } else {
    token = manager_->tokens().find(write.token);
    if (token == nullptr) {
      return {.answer = refuse(SenseKey::kIllegalRequest, asc::kTokenUnknown)};
    }
    if (const auto state = token->use(monotonic_ns()); state != Token::State::kLive) {
      return {.answer = refuse(SenseKey::kIllegalRequest, ended_code(state))};
    }
    const std::shared_ptr<Lun> source = token->source();
    if (source == nullptr) {
      return {.answer = refuse(SenseKey::kIllegalRequest, asc::kTokenRevoked)};
    }
    const uint32_t granule = std::max(source->told()->block_size, lun.block_size);
    if (write.offset > token->ranges().total) {
      return {.answer = refuse(SenseKey::kIllegalRequest, asc::kInvalidFieldInParameterList)};
    }
    moves = pair_up(token->ranges(), write.offset, source, write.ranges, self);
    for (const Move& move : moves) {
      const bool over_itself =
          source == self && token->covers({move.destination_offset, move.length});
      const bool in_blocks = move.source_offset % source->told()->block_size == 0 &&
                             move.destination_offset % lun.block_size == 0 &&
                             move.length % granule == 0;
      if (over_itself || !in_blocks) {
        return {.answer = refuse(SenseKey::kIllegalRequest, asc::kInvalidFieldInParameterList)};
      }
    }
  }
  Place place = manager_->take_place();
  if (!place) {
    return {.answer = Answer{.status = Status::kTaskSetFull}};
  }
  auto copier = std::make_shared<Copier>(std::move(moves), token, write.immediate ? 0 : deadline(),
                                         std::move(place));
  const bool immediate = write.immediate;
  const bool started =
      copier->run([done = std::move(done), immediate,
                   doomed = write.delete_token ? token : nullptr](const CopyResult& result) {
        if (doomed != nullptr && result.end == End::kGood) {
          doomed->end(Token::State::kDeleted);
        }
        if (!immediate) {
          done(write_using_token_answer(result));
        }
      });
  if (!started) {
    return {.answer = Answer{.status = Status::kTaskSetFull}};
  }
  remember(copier);
  records_.push_back({.token_command = true,
                      .list_identifier = list_identifier,
                      .immediate = immediate,
                      .copier = copier,
                      .wanted = write.ranges.total});
  return {.answer = immediate ? std::optional(Answer{}) : std::nullopt,
          .copier = immediate ? nullptr : std::move(copier)};
}

Answer LunCopies::populate_token(uint32_t list_identifier, const scsi::PopulateToken& populate) {
  if (auto refused = make_room(true, list_identifier)) {
    return *refused;
  }
  look_after_tokens();
  const std::shared_ptr<Token> token =
      guarded_.size() >= kMaxGuarded ? nullptr
                                     : manager_->tokens().create(self_.lock(), populate.ranges,
                                                                 populate.timeout, monotonic_ns());
  if (token == nullptr) {
    return refuse(SenseKey::kIllegalRequest, asc::kInsufficientResourcesToCreateRodToken);
  }
  guarded_.push_back(token);
  records_.push_back({.token_command = true,
                      .list_identifier = list_identifier,
                      .immediate = populate.immediate,
                      .token = token});
  return {};
}

Answer LunCopies::receive_copy_results(const scsi::CopyRequest& request,
                                       std::span<uint8_t> response) {
  const Record* record = find(false, request.list_identifier);
  if (record == nullptr || (!record->keep && !record->is_running())) {
    return refuse(SenseKey::kIllegalRequest, asc::kInvalidFieldInCdb);
  }
  const CopyResult result = record->copier->result();
  const std::span<uint8_t> out =
      response.first(std::min<size_t>(response.size(), request.allocation_length));
  if (request.failed_segment) {
    const Answer answer =
        extended_copy_answer(result, record->segment_lengths, record->block_sizes);
    if (answer.status == Status::kGood) {
      // AVAILABLE DATA 0: nothing has failed.
      const size_t length = std::min<size_t>(out.size(), 4);
      std::fill_n(out.begin(), length, uint8_t{0});
      return {.length = length};
    }
    return {.length = scsi::copy_failure_data(answer.status, answer.sense, out)};
  }
  using State = scsi::CopyStatus::State;
  const State state = result.end == End::kRunning ? State::kInProgress
                      : result.end == End::kGood  ? State::kDone
                                                  : State::kFailed;
  return {.length =
              scsi::copy_status_data({.state = state,
                                      .segments_processed = static_cast<uint16_t>(result.moves),
                                      .bytes = result.bytes},
                                     out)};
}

Answer LunCopies::receive_rod_token_information(const scsi::Lun& lun,
                                                const scsi::CopyRequest& request,
                                                std::span<uint8_t> response) {
  const Record* record = find(true, request.list_identifier);
  if (record == nullptr) {
    return refuse(SenseKey::kIllegalRequest, asc::kInvalidFieldInCdb);
  }
  using State = scsi::TokenInformation::State;
  scsi::TokenInformation information;
  if (record->copier == nullptr) {
    information.populate = true;
    information.blocks = record->token->ranges().total / lun.block_size;
    information.token = record->token->bytes();
  } else {
    const CopyResult result = record->copier->result();
    const Answer answer = write_using_token_answer(result);
    information.completion = answer.status;
    information.sense = answer.sense;
    information.blocks = result.bytes / lun.block_size;
    if (result.end == End::kRunning) {
      information.state = record->immediate ? State::kInBackground : State::kInForeground;
    } else if (result.end != End::kGood) {
      information.state = State::kFailed;
    } else if (result.bytes < record->wanted) {
      information.state = State::kPartial;
    }
  }
  return {.length = scsi::token_information_data(
              information,
              response.first(std::min<size_t>(response.size(), request.allocation_length)))};
}

void LunCopies::before_write(std::span<const scsi::Range> ranges) {
  for (const auto& token : guarded_) {
    if (std::any_of(ranges.begin(), ranges.end(),
                    [&token](const scsi::Range& range) { return token->covers(range); })) {
      token->end(Token::State::kRevoked);
    }
  }
}

void LunCopies::look_after_tokens() {
  const uint64_t now = monotonic_ns();
  std::erase_if(guarded_,
                [now](const auto& token) { return token->state(now) != Token::State::kLive; });
}

void LunCopies::remember(const std::shared_ptr<Copier>& copier) {
  std::erase_if(begun_, [](const auto& known) { return known.expired(); });
  begun_.push_back(copier);
}

void LunCopies::close() {
  for (const auto& begun : begun_) {
    if (const auto copier = begun.lock()) {
      copier->abandon();
    }
  }
  begun_.clear();
  for (const auto& token : guarded_) {
    token->end(Token::State::kRevoked);
  }
  guarded_.clear();
}

}  // namespace tcmud::copy
