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
#include "scsi/extended_copy.h"
#include "scsi/rod_token.h"

namespace tcmud::copy {

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
  LunCopies(std::shared_ptr<CopyManager> manager, std::weak_ptr<Lun> self)
      : manager_(std::move(manager)), self_(std::move(self)) {}
  // As close().
  ~LunCopies() { close(); }
  LunCopies(const LunCopies&) = delete;
  LunCopies& operator=(const LunCopies&) = delete;

  // How long a copy may keep its initiator waiting, in ns; 0 = for ever.
  void set_patience(uint64_t ns) { patience_ns_ = ns; }

  // The parameter lists are those that scsi::execute() found valid, for the Lun that it was asked
  // with. `response` has scsi::kMaxResponse bytes.
  [[nodiscard]] Begun extended_copy(std::span<const uint8_t> list, Done done);
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
  [[nodiscard]] Answer resolve(const scsi::ExtendedCopy& copy, std::vector<Move>& moves);
  [[nodiscard]] std::shared_ptr<Lun> resolve(const scsi::ExtendedCopy& copy, uint16_t cscd) const;
  [[nodiscard]] uint64_t deadline() const;
  void remember(const std::shared_ptr<Copier>& copier);

  const std::shared_ptr<CopyManager> manager_;
  const std::weak_ptr<Lun> self_;
  uint64_t patience_ns_ = 0;
  std::deque<Record> records_;  // the oldest first
  std::vector<std::weak_ptr<Copier>> begun_;
  std::vector<std::shared_ptr<Token>> guarded_;
};

}  // namespace tcmud::copy
