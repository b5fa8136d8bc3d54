// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "copy/lun.h"
#include "copy/token_store.h"

namespace tcmud::copy {

// One place of the few that there are for copies at work; given back when it goes.
class Place {
 public:
  Place() = default;
  // Empty where `in_use` has reached `limit`.
  static Place take(std::shared_ptr<std::atomic<size_t>> in_use, size_t limit);
  Place(Place&& other) noexcept = default;
  Place& operator=(Place&& other) noexcept;
  ~Place() { release(); }
  explicit operator bool() const { return in_use_ != nullptr; }
  void release();

 private:
  std::shared_ptr<std::atomic<size_t>> in_use_;
};

// A piece of a copy, in bytes: whole blocks of both LUNs.
struct Move {
  std::shared_ptr<Lun> source{};  // nullptr: zeroes
  uint64_t source_offset = 0;
  std::shared_ptr<Lun> destination{};
  uint64_t destination_offset = 0;
  uint64_t length = 0;
};

// What came, or has come so far, of a copy.
struct CopyResult {
  enum class End : uint8_t {
    kRunning,
    kGood,
    kSourceFailed,       // `status` and `sense` say how
    kDestinationFailed,  // likewise
    kSourceGone,         // the LUN is closed
    kDestinationGone,
    kTokenEnded,  // `token_state` says how
    kTooLong,     // the deadline has passed
    kCancelled,
  };
  End end = End::kRunning;
  scsi::Status status = scsi::Status::kGood;
  scsi::Sense sense{};
  Token::State token_state = Token::State::kLive;
  size_t moves = 0;            // that were done as a whole; else the number of the one that failed
  uint64_t bytes = 0;          // written, without a gap, from the beginning of the first move on
  uint64_t bytes_of_move = 0;  // the part of it that belongs to the move under way
};

// Copies one move after the other, each in pieces: while some are written, the next are read. Where
// source and destination overlap the pieces go from that end on which nothing is written over
// before it was read. Zeroes that were read are unmapped where the destination is thin.
//
// It has no thread: its requests' ends drive it, on the threads of whichever LUN they come from,
// under its own lock, which is never held by one who calls. What it has started keeps it alive.
//
// Invariants: a write begins only when everything before it in the order of its move has been read,
// a move only when the one before it is written; pieces are done with in order.
class Copier : public std::enable_shared_from_this<Copier> {
 public:
  static constexpr size_t kPieceBytes = 256 << 10;
  static constexpr size_t kPieces = 4;  // under way at once; memory for them is had while it runs

  using Ended = std::function<void(const CopyResult&)>;

  // `token`: what the moves' source is read by, or nullptr. `deadline_ns`: CLOCK_MONOTONIC; looked
  // at between pieces; 0 = none.
  Copier(std::vector<Move> moves, std::shared_ptr<Token> token, uint64_t deadline_ns, Place place);

  // `ended` is called once, by any thread, perhaps before this returns. False: no memory; then
  // never.
  [[nodiscard]] bool run(Ended ended);

  // Ends it with kCancelled, unless it has ended: as soon as what is under way is done, so that
  // nothing of it touches a medium after its end...
  void cancel();
  // ...or at once, because a LUN that hangs must not hold up the one that is closing. Requests
  // under way at other LUNs may still be done.
  void abandon();

  [[nodiscard]] CopyResult result() const;

 private:
  enum class Stage : uint8_t { kReading, kRead, kWriting, kWritten };
  struct Piece {
    Request request;
    Stage stage = Stage::kReading;
    std::byte* memory = nullptr;
    uint64_t at = 0;  // bytes from the beginning of the move
    uint64_t length = 0;
  };
  struct Free {
    void operator()(std::byte* memory) const;
  };

  // All under mutex_.
  void advance();
  bool enter_move();
  bool step();
  void read(Piece& piece);
  void write(Piece& piece);
  void start(Piece& piece, Lun& lun, CopyResult::End gone);
  void piece_ended(Piece& piece);
  void fail(CopyResult::End how);
  [[nodiscard]] Piece& piece(uint64_t number) { return pieces_[number % kPieces]; }

  static void request_ended(Request& request);
  // Lets go what is over; called by whoever changed something, without the lock.
  void tell(std::unique_lock<std::mutex>& lock);

  const std::vector<Move> moves_;
  const std::shared_ptr<Token> token_;
  const uint64_t deadline_ns_;

  mutable std::mutex mutex_;
  Place place_;
  Ended ended_;
  CopyResult result_;
  CopyResult::End wanted_ = CopyResult::End::kRunning;  // what it ends with once nothing is left
  bool abandoned_ = false;
  std::shared_ptr<Copier> self_;  // while it runs, or something that it started does
  std::unique_ptr<std::byte, Free> memory_;
  std::array<Piece, kPieces> pieces_;
  uint32_t in_flight_ = 0;
  // Of the move under way, in pieces: [finished_, to_write_) being written, [to_write_, started_)
  // being read.
  uint64_t piece_bytes_ = 0;  // 0: the move hasn't begun
  uint64_t total_ = 0, finished_ = 0, to_write_ = 0, started_ = 0;
  bool backwards_ = false;
  bool unmaps_zeroes_ = false;
};

}  // namespace tcmud::copy
