// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fuzz/medium_model.h"
#include "support/ticket.h"

namespace tcmud::test {

struct LbaRange {
  uint64_t lba = 0, blocks = 0;
};

// What the third-party copy commands have to do within one LUN, and to tell of it. It reads their
// parameter lists by itself (SPC-4, SBC-4).
class CopyModel {
 public:
  using Bytes = MediumModel::Bytes;
  using Clock = std::chrono::steady_clock;

  // One of the commands, and how it ended. `hindered`: it need not have been GOOD, because a
  // request of it was made to fail, or the LUN may refuse to be written. `corrupt`: nothing can be
  // read or written at all.
  struct Asked {
    std::span<const uint8_t> cdb, list;
    const Outcome& outcome;
    bool hindered = false, corrupt = false;
  };

  // As POPULATE TOKEN made it.
  struct Token {
    uint32_t list_identifier = 0;
    Bytes bytes{};  // of the token; empty until somebody asked for them
    std::vector<LbaRange> ranges{};
    Bytes data{};          // what it stands for
    bool touched = false;  // somebody may have written to the ranges since
    bool deleted = false;
    Clock::time_point lives_until{};  // at least
  };

  // `naa`: the designator of the LUN, as it tells it. `older`: tokens of others that may be alive.
  CopyModel(Bytes naa, size_t older) : naa_(std::move(naa)), older_(older) {}

  std::string extended_copy(const Asked& asked, MediumModel& medium);
  std::string populate_token(const Asked& asked, const MediumModel& medium);
  std::string write_using_token(const Asked& asked, MediumModel& medium);
  std::string receive_copy_status(const Asked& asked) const;
  std::string receive_failure_details(const Asked& asked) const;
  std::string receive_token_information(const Asked& asked);

  // Somebody writes there, or tries to.
  void touch(const LbaRange& range);

  // A WRITE USING TOKEN was answered ahead of its work: what asks for its end, and what that says.
  [[nodiscard]] std::optional<uint32_t> at_work() const;
  std::string ended(const Outcome& information, bool failed, MediumModel& medium);

  [[nodiscard]] const Bytes& naa() const { return naa_; }
  [[nodiscard]] const std::vector<Token>& tokens() const { return tokens_; }

 private:
  struct Segment {
    uint64_t from = 0, to = 0, blocks = 0;
  };
  struct Record {
    size_t number = 0;  // of the commands that are remembered
    bool populate = false;
    uint8_t state = 0;  // as the answer has it
    uint64_t count = 0, segments = 0;
    std::optional<size_t> token{};
  };
  struct Background {
    uint32_t list_identifier = 0;
    Bytes next{};
    Record record{};
    std::optional<size_t> deletes{};
  };
  using Records = std::map<uint32_t, Record>;

  [[nodiscard]] std::optional<std::vector<Segment>> segments_of(std::span<const uint8_t> list,
                                                                const MediumModel& medium) const;
  [[nodiscard]] Token* find(std::span<const uint8_t> bytes);
  // What has to be known still: nothing that newer ones may have taken the place of.
  [[nodiscard]] const Record* find(const Records& records, uint32_t list_identifier) const;
  Record& remember(Records& records, uint32_t list_identifier, Record record);

  const Bytes naa_;
  const size_t older_;
  std::vector<Token> tokens_;
  Records copies_, token_commands_;
  size_t commands_ = 0;
  std::optional<Background> background_;
};

}  // namespace tcmud::test
