// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>

#include "copy/lun.h"
#include "scsi/rod_token.h"

namespace tcmud::copy {

// A ROD token (SPC-5 "ROD tokens"): it stands for the data that were in ranges of a LUN when it was
// made. It holds none of them. Whoever writes to the ranges ends the token before, and whoever
// reads by it asks behind each read whether it is still alive: then what was read is what it stood
// for.
//
// Any thread.
class Token {
 public:
  enum class State : uint8_t { kLive, kRevoked, kExpired, kDeleted };
  using Bytes = std::array<uint8_t, scsi::kRodTokenLength>;

  // `timeout_ns`: how long it lives after it was made or last used (INACTIVITY TIMEOUT).
  Token(const Bytes& bytes, std::weak_ptr<Lun> source, const scsi::TokenRanges& ranges,
        uint64_t timeout_ns, uint64_t now_ns)
      : bytes_(bytes),
        source_(std::move(source)),
        ranges_(ranges),
        timeout_ns_(timeout_ns),
        expires_ns_(now_ns + timeout_ns) {}

  // CLOCK_MONOTONIC, ns. A token whose time is over becomes kExpired here.
  [[nodiscard]] State state(uint64_t now_ns);
  // The same, and it is used now: its time begins anew.
  [[nodiscard]] State use(uint64_t now_ns);
  // For good; what ended it first counts.
  void end(State how);

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] const scsi::TokenRanges& ranges() const { return ranges_; }
  [[nodiscard]] std::shared_ptr<Lun> source() const { return source_.lock(); }
  // Would a write there change what the token stands for?
  [[nodiscard]] bool covers(const scsi::Range& range) const;

 private:
  const Bytes bytes_;
  const std::weak_ptr<Lun> source_;
  const scsi::TokenRanges ranges_;
  const uint64_t timeout_ns_;
  std::atomic<uint64_t> expires_ns_;
  // seq_cst: a writer ends the token before its request begins; a reader asks when its own has
  // ended.
  std::atomic<State> state_{State::kLive};
};

// The tokens of the whole daemon, bounded in number; those that have ended are remembered while
// there is room, to tell why. Any thread.
class TokenStore {
 public:
  static constexpr size_t kMaxTokens = 256;

  // A new token. nullptr: there are kMaxTokens alive, or no randomness is to be had.
  [[nodiscard]] std::shared_ptr<Token> create(const std::shared_ptr<Lun>& source,
                                              const scsi::TokenRanges& ranges, uint32_t timeout_s,
                                              uint64_t now_ns);
  // nullptr: no token of ours.
  [[nodiscard]] std::shared_ptr<Token> find(std::span<const uint8_t> bytes) const;

 private:
  bool make_room(uint64_t now_ns);

  mutable std::mutex mutex_;
  std::deque<std::shared_ptr<Token>> tokens_;  // the oldest first
};

}  // namespace tcmud::copy
