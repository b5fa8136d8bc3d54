// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the kernel remembers of one command; for the files of KernelRing alone.
#include <array>
#include <vector>

#include "support/kernel_ring.h"

namespace tcmud::test {

inline constexpr size_t kMaxCdbBytes = 260;

struct KernelRing::Command {
  CommandTag tag = 0;
  std::array<uint8_t, kMaxCdbBytes> cdb{};
  uint16_t cdb_length = 0;
  uint8_t ring_opcode = 0;
  uint16_t id = 0;  // 0: not in the ring
  bool expired = false;
  bool kept = false;
  std::span<const uint8_t> data_out;
  std::span<uint8_t> data_in;
  std::vector<uint32_t> blocks;          // data-out, or data-in where that is all there is
  std::vector<uint32_t> bidi_in_blocks;  // data-in of a bidirectional command
  Clock::time_point deadline = Clock::time_point::max();

  [[nodiscard]] bool bidirectional() const { return !data_out.empty() && !data_in.empty(); }
  [[nodiscard]] const std::vector<uint32_t>& in_blocks() const {
    return bidirectional() ? bidi_in_blocks : blocks;
  }
};

// What data-in is filled with beforehand if it is checked that user space writes all of it: 8 bytes
// at `index` * 8.
[[nodiscard]] constexpr uint64_t unwritten_pattern(CommandTag tag, uint64_t index) {
  uint64_t x = tag * 0x9e3779b97f4a7c15U + index * 0xbf58476d1ce4e5b9U + 1;
  x ^= x >> 31;
  x *= 0x94d049bb133111ebU;
  return x ^ x >> 29;
}

}  // namespace tcmud::test
