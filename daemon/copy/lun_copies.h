// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "copy/copy_manager.h"
#include "copy/ways.h"
#include "scsi/extended_copy.h"
#include "scsi/rod_token.h"

namespace tcmud::copy {

// Which LUNs an EXTENDED COPY may name besides the one that it came to.
enum class Partners : uint8_t {
  kSameWays,  // those to which objection() has nothing to say
  kAll,       // all of the daemon's
};

// The third-party copy commands of one LUN: what they begin, what has come of them, and the tokens
// that stand for data of this LUN.
//
// The ring doesn't tell which initiator a command comes from: list identifiers are the LUN's, not
// an initiator's.
//
// Runs on the holder of the LUN's loop role and nowhere else; `Done` is called on any thread.
class LunCopies {
 public:
  // What a command is answered with.
  struct Answer {
    scsi::Status status = scsi::Status::kGood;
    scsi::Sense sense{};  // with kCheckCondition
    size_t length = 0;    // bytes of `response`
  };
  // The end of a command that was not answered at once.
  using Done = std::function<void(const Answer&)>;
  // No answer: the copy is under way, and `done` is going to be called.
  struct Begun {
    std::optional<Answer> answer{};
    std::shared_ptr<Copier> copier{};
  };

  // `self`: this LUN.
  LunCopies(std::shared_ptr<CopyManager> manager, std::weak_ptr<Lun> self, Partners partners)
      : manager_(std::move(manager)), self_(std::move(self)), partners_(partners) {}
  // As close().
  ~LunCopies() { close(); }
  LunCopies(const LunCopies&) = delete;
  LunCopies& operator=(const LunCopies&) = delete;

  // How long a copy may keep its initiator waiting, in ns; 0 = for ever.
  void set_patience(uint64_t ns) { patience_ns_ = ns; }

  // The ways of the machine as they are now; nullptr: they can't be told, and until they can no
  // other LUN may be named.
  void set_ways(std::shared_ptr<const Ways> ways) { ways_ = std::move(ways); }
  [[nodiscard]] bool knows_ways() const { return ways_ != nullptr; }

  // The parameter lists are those that scsi::execute() found valid, for the Lun that it was asked
  // with. `response` has scsi::kMaxResponse bytes.

  // Does the answer to an EXTENDED COPY that came at `came` (CLOCK_MONOTONIC, ns) depend on ways
  // that were read more than kWaysFresh before? Does not depend on whether the LUNs that it names
  // exist, so that nobody finds out by the time that it takes.
  [[nodiscard]] bool wants_ways(std::span<const uint8_t> list, uint64_t came) const;
  // Where ways are wanted, other LUNs are not reachable.
  [[nodiscard]] Begun extended_copy(std::span<const uint8_t> list, uint64_t came, Done done);
  [[nodiscard]] Begun write_using_token(const scsi::Lun& lun, uint32_t list_identifier,
                                        std::span<const uint8_t> list, Done done);
  // No write that began before may be under way in the ranges.
  [[nodiscard]] Answer populate_token(uint32_t list_identifier,
                                      const scsi::PopulateToken& populate);
  [[nodiscard]] Answer receive_copy_results(const scsi::CopyRequest& request,
                                            std::span<uint8_t> response);
  [[nodiscard]] Answer receive_rod_token_information(const scsi::Lun& lun,
                                                     const scsi::CopyRequest& request,
                                                     std::span<uint8_t> response);

  // Are there tokens alive that stand for data of this LUN?
  [[nodiscard]] bool guards() const { return !guarded_.empty(); }
  // Before something is written: the end of the tokens that stand for what is there.
  void before_write(std::span<const scsi::Range> ranges);
  // Lets go tokens that have ended otherwise; to be called now and then while guards().
  void look_after_tokens();

  // The LUN closes, or stops for a while: every copy that it began ends at once, and every token
  // that stands for its data.
  void close();

 private:
  // What is known by a list identifier.
  struct Record {
    bool token_command = false;  // else EXTENDED COPY (LID1): a list identifier of another kind
    uint32_t list_identifier = 0;
    bool keep = true;  // behind its end, too
    bool immediate = false;
    std::shared_ptr<Copier> copier{};  // nullptr: POPULATE TOKEN
    std::shared_ptr<Token> token{};    // of POPULATE TOKEN
    uint64_t wanted = 0;               // bytes; WRITE USING TOKEN
    // EXTENDED COPY: bytes of each segment, and of a block as the segment counts them.
    std::vector<uint64_t> segment_lengths{};
    std::vector<uint32_t> block_sizes{};

    [[nodiscard]] bool is_running() const {
      return copier != nullptr && copier->result().end == CopyResult::End::kRunning;
    }
  };

  [[nodiscard]] Record* find(bool token_command, uint32_t list_identifier);
  // An answer where the identifier is in use, or there is no room.
  [[nodiscard]] std::optional<Answer> make_room(bool token_command, uint32_t list_identifier);
  [[nodiscard]] Answer resolve(const scsi::ExtendedCopy& copy, const Ways* ways,
                               std::vector<Move>& moves);
  [[nodiscard]] std::shared_ptr<Lun> resolve(const scsi::ExtendedCopy& copy, uint16_t cscd,
                                             const Ways* ways, bool writes);
  [[nodiscard]] bool may_use(const Lun& self, const Lun& other, const Ways* ways, bool writes);
  [[nodiscard]] bool are_fresh(uint64_t came) const {
    return ways_ != nullptr && ways_->read_at + kWaysFresh >= came;
  }
  [[nodiscard]] uint64_t deadline() const;
  void remember(const std::shared_ptr<Copier>& copier);

  const std::shared_ptr<CopyManager> manager_;
  const std::weak_ptr<Lun> self_;
  const Partners partners_;
  std::shared_ptr<const Ways> ways_;
  uint64_t objected_ns_ = 0;  // when the log was last told of a copy that was not allowed
  uint64_t patience_ns_ = 0;
  std::deque<Record> records_;  // the oldest first
  std::vector<std::weak_ptr<Copier>> begun_;
  std::vector<std::shared_ptr<Token>> guarded_;
};

}  // namespace tcmud::copy
