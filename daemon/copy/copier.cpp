// SPDX-License-Identifier: Apache-2.0
#include "copy/copier.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/clock.h"

namespace tcmud::copy {
namespace {

using End = CopyResult::End;
using scsi::BlockOp;

constexpr size_t kAlignment = 4096;  // what direct I/O wants

// No memory is needed where none is read: one request each, which the LUN cuts as it likes.
constexpr uint64_t kZeroesBytes = 64 << 20;

bool is_zero(const std::byte* data, size_t size) {
  return data[0] == std::byte{0} && std::memcmp(data, data + 1, size - 1) == 0;
}

uint64_t limit_of(const scsi::Lun& lun) {
  return lun.max_transfer_blocks == 0 ? UINT64_MAX
                                      : uint64_t{lun.max_transfer_blocks} * lun.block_size;
}

}  // namespace

Place Place::take(std::shared_ptr<std::atomic<size_t>> in_use, size_t limit) {
  Place place;
  if (in_use->fetch_add(1) < limit) {
    place.in_use_ = std::move(in_use);
  } else {
    in_use->fetch_sub(1);
  }
  return place;
}

Place& Place::operator=(Place&& other) noexcept {
  release();
  in_use_ = std::move(other.in_use_);
  return *this;
}

void Place::release() {
  if (in_use_ != nullptr) {
    in_use_->fetch_sub(1);
    in_use_.reset();
  }
}

void Copier::Free::operator()(std::byte* memory) const {
  std::free(memory);
}

Copier::Copier(std::vector<Move> moves, std::shared_ptr<Token> token, uint64_t deadline_ns,
               Place place)
    : moves_(std::move(moves)),
      token_(std::move(token)),
      deadline_ns_(deadline_ns),
      place_(std::move(place)) {}

bool Copier::run(Ended ended) {
  std::unique_lock lock(mutex_);
  if (std::any_of(moves_.begin(), moves_.end(),
                  [](const Move& move) { return move.source != nullptr && move.length > 0; })) {
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, kPieces * kPieceBytes)));
    if (memory_ == nullptr) {
      place_.release();
      return false;
    }
  }
  for (size_t i = 0; i < kPieces; ++i) {
    pieces_[i].request.ended = request_ended;
    pieces_[i].request.owner = this;
    pieces_[i].memory = memory_ == nullptr ? nullptr : memory_.get() + i * kPieceBytes;
  }
  ended_ = std::move(ended);
  self_ = shared_from_this();
  advance();
  tell(lock);
  return true;
}

void Copier::cancel() {
  std::unique_lock lock(mutex_);
  fail(End::kCancelled);
  advance();
  tell(lock);
}

void Copier::abandon() {
  std::unique_lock lock(mutex_);
  abandoned_ = true;
  fail(End::kCancelled);
  advance();
  tell(lock);
}

CopyResult Copier::result() const {
  const std::lock_guard lock(mutex_);
  return result_;
}

void Copier::request_ended(Request& request) {
  Copier& copier = *static_cast<Copier*>(request.owner);
  std::unique_lock lock(copier.mutex_);
  const std::shared_ptr<Copier> alive = copier.self_;
  copier.piece_ended(
      *std::find_if(copier.pieces_.begin(), copier.pieces_.end(),
                    [&request](const Piece& candidate) { return &candidate.request == &request; }));
  copier.advance();
  copier.tell(lock);
}

void Copier::tell(std::unique_lock<std::mutex>& lock) {
  Ended ended;
  std::shared_ptr<Copier> alive;
  const CopyResult result = result_;
  if (result.end != End::kRunning) {
    ended = std::exchange(ended_, nullptr);
    if (in_flight_ == 0) {
      memory_.reset();
      place_.release();
      alive = std::exchange(self_, nullptr);
    }
  }
  lock.unlock();
  if (ended) {
    ended(result);
  }
}

void Copier::fail(End how) {
  if (wanted_ == End::kRunning) {
    wanted_ = how;
  }
}

