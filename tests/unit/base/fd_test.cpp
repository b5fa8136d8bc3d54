// SPDX-License-Identifier: Apache-2.0
#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "base/mapping.h"

namespace tcmud {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(Fd, ClosesWhatItOwnsOnce) {
  const int raw = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    Fd first(raw);
    Fd second(std::move(first));
    EXPECT_EQ(second.get(), raw);
    Fd third;
    third = std::move(second);
    EXPECT_TRUE(is_open(raw));
  }
  EXPECT_FALSE(is_open(raw));
}

TEST(Fd, ReleaseGivesItAway) {
  Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int raw = fd.release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(is_open(raw));
  ::close(raw);
}

TEST(Mapping, MovesItsRange) {
  Mapping first(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                4096);
  Mapping second(std::move(first));
  EXPECT_FALSE(first.valid());  // NOLINT(bugprone-use-after-move): what is left behind is the point
  ASSERT_EQ(second.bytes().size(), 4096U);
  second.bytes()[4095] = std::byte{1};
}

TEST(Mapping, LeavesABorrowedRangeToItsOwner) {
  const Mapping owner(
      ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096);
  {
    Mapping borrowed = Mapping::borrowed(owner.bytes());
    const Mapping moved(std::move(borrowed));
    EXPECT_EQ(moved.bytes().data(), owner.bytes().data());
  }
  owner.bytes()[0] = std::byte{1};
}

}  // namespace
}  // namespace tcmud
