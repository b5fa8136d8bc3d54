// SPDX-License-Identifier: Apache-2.0
//
// The file handler on block devices (loop devices over sparse files). Needs root.
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "conformance/cases.h"

namespace tcmud::conformance {
namespace {

constexpr uint64_t kSize = 8u << 20;

class LoopDevice {
 public:
  LoopDevice(const std::string& file, uint32_t sector) {
    file_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(::ftruncate(file_, kSize), 0);
    const int control = ::open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    // Somebody else may take the free one in between.
    for (int tries = 0; tries < 50 && fd_ < 0 && control >= 0; ++tries) {
      path_ = "/dev/loop" + std::to_string(::ioctl(control, LOOP_CTL_GET_FREE));
      fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
      loop_config config;
      std::memset(&config, 0, sizeof(config));
      config.fd = static_cast<uint32_t>(file_);
      config.block_size = sector;
      if (fd_ >= 0 && ::ioctl(fd_, LOOP_CONFIGURE, &config) != 0) {
        ::close(fd_);
        fd_ = -1;
      }
    }
    EXPECT_GE(fd_, 0) << "no loop device to be had (" << std::strerror(errno) << "): run as root";
    ::close(control);
  }
  ~LoopDevice() {
    ::ioctl(fd_, LOOP_CLR_FD);
    ::close(fd_);
    ::close(file_);
  }
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;
  [[nodiscard]] bool usable() const { return fd_ >= 0; }
  [[nodiscard]] const std::string& path() const { return path_; }
  void grow(uint64_t size) const {
    EXPECT_EQ(::ftruncate(file_, static_cast<off_t>(size)), 0);
    EXPECT_EQ(::ioctl(fd_, LOOP_SET_CAPACITY), 0);
  }

 private:
  int file_ = -1;
  int fd_ = -1;
  std::string path_;
};

class BlockDevice : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Lun> open(const LoopDevice& device, const std::string& options,
                            uint32_t block_size, uint64_t size = kSize) {
    return Lun::open("file/" + device.path() + options + GetParam(), size, block_size, why_);
  }
  Scratch scratch_;
  std::string why_;
};

INSTANTIATE_TEST_SUITE_P(Engine, BlockDevice, ::testing::Values(";io=uring", ";io=sync"),
                         [](const auto& info) { return std::string(info.param).substr(4); });

TEST_P(BlockDevice, keeps_data_and_zeroes_what_is_unmapped) {
  for (const uint32_t sector : {512u, 4096u}) {
    const LoopDevice device(scratch_.disk() + "/disk" + std::to_string(sector), sector);
    ASSERT_TRUE(device.usable());
    for (const char* options : {"", ";direct"}) {
      const auto lun = open(device, options, sector);
      ASSERT_NE(lun, nullptr) << why_;
      EXPECT_GE(lun->props().lun_size, kSize);
      EXPECT_GE(lun->props().physical_block_size, sector);
      ASSERT_EQ(lun->props().unmap, TCMUD_NATIVE);
      const std::vector<uint8_t> bytes(1u << 20, 0x5A);
      EXPECT_EQ(lun->run(*Request::write(kSize - bytes.size(), bytes, 9, TCMUD_FLAG_FUA, sector)),
                TCMUD_OK);
      const auto back = Request::read(kSize - bytes.size(), bytes.size(), 3, sector);
      EXPECT_EQ(lun->run(*back), TCMUD_OK);
      EXPECT_EQ(back->data(), bytes);
      EXPECT_EQ(lun->run(*Request::unmap({{kSize - bytes.size(), sector}, {kSize - 65536, 65536}})),
                TCMUD_OK);
      EXPECT_EQ(lun->run(*Request::write_zeroes(kSize - 524288, sector * 3, 0)), TCMUD_OK);
      EXPECT_EQ(lun->run(*Request::flush()), TCMUD_OK);
      std::vector<uint8_t> expected = bytes;
      std::fill_n(expected.begin(), sector, uint8_t{0});
      std::fill_n(expected.end() - 65536, 65536, uint8_t{0});
      std::fill_n(expected.begin() + 524288, sector * 3, uint8_t{0});
      const auto after = Request::read(kSize - bytes.size(), bytes.size(), 1, sector);
      EXPECT_EQ(lun->run(*after), TCMUD_OK);
      if (lun->props().unmap_zeroes != 0) {
        EXPECT_TRUE(after->data() == expected);
      }
    }
  }
}

TEST_P(BlockDevice, small_blocks_on_large_sectors_work_buffered_and_are_refused_direct) {
  const LoopDevice device(scratch_.disk() + "/disk", 4096);
  ASSERT_TRUE(device.usable());
  EXPECT_EQ(open(device, ";direct", 512), nullptr);
  EXPECT_NE(why_.find("4096"), std::string::npos) << why_;
  const auto lun = open(device, "", 512);
  ASSERT_NE(lun, nullptr) << why_;
  EXPECT_EQ(lun->props().physical_block_size, 4096u);
  const std::vector<uint8_t> bytes(16384, 0x77);
  EXPECT_EQ(lun->run(*Request::write(0, bytes)), TCMUD_OK);
  // Not aligned to the sectors of the device: it refuses, and zeroes are written.
  EXPECT_EQ(lun->run(*Request::unmap({{512, 4096 + 512}})), TCMUD_OK);
  EXPECT_EQ(lun->run(*Request::write_zeroes(8704, 512, 0)), TCMUD_OK);
  std::vector<uint8_t> expected = bytes;
  std::fill_n(expected.begin() + 512, 4608, uint8_t{0});
  std::fill_n(expected.begin() + 8704, 512, uint8_t{0});
  const auto back = Request::read(0, bytes.size());
  EXPECT_EQ(lun->run(*back), TCMUD_OK);
  EXPECT_TRUE(back->data() == expected);
}

TEST_P(BlockDevice, has_one_writer_and_must_be_large_enough) {
  const LoopDevice device(scratch_.disk() + "/disk", 512);
  ASSERT_TRUE(device.usable());
  const auto lun = open(device, "", 512, kSize / 2);
  ASSERT_NE(lun, nullptr) << "a larger device will do: " << why_;
  EXPECT_EQ(lun->props().lun_size, kSize);
  EXPECT_EQ(open(device, "", 512), nullptr);
  EXPECT_NE(why_.find("release it"), std::string::npos) << why_;
  EXPECT_EQ(open(device, ";readonly", 512), nullptr);
  EXPECT_NE(why_.find("in use"), std::string::npos) << why_;
  EXPECT_NE(lun->resize(kSize * 2, why_), 0);
  EXPECT_NE(why_.find("grow the device"), std::string::npos) << why_;
  device.grow(kSize * 2);
  EXPECT_EQ(lun->resize(kSize * 2, why_), 0) << why_;
  EXPECT_EQ(lun->run(*Request::write(kSize * 2 - 512, std::vector<uint8_t>(512, 1))), TCMUD_OK);
}

TEST_P(BlockDevice, smaller_than_the_lun_is_refused) {
  const LoopDevice device(scratch_.disk() + "/disk", 512);
  ASSERT_TRUE(device.usable());
  EXPECT_EQ(open(device, "", 512, kSize + 512), nullptr);
  EXPECT_NE(why_.find(std::to_string(kSize)), std::string::npos) << why_;
}

}  // namespace
}  // namespace tcmud::conformance
