// SPDX-License-Identifier: Apache-2.0
#include "file/target.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tcmud::file {
namespace {

constexpr uint64_t kSize = 1u << 20;

class TargetTest : public ::testing::Test {
 protected:
  TargetTest() {
    if (::mkdtemp(directory_.data()) == nullptr) {
      std::abort();
    }
    options_.path = directory_ + "/image";
  }
  ~TargetTest() override { std::filesystem::remove_all(directory_); }

  void make_file(uint64_t size) {
    std::ofstream(options_.path) << "data";
    std::filesystem::resize_file(options_.path, size);
  }
  api::Result<Target> open(uint64_t lun_size = kSize, uint32_t block_size = 512) {
    return Target::open(options_, lun_size, block_size, real_system());
  }
  // Expects a refusal of one line that holds the words.
  void expect_refused(int code, std::initializer_list<std::string> words,
                      uint64_t lun_size = kSize) {
    const auto target = open(lun_size);
    ASSERT_FALSE(target);
    EXPECT_EQ(target.refusal().code, code);
    EXPECT_EQ(target.refusal().why.find('\n'), std::string::npos);
    for (const std::string& word : words) {
      EXPECT_NE(target.refusal().why.find(word), std::string::npos) << target.refusal().why;
    }
  }
  [[nodiscard]] bool exists() const { return std::filesystem::exists(options_.path); }

