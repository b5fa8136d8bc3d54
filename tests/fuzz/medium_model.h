// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tcmud::test {

// The bytes of a disk. Behind something that failed half-way a block may be one of several things;
// what it is, the disk itself then says, once.
class MediumModel {
 public:
  using Bytes = std::vector<uint8_t>;
  static constexpr uint64_t kBlock = 512;

  explicit MediumModel(Bytes bytes) : bytes_(std::move(bytes)) {}

  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] uint64_t blocks() const { return bytes_.size() / kBlock; }
  [[nodiscard]] bool is_within(uint64_t lba, uint64_t blocks) const {
    return lba <= this->blocks() && blocks <= this->blocks() - lba;
  }

  void is(Bytes bytes) { bytes_ = std::move(bytes); }
  // Each block is as it was, or as it is there.
  void may_be(Bytes bytes) { others_.push_back(std::move(bytes)); }

  // Compares it with the disk; "" where they agree, which decides what may_be() left open.
  [[nodiscard]] std::string settle(const Bytes& disk);

 private:
  Bytes bytes_;
  std::vector<Bytes> others_;
};

}  // namespace tcmud::test
