// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/copy_model.h"
#include "fuzz/medium_model.h"
#include "fuzz/port_group_model.h"
#include "support/ticket.h"

namespace tcmud::test {

// A disk that is nothing but its bytes. It reads CDBs by itself, without the daemon's table, so
// that a mistake there is not made twice.
class DiskModel {
 public:
  using Bytes = MediumModel::Bytes;
  static constexpr uint64_t kBlock = MediumModel::kBlock;
  // MAXIMUM TRANSFER LENGTH, blocks: so few that a copy takes more pieces than are under way at
  // once.
  static constexpr uint64_t kMaxTransfer = 16;

  DiskModel(Bytes medium, CopyModel copies, PortGroupModel port_groups)
      : medium_(std::move(medium)),
        copies_(std::move(copies)),
        port_groups_(std::move(port_groups)) {}

  // What is wrong with this answer; "" for nothing. The model then is what the medium has to be.
  // `failed`: a request of it to the handler was made to fail.
  [[nodiscard]] std::string judge(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                                  size_t data_in_length, const Outcome& outcome, bool failed);

  // FORMAT UNIT and SANITIZE keep everybody else out: those that are answered ahead of their work
  // (judge() sees it) until ended() has been told what TEST UNIT READY says behind it, and whether
  // a request failed; others from begins() to lets_go(), behind which judge() gets their end.
  void begins(std::span<const uint8_t> cdb);
  void lets_go() { busy_.reset(); }
  [[nodiscard]] bool is_at_work() const { return busy_.has_value(); }
  // Does TEST UNIT READY say that it goes on?
  [[nodiscard]] bool goes_on(const Outcome& test_unit_ready) const;
  [[nodiscard]] std::string ended(const Outcome& test_unit_ready, bool failed);

  // Compares the medium with the disk's, at a time when nobody is at work.
  [[nodiscard]] std::string settle(const Bytes& disk) { return medium_.settle(disk); }

  [[nodiscard]] const Bytes& medium() const { return medium_.bytes(); }
  [[nodiscard]] const CopyModel& copies() const { return copies_; }
  // A WRITE USING TOKEN that was answered ahead of its work has ended: see CopyModel::at_work().
  [[nodiscard]] std::string copy_ended(const Outcome& information, bool failed) {
    return copies_.ended(information, failed, medium_);
  }
  // A MODE SELECT was GOOD, so writes may be refused as software write protected.
  [[nodiscard]] bool modes_changed() const { return modes_changed_; }
  [[nodiscard]] bool needs_sanitize() const { return sanitize_failure_ != SanitizeFailure::kNone; }
  [[nodiscard]] bool needs_format() const { return format_corrupt_; }
  [[nodiscard]] bool has_tokens() const { return !copies_.tokens().empty(); }
  [[nodiscard]] bool states_changed() const { return port_groups_.changed(); }

 private:
  enum class SanitizeFailure { kNone, kRestricted, kUnrestricted };
  struct Extent {
    uint64_t lba = 0, blocks = 0;
    uint8_t flags = 0;
  };
  struct Command {
    std::span<const uint8_t> cdb;
    std::span<const uint8_t> data_out;
    size_t data_in_length;
    const Outcome& outcome;
    bool failed;
    Extent extent;
  };
  // A FORMAT UNIT or SANITIZE.
  struct Operation {
    bool sanitize = false;
    bool valid = false;  // there is nothing wrong with it
    bool immediate = false;
    bool unrestricted_exit = false;
    bool overwrites = false;
    Bytes block{};  // what each block holds behind it
    bool inverts = false;
  };

  static Extent extent_of(std::span<const uint8_t> cdb);
  std::string read(const Command& c);
  std::string write(const Command& c);
  std::string or_write(const Command& c);
  std::string compare_and_write(const Command& c);
  std::string verify(const Command& c);
  std::string write_same(const Command& c);
  std::string unmap(const Command& c);

  static Operation format_of(std::span<const uint8_t> cdb, std::span<const uint8_t> list);
  static Operation sanitize_of(std::span<const uint8_t> cdb, std::span<const uint8_t> list);
  std::string operate(const Command& c, const Operation& operation);
  std::string exit_failure_mode(const Command& c);
  void finish(const Operation& operation, bool good);

  std::string other(const Command& c);
  // Where the state of the LUN decides alone; nothing: it doesn't.
  std::optional<std::string> by_state(const Command& c, bool on_medium) const;

  [[nodiscard]] bool is_within(const Extent& extent) const {
    return medium_.is_within(extent.lba, extent.blocks);
  }
  // Has to be GOOD: within the medium, no option, and as much data as it takes.
  [[nodiscard]] std::string expect_good(const Command& c, bool enough_data) const;
  // Compares `data` with the medium from `lba` on, and the answer with what comes of it.
  [[nodiscard]] std::string compare(const Command& c, std::span<const uint8_t> data) const;
  // What the medium is behind a command that was GOOD, or may be in parts behind one that failed.
  std::string change(const Command& c, Bytes next);
  [[nodiscard]] bool has_effect(const Command& c, bool enough_data) const {
    return enough_data && is_within(c.extent) && (c.outcome.good() || c.failed);
  }

  MediumModel medium_;
  CopyModel copies_;
  PortGroupModel port_groups_;
  bool modes_changed_ = false;
  bool format_corrupt_ = false;
  SanitizeFailure sanitize_failure_ = SanitizeFailure::kNone;
  std::optional<Operation> busy_;
};

}  // namespace tcmud::test