  std::string directory_ = "./tcmud-target-XXXXXX";
  Options options_;
};

TEST_F(TargetTest, a_missing_file_is_refused_and_the_remedy_named) {
  expect_refused(ENOENT, {options_.path, "create"});
  EXPECT_FALSE(exists());
}

TEST_F(TargetTest, create_makes_a_sparse_file_of_the_size_of_the_lun) {
  options_.create = true;
  const auto target = open();
  ASSERT_TRUE(target) << target.refusal().why;
  struct stat st;
  ASSERT_EQ(::stat(options_.path.c_str(), &st), 0);
  EXPECT_EQ(static_cast<uint64_t>(st.st_size), kSize);
  EXPECT_EQ(st.st_blocks, 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(TargetTest, create_fills_an_empty_file_and_leaves_any_other_alone) {
  options_.create = true;
  make_file(0);
  EXPECT_TRUE(open());
  make_file(kSize / 2);
  expect_refused(EINVAL, {std::to_string(kSize / 2), std::to_string(kSize), "truncate -s"});
  EXPECT_EQ(std::filesystem::file_size(options_.path), kSize / 2);
}

TEST_F(TargetTest, a_file_of_another_size_than_the_lun_is_refused) {
  make_file(kSize - 512);
  expect_refused(EINVAL, {std::to_string(kSize - 512), std::to_string(kSize), "dev_size"});
  make_file(kSize + 512);
  expect_refused(EINVAL, {std::to_string(kSize + 512), "cuts off"});
}

TEST_F(TargetTest, a_file_that_could_not_be_made_to_size_is_not_left_behind) {
  options_.create = true;
  EXPECT_FALSE(open(uint64_t{1} << 62));
  EXPECT_FALSE(exists());
}

TEST_F(TargetTest, a_directory_or_special_file_is_refused_without_waiting_for_it) {
  std::filesystem::create_directory(options_.path);
  expect_refused(EISDIR, {"directory", "block device"});
  EXPECT_TRUE(check_path(options_.path));
  std::filesystem::remove(options_.path);
  ASSERT_EQ(::mkfifo(options_.path.c_str(), 0600), 0);
  expect_refused(EINVAL, {"special file"});
  options_.path = "/dev/null";
  expect_refused(EINVAL, {"special file"});
}

TEST_F(TargetTest, a_missing_directory_is_refused_with_its_remedy) {
  options_.path = directory_ + "/none/image";
  options_.create = true;
  expect_refused(ENOENT, {"directory first"});
  EXPECT_FALSE(check_path(options_.path)) << "it may come later";
}

TEST_F(TargetTest, a_second_writer_is_refused_until_the_first_has_closed) {
  make_file(kSize);
  {
    const auto first = open();
    ASSERT_TRUE(first);
    expect_refused(EAGAIN, {"in use"});
    options_.read_only = true;
    expect_refused(EAGAIN, {"in use"});
    options_.read_only = false;
    options_.lock = false;
    EXPECT_TRUE(open()) << "nolock";
    options_.lock = true;
  }
  EXPECT_TRUE(open());
}

// All I/O is done by then: a reference that the kernel has not dropped yet must not keep the next
// owner out.
TEST_F(TargetTest, closing_gives_the_lock_back_at_once) {
  make_file(kSize);
  Fd lingering;
  {
    const auto first = open();
    ASSERT_TRUE(first);
    lingering = Fd(::dup(first->fd()));
  }
  EXPECT_TRUE(open());
}

TEST_F(TargetTest, readers_share) {
  make_file(kSize);
  options_.read_only = true;
  const auto first = open();
  const auto second = open();
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);
  tcmud_props props{};
  first->fill_props(props);
  EXPECT_EQ(props.read_only, 1);
  EXPECT_EQ(props.unmap, TCMUD_NONE);
}

TEST_F(TargetTest, the_descriptor_waits_for_io) {
  make_file(kSize);
  const auto target = open();
  ASSERT_TRUE(target);
  EXPECT_EQ(::fcntl(target->fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(target->fd(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(TargetTest, opening_changes_nothing_of_a_file) {
  make_file(kSize);
  struct stat before, after;
  ASSERT_EQ(::stat(options_.path.c_str(), &before), 0);
  EXPECT_TRUE(open());
  ASSERT_EQ(::stat(options_.path.c_str(), &after), 0);
  EXPECT_EQ(before.st_size, after.st_size);
  EXPECT_EQ(before.st_blocks, after.st_blocks);
}

TEST_F(TargetTest, physical_blocks_are_a_power_of_two_of_logical_ones) {
  make_file(kSize);
  for (const uint32_t block_size : {512u, 1024u, 2048u, 4096u}) {
    const auto target = open(kSize, block_size);
    ASSERT_TRUE(target);
    tcmud_props props{};
    target->fill_props(props);
    EXPECT_GE(props.physical_block_size, block_size);
    EXPECT_LE(props.physical_block_size, 65536u);
    EXPECT_EQ(props.physical_block_size & (props.physical_block_size - 1), 0u);
    EXPECT_EQ(props.unmap_granularity % block_size, 0u);
  }
}

TEST_F(TargetTest, unmap_is_offered_where_the_file_system_punches_holes_and_not_with_nodiscard) {
  make_file(kSize);
  const Fd fd(::open(options_.path.c_str(), O_RDWR));
  const bool punches =
      ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
  tcmud_props props{};
  {
    const auto target = open();
    ASSERT_TRUE(target);
    target->fill_props(props);
    EXPECT_EQ(props.unmap, punches ? TCMUD_NATIVE : TCMUD_NONE);
    EXPECT_EQ(props.unmap_zeroes, punches);
    EXPECT_EQ(props.thin, punches);
  }
  options_.discard = false;
  const auto target = open();
  ASSERT_TRUE(target);
  target->fill_props(props);
  EXPECT_EQ(props.unmap, TCMUD_NONE);
  EXPECT_EQ(props.thin, 0);
}

TEST_F(TargetTest, a_file_grows_only_with_create_or_when_the_admin_grew_it_first) {
  make_file(kSize);
  auto target = open();
  ASSERT_TRUE(target);
  auto refusal = target->resize(2 * kSize);
  ASSERT_TRUE(refusal);
  EXPECT_NE(refusal->why.find("truncate -s " + std::to_string(2 * kSize)), std::string::npos);
  tcmud_props props{};
  target->fill_props(props);
  EXPECT_EQ(props.lun_size, kSize) << "nothing has changed";
  std::filesystem::resize_file(options_.path, 2 * kSize);
  EXPECT_FALSE(target->resize(2 * kSize));
  target->fill_props(props);
  EXPECT_EQ(props.lun_size, 2 * kSize);
}

TEST_F(TargetTest, with_create_a_file_grows_by_itself_but_never_shrinks) {
  options_.create = true;
  auto target = open();
  ASSERT_TRUE(target);
  EXPECT_FALSE(target->resize(2 * kSize));
  EXPECT_EQ(std::filesystem::file_size(options_.path), 2 * kSize);
  EXPECT_TRUE(target->resize(kSize));
  EXPECT_EQ(std::filesystem::file_size(options_.path), 2 * kSize);
}

}  // namespace
}  // namespace tcmud::file
