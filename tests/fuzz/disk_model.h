// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/ticket.h"

namespace tcmud::test {

// A disk that is nothing but its bytes. It reads CDBs by itself, without the daemon's table, so
// that a mistake there is not made twice.
class DiskModel {
 public:
  static constexpr uint64_t kBlock = 512;

  explicit DiskModel(std::vector<uint8_t> medium) : medium_(std::move(medium)) {}

  // What is wrong with this answer; "" for nothing. The model then is what the medium has to be.
  [[nodiscard]] std::string judge(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                                  size_t data_in_length, const Outcome& outcome);

  [[nodiscard]] const std::vector<uint8_t>& medium() const { return medium_; }
  // A MODE SELECT was GOOD, so writes may be refused as software write protected.
  [[nodiscard]] bool modes_changed() const { return modes_changed_; }

 private:
  struct Extent {
    uint64_t lba = 0, blocks = 0;
    uint8_t flags = 0;
  };
  struct Command {
    std::span<const uint8_t> cdb;
    std::span<const uint8_t> data_out;
    size_t data_in_length;
    const Outcome& outcome;
    Extent extent;
  };

  std::string read(const Command& c);
  std::string write(const Command& c);
  std::string or_write(const Command& c);
  std::string compare_and_write(const Command& c);
  std::string verify(const Command& c);
  std::string write_same(const Command& c);
  std::string unmap(const Command& c);

  [[nodiscard]] bool is_within(const Extent& extent) const;
  // Has to be GOOD: within the medium, no option, and as much data as it takes.
  [[nodiscard]] std::string expect_good(const Command& c, bool enough_data) const;
  // Compares `data` with the medium from `lba` on, and the answer with what comes of it.
  [[nodiscard]] std::string compare(const Command& c, std::span<const uint8_t> data) const;
  [[nodiscard]] uint8_t* at(const Extent& extent) { return medium_.data() + extent.lba * kBlock; }

  std::vector<uint8_t> medium_;
  bool modes_changed_ = false;
};

}  // namespace tcmud::test
