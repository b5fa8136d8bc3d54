// SPDX-License-Identifier: Apache-2.0
//
// The file handler on a file system that is full.
#include <cerrno>
#include <cstring>

#include <sys/mount.h>

#include "conformance/cases.h"

namespace tcmud::conformance {
namespace {

constexpr uint64_t kSize = 4u << 20;

// A file system of one megabyte. Needs the right to mount: run as root, or under `unshare -rm`.
class FullFileSystem : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mount("tcmud-test", scratch_.memory().c_str(), "tmpfs", 0, "size=1m"), 0)
        << "cannot mount a small tmpfs (" << std::strerror(errno)
        << "): run as root, or under unshare -rm";
    mounted_ = true;
  }
  void TearDown() override {
    if (mounted_) {
      ::umount2(scratch_.memory().c_str(), MNT_DETACH);
    }
  }
  std::unique_ptr<Lun> open_small(const std::string& options) {
    return Lun::open("file/" + scratch_.memory() + "/image;create" + options + GetParam(), kSize,
                     512, why_);
  }
  static int32_t write(Lun& lun, uint64_t offset, uint64_t length, uint16_t flags = 0) {
    return lun.run(*Request::write(offset, std::vector<uint8_t>(length, 7), 1, flags));
  }

  Scratch scratch_;
  std::string why_;
  bool mounted_ = false;
};

INSTANTIATE_TEST_SUITE_P(Engine, FullFileSystem, ::testing::Values(";io=uring", ";io=sync"),
                         [](const auto& info) { return std::string(info.param).substr(4); });

TEST_P(FullFileSystem, running_out_of_space_is_told_as_such_and_heals) {
  const auto lun = open_small("");
  ASSERT_NE(lun, nullptr) << why_;
  int32_t status = TCMUD_OK;
  uint64_t offset = 0;
  for (; offset < kSize && status == TCMUD_OK; offset += 65536) {
    status = write(*lun, offset, 65536);
  }
  EXPECT_EQ(status, TCMUD_NO_SPACE);
  EXPECT_EQ(write(*lun, kSize - 65536, 65536, TCMUD_FLAG_FUA), TCMUD_NO_SPACE);
  EXPECT_EQ(lun->run(*Request::read(0, 65536)), TCMUD_OK);
  EXPECT_EQ(write(*lun, 0, 65536), TCMUD_OK) << "what has its space can be written again";
  EXPECT_EQ(lun->run(*Request::unmap({{0, 262144}})), TCMUD_OK);
  EXPECT_EQ(write(*lun, kSize - 65536, 65536), TCMUD_OK) << "after unmapping there is room";
}

// Zeroes that must keep their space cannot be had where there is none; those that may be holes can.
TEST_P(FullFileSystem, anchored_zeroes_need_space_and_holes_do_not) {
  const auto lun = open_small("");
  ASSERT_NE(lun, nullptr) << why_;
  EXPECT_EQ(lun->run(*Request::write_zeroes(0, 2u << 20, TCMUD_FLAG_MAY_UNMAP)), TCMUD_OK);
  EXPECT_EQ(lun->run(*Request::write_zeroes(0, 2u << 20, 0)), TCMUD_NO_SPACE);
}

}  // namespace
}  // namespace tcmud::conformance