void Copier::advance() {
  if (result_.end != End::kRunning) {
    return;
  }
  while (finished_ < to_write_ && piece(finished_).stage == Stage::kWritten) {
    result_.bytes += piece(finished_).length;
    result_.bytes_of_move += piece(finished_).length;
    ++finished_;
  }
  while (wanted_ == End::kRunning) {
    if (deadline_ns_ != 0 && monotonic_ns() > deadline_ns_) {
      fail(End::kTooLong);
    } else if (piece_bytes_ == 0) {
      if (!enter_move()) {
        fail(End::kGood);
      }
    } else if (!step()) {
      break;
    }
  }
  if (wanted_ != End::kRunning && (in_flight_ == 0 || abandoned_)) {
    result_.end = wanted_;
  }
}

// False: there is none left.
bool Copier::enter_move() {
  if (result_.moves == moves_.size()) {
    return false;
  }
  const Move& move = moves_[result_.moves];
  const auto destination = move.destination->told();
  result_.bytes_of_move = 0;
  total_ = finished_ = to_write_ = started_ = 0;
  unmaps_zeroes_ = destination->thin && destination->can_unmap;
  backwards_ = false;
  if (move.source == nullptr) {
    piece_bytes_ = kZeroesBytes;
  } else {
    const auto source = move.source->told();
    const uint64_t granule = std::max(source->block_size, destination->block_size);
    const uint64_t most =
        std::min({uint64_t{kPieceBytes}, limit_of(*source), limit_of(*destination)});
    piece_bytes_ = std::max(granule, most / granule * granule);
    backwards_ = move.source == move.destination && move.destination_offset > move.source_offset &&
                 move.destination_offset - move.source_offset < move.length;
  }
  total_ = (move.length + piece_bytes_ - 1) / piece_bytes_;
  return true;
}

// Starts what can be started. False: it is others' turn.
bool Copier::step() {
  const Move& move = moves_[result_.moves];
  if (finished_ == total_) {
    ++result_.moves;
    result_.bytes_of_move = 0;
    piece_bytes_ = 0;
    return true;
  }
  while (to_write_ < started_ && piece(to_write_).stage == Stage::kRead &&
         wanted_ == End::kRunning) {
    write(piece(to_write_++));
  }
  while (started_ < total_ && started_ - finished_ < kPieces && wanted_ == End::kRunning) {
    Piece& next = piece(started_);
    const uint64_t behind = started_ * piece_bytes_;
    next.length = std::min(piece_bytes_, move.length - behind);
    next.at = backwards_ ? move.length - behind - next.length : behind;
    ++started_;
    if (move.source == nullptr) {
      next.stage = Stage::kRead;
      ++to_write_;
      write(next);
    } else {
      read(next);
    }
  }
  return false;
}

void Copier::read(Piece& piece) {
  const Move& move = moves_[result_.moves];
  piece.stage = Stage::kReading;
  piece.request.block = {
      .op = BlockOp::kRead, .offset = move.source_offset + piece.at, .length = piece.length};
  piece.request.data = {piece.memory, piece.length};
  start(piece, *move.source, End::kSourceGone);
}

void Copier::write(Piece& piece) {
  const Move& move = moves_[result_.moves];
  const bool zeroes =
      move.source == nullptr || (unmaps_zeroes_ && is_zero(piece.memory, piece.length));
  piece.stage = Stage::kWriting;
  piece.request.block = {.op = zeroes ? BlockOp::kWriteZeroes : BlockOp::kWrite,
                         .may_unmap = zeroes && unmaps_zeroes_,
                         .offset = move.destination_offset + piece.at,
                         .length = piece.length};
  piece.request.data = zeroes ? iovec{} : iovec{piece.memory, piece.length};
  start(piece, *move.destination, End::kDestinationGone);
}

void Copier::start(Piece& piece, Lun& lun, End gone) {
  if (lun.start(piece.request)) {
    ++in_flight_;
  } else {
    fail(gone);
  }
}

void Copier::piece_ended(Piece& piece) {
  --in_flight_;
  const bool reading = piece.stage == Stage::kReading;
  if (piece.request.status != scsi::Status::kGood) {
    if (wanted_ == End::kRunning) {
      result_.status = piece.request.status;
      result_.sense = piece.request.sense;
    }
    fail(reading ? End::kSourceFailed : End::kDestinationFailed);
    return;
  }
  piece.stage = reading ? Stage::kRead : Stage::kWritten;
  if (reading && token_ != nullptr) {
    const Token::State state = token_->use(monotonic_ns());
    if (state != Token::State::kLive) {
      result_.token_state = state;
      fail(End::kTokenEnded);
    }
  }
}

}  // namespace tcmud::copy
