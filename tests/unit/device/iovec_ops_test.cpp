// SPDX-License-Identifier: Apache-2.0
#include "device/iovec_ops.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace tcmud::device {
namespace {

// 10 bytes 0..9 in pieces of 3, 1, 0 and 6.
struct Scattered {
  std::vector<uint8_t> bytes{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<iovec> iov{
      {bytes.data(), 3}, {bytes.data() + 3, 1}, {bytes.data() + 4, 0}, {bytes.data() + 4, 6}};
};

TEST(IovecOps, CopiesAsMuchAsBothSidesHave) {
  for (size_t n = 0; n <= 12; ++n) {
    Scattered s;
    std::vector<uint8_t> out(n, 0xff);
    ASSERT_EQ(copy_from(s.iov, out), std::min<size_t>(n, 10));
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(out[i], i < 10 ? i : 0xff);
    }
    const std::vector<uint8_t> in(n, 0xee);
    ASSERT_EQ(copy_to(s.iov, in), std::min<size_t>(n, 10));
    for (size_t i = 0; i < 10; ++i) {
      ASSERT_EQ(s.bytes[i], i < n ? 0xee : i);
    }
  }
}

TEST(IovecOps, ZeroesFromAnyOffset) {
  for (size_t offset = 0; offset <= 12; ++offset) {
    Scattered s;
    zero_from(s.iov, offset);
    for (size_t i = 0; i < 10; ++i) {
      ASSERT_EQ(s.bytes[i], i < offset ? i : 0);
    }
  }
}

TEST(IovecOps, TrimsToAnyLength) {
  for (size_t length = 0; length <= 10; ++length) {
    Scattered s;
    const size_t count = trim(s.iov, length);
    size_t sum = 0;
    for (size_t i = 0; i < count; ++i) {
      sum += s.iov[i].iov_len;
    }
    ASSERT_EQ(sum, length);
  }
}

TEST(IovecOps, SeesTheOneByteThatIsNotZero) {
  std::vector<uint8_t> bytes(512);
  EXPECT_TRUE(is_zero(bytes.data(), bytes.size()));
  EXPECT_TRUE(is_zero(bytes.data(), 0));
  for (const size_t at : {size_t{0}, size_t{1}, size_t{255}, size_t{511}}) {
    bytes[at] = 1;
    EXPECT_FALSE(is_zero(bytes.data(), bytes.size()));
    bytes[at] = 0;
  }
}

}  // namespace
}  // namespace tcmud::device
