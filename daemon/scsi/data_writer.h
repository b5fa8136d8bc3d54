// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace tcmud::scsi {

// Writes parameter data from its beginning. Nothing is ever written past the end of the buffer.
class DataWriter {
 public:
  explicit DataWriter(std::span<uint8_t> out) : out_(out) {}

  void put8(uint64_t v) {
    if (size_ < out_.size()) {
      out_[size_++] = static_cast<uint8_t>(v);
    }
  }
  void put16(uint64_t v) { put(v, 2); }
  void put24(uint64_t v) { put(v, 3); }
  void put32(uint64_t v) { put(v, 4); }
  void put64(uint64_t v) { put(v, 8); }
  void zeroes(size_t n) { put_n(0, n); }
  void bytes(std::span<const uint8_t> data) {
    for (const uint8_t b : data) {
      put8(b);
    }
  }
  // Left-aligned ASCII data (SPC-5 "ASCII data field requirements"): what is no graphic character
  // becomes a space.
  void text(std::string_view s) {
    for (const char ch : s) {
      put8(ch >= 0x20 && ch <= 0x7E ? static_cast<uint8_t>(ch) : uint8_t{' '});
    }
  }
  void padded_text(std::string_view s, size_t width) {
    text(s.substr(0, width));
    put_n(' ', width - std::min(width, s.size()));
  }

  [[nodiscard]] size_t size() const { return size_; }
  // Fills in a length that precedes what it counts.
  void patch8(size_t at, size_t v) { out_[at] = static_cast<uint8_t>(v); }
  void patch16(size_t at, size_t v) { store_be16(&out_[at], static_cast<uint16_t>(v)); }
  void patch32(size_t at, size_t v) { store_be32(&out_[at], static_cast<uint32_t>(v)); }

 private:
  void put(uint64_t v, int width) {
    for (int shift = 8 * (width - 1); shift >= 0; shift -= 8) {
      put8(v >> shift);
    }
  }
  void put_n(uint8_t v, size_t n) {
    while (n-- > 0) {
      put8(v);
    }
  }

  std::span<uint8_t> out_;
  size_t size_ = 0;
};

}  // namespace tcmud::scsi
