// SPDX-License-Identifier: Apache-2.0
#include "scsi/designator.h"

#include <algorithm>
#include <iterator>

namespace tcmud::scsi {
namespace {

constexpr int kNotHex = -1;
int hex_value(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : kNotHex;
}

}  // namespace

std::optional<NaaDesignator> naa_of(std::string_view serial) {
  constexpr uint8_t kPrefix[] = {6, 0, 0, 1, 4, 0, 5};
  std::array<uint8_t, 2 * std::tuple_size_v<NaaDesignator>> nibbles{};
  size_t n = std::size(kPrefix);
  std::copy(std::begin(kPrefix), std::end(kPrefix), nibbles.begin());
  for (const char ch : serial) {
    const int value = hex_value(ch);
    if (value != kNotHex && n < nibbles.size()) {
      nibbles[n++] = static_cast<uint8_t>(value);
    }
  }
  if (n == std::size(kPrefix)) {
    return std::nullopt;
  }
  NaaDesignator naa{};
  for (size_t i = 0; i < naa.size(); ++i) {
    naa[i] = static_cast<uint8_t>(nibbles[2 * i] << 4 | nibbles[2 * i + 1]);
  }
  return naa;
}

}  // namespace tcmud::scsi
