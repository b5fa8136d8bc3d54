// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tcmud::test {

// What the fuzzer gives, from its beginning to its end; every byte that is not there counts as
// zero.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  [[nodiscard]] bool empty() const { return left_ == 0; }
  uint8_t byte() {
    if (left_ == 0) {
      return 0;
    }
    --left_;
    return *data_++;
  }
  // Big-endian.
  uint64_t number(int bytes) {
    uint64_t v = 0;
    while (bytes-- > 0) {
      v = v << 8 | byte();
    }
    return v;
  }
  // As many as there are, at most `most`: an allocation of its own, so that its end is guarded.
  std::vector<uint8_t> bytes(size_t most) {
    const size_t n = std::min(most, left_);
    std::vector<uint8_t> out(data_, data_ + n);
    data_ += n;
    left_ -= n;
    return out;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

}  // namespace tcmud::test
