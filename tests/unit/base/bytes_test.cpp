// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <array>

#include <gtest/gtest.h>

namespace tcmud {
namespace {

TEST(Bytes, TheFirstByteIsTheMostSignificant) {
  constexpr std::array<uint8_t, 8> kBytes{0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
  static_assert(load_be16(kBytes.data()) == 0x8123);
  static_assert(load_be24(kBytes.data()) == 0x812345);
  static_assert(load_be32(kBytes.data()) == 0x81234567);
  static_assert(load_be64(kBytes.data()) == 0x8123456789abcdef);
  std::array<uint8_t, 8> out{};
  store_be64(out.data(), 0x8123456789abcdef);
  EXPECT_EQ(out, kBytes);
  store_be24(out.data(), 0xfedcba);
  EXPECT_EQ(load_be24(out.data()), 0xfedcbaU);
  EXPECT_EQ(out[3], 0x67) << "a store writes its own bytes only";
}

}  // namespace
}  // namespace tcmud
