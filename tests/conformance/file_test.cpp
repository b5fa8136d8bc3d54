// SPDX-License-Identifier: Apache-2.0
//
// The file handler through its C face: what an administrator meets.
#include <cerrno>
#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

#include "conformance/cases.h"

namespace tcmud::conformance {
namespace {

constexpr uint64_t kSize = 4u << 20;

class File : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Lun> open(const std::string& options, uint32_t flags = 0, uint64_t size = kSize) {
    return Lun::open("file/" + scratch_.disk() + "/image" + options + GetParam(), size, 512, why_,
                     flags);
  }
  [[nodiscard]] std::string image() const { return scratch_.disk() + "/image"; }
  static int32_t write(Lun& lun, uint64_t offset, uint64_t length, uint16_t flags = 0) {
    return lun.run(*Request::write(offset, std::vector<uint8_t>(length, 7), 1, flags));
  }

  Scratch scratch_;
  std::string why_;
};

INSTANTIATE_TEST_SUITE_P(Engine, File, ::testing::Values(";io=uring", ";io=sync"),
                         [](const auto& info) { return std::string(info.param).substr(4); });

TEST_P(File, the_engine_asked_for_is_the_one_at_work) {
  const auto lun = open(";create");
  ASSERT_NE(lun, nullptr) << why_;
  EXPECT_EQ(lun->props().model,
            GetParam() == std::string(";io=sync") ? TCMUD_MODEL_BLOCKING : TCMUD_MODEL_ASYNC);
}

TEST_P(File, a_read_only_lun_refuses_everything_that_writes) {
  open(";create").reset();
  for (const bool by_option : {true, false}) {
    const auto lun = open(by_option ? ";readonly" : "", by_option ? 0 : TCMUD_OPEN_READ_ONLY);
    ASSERT_NE(lun, nullptr) << why_;
    EXPECT_EQ(lun->props().read_only, 1);
    EXPECT_EQ(write(*lun, 0, 512), TCMUD_WRITE_PROTECTED);
    EXPECT_EQ(write(*lun, 0, 512, TCMUD_FLAG_FUA), TCMUD_WRITE_PROTECTED);
    EXPECT_EQ(lun->run(*Request::write_zeroes(0, 512, 0)), TCMUD_WRITE_PROTECTED);
    EXPECT_EQ(lun->run(*Request::read(0, 4096)), TCMUD_OK);
    EXPECT_EQ(lun->run(*Request::flush()), TCMUD_OK);
  }
}

// On the tmpfs: it has holes of pages, whatever the disk of the build has.
TEST_P(File, holes_are_told_as_deallocated_blocks) {
  const auto lun =
      Lun::open("file/" + scratch_.memory() + "/image;create" + GetParam(), kSize, 512, why_);
  ASSERT_NE(lun, nullptr) << why_;
  ASSERT_EQ(lun->props().lba_status, TCMUD_NATIVE);
  ASSERT_EQ(write(*lun, 64 << 10, 64 << 10), TCMUD_OK);
  ASSERT_EQ(write(*lun, 1 << 20, 64 << 10), TCMUD_OK);
  ASSERT_EQ(lun->run(*Request::unmap({{80 << 10, 16 << 10}})), TCMUD_OK);
  std::vector<tcmud_extent_status> extents(16);
  tcmud_lba_status status{};
  status.size = sizeof(status);
  status.capacity = 16;
  status.extents = extents.data();
  const auto request = Request::of(TCMUD_OP_LBA_STATUS, 32 << 10, kSize - (32 << 10));
  request->c.lba_status = &status;
  ASSERT_EQ(lun->run(*request), TCMUD_OK);
  const std::vector<std::pair<uint64_t, uint32_t>> expected = {
      {32 << 10, TCMUD_DEALLOCATED},
      {16 << 10, TCMUD_MAPPED},
      {16 << 10, TCMUD_DEALLOCATED},
      {32 << 10, TCMUD_MAPPED},
      {(1 << 20) - (128 << 10), TCMUD_DEALLOCATED},
      {64 << 10, TCMUD_MAPPED},
      {kSize - (1 << 20) - (64 << 10), TCMUD_DEALLOCATED}};
  ASSERT_EQ(status.count, expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(extents[i].length, expected[i].first) << i;
    EXPECT_EQ(extents[i].state, expected[i].second) << i;
  }
}

TEST_P(File, two_luns_cannot_write_to_one_file) {
  auto first = open(";create");
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(open(""), nullptr);
  EXPECT_NE(why_.find("in use"), std::string::npos) << why_;
  first.reset();
  EXPECT_NE(open(""), nullptr) << why_;
}

TEST_P(File, what_does_not_fit_is_refused_with_cause_and_remedy) {
  EXPECT_EQ(open(""), nullptr);
  EXPECT_NE(why_.find("create"), std::string::npos) << why_;
  open(";create").reset();
  EXPECT_EQ(open("", 0, kSize * 2), nullptr);
  EXPECT_NE(why_.find(std::to_string(kSize * 2)), std::string::npos) << why_;
  EXPECT_EQ(open(";create;readonly"), nullptr);
}

TEST_P(File, a_lun_grows_while_requests_run) {
  const auto lun = open(";create");
  ASSERT_NE(lun, nullptr);
  std::vector<std::unique_ptr<Request>> requests;
  for (uint32_t i = 0; i < 200; ++i) {
    requests.push_back(Request::write(i * 4096, std::vector<uint8_t>(4096, 1)));
    lun->submit(*requests.back());
  }
  EXPECT_EQ(lun->resize(2 * kSize, why_), 0) << why_;
  for (auto& request : requests) {
    ASSERT_TRUE(lun->wait(*request));
    EXPECT_EQ(request->status, TCMUD_OK);
  }
  EXPECT_EQ(lun->props().lun_size, 2 * kSize);
  EXPECT_EQ(write(*lun, 2 * kSize - 512, 512), TCMUD_OK);
  EXPECT_EQ(lun->resize(kSize, why_), -EINVAL);
  EXPECT_NE(why_.find("truncate"), std::string::npos) << why_;
}

TEST_P(File, unmapped_space_goes_back_to_the_file_system) {
  const auto lun = open(";create");
  ASSERT_NE(lun, nullptr);
  ASSERT_EQ(lun->props().unmap, TCMUD_NATIVE) << "run the tests on a file system with holes";
  EXPECT_EQ(write(*lun, 0, kSize), TCMUD_OK);
  EXPECT_EQ(lun->run(*Request::flush()), TCMUD_OK);
  struct stat before, after;
  ASSERT_EQ(::stat(image().c_str(), &before), 0);
  EXPECT_EQ(lun->run(*Request::unmap({{0, kSize / 2}})), TCMUD_OK);
  ASSERT_EQ(::stat(image().c_str(), &after), 0);
  EXPECT_LE(static_cast<uint64_t>(after.st_blocks) * 512 + kSize / 2,
            static_cast<uint64_t>(before.st_blocks) * 512);
  EXPECT_EQ(after.st_size, before.st_size);
}

}  // namespace
}  // namespace tcmud::conformance
