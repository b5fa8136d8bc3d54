// SPDX-License-Identifier: Apache-2.0
#include "control/config_file.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "unit/dbus/private_bus.h"

namespace tcmud::control {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ConfigFileTest : public testing::Test {
 protected:
  static void write(const std::filesystem::path& path, std::string_view text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  // inotify queues an event before the call that causes it returns, so there is nothing to wait
  // for.
  static bool readable(const ConfigFile& file) {
    pollfd fd{file.watch_fd(), POLLIN, 0};
    return ::poll(&fd, 1, 0) == 1;
  }
  // What the daemon does when the watch is readable.
  static bool follow(ConfigFile& file) {
    return readable(file) && file.take_events() && file.reload().value_or(false);
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_.path() / "tcmu.conf";
};

TEST_F(ConfigFileTest, a_missing_file_means_the_defaults) {
  ConfigFile file(path_);
  EXPECT_EQ(file.reload(), true);
  EXPECT_FALSE(file.current().log_level);
}

TEST_F(ConfigFileTest, a_missing_directory_means_the_defaults) {
  ConfigFile file(directory_.path() / "none" / "tcmu.conf");
  EXPECT_EQ(file.reload(), true);
  EXPECT_EQ(file.watch_fd(), -1);
}

TEST_F(ConfigFileTest, a_file_that_comes_later_is_noticed) {
  ConfigFile file(path_);
  ASSERT_TRUE(file.reload());
  EXPECT_FALSE(readable(file));
  write(path_, "log_level = 5\n");
  EXPECT_TRUE(follow(file));
  EXPECT_EQ(file.current().log_level, log::Level::kTrace);
}

TEST_F(ConfigFileTest, a_file_written_in_place_is_noticed_once_its_writer_has_finished) {
  write(path_, "log_level = 1\n");
  ConfigFile file(path_);
  ASSERT_TRUE(file.reload());
  std::ofstream writer(path_);
  writer << "log_level" << std::flush;
  EXPECT_FALSE(readable(file));
  writer << " = 2\n" << std::flush;
  writer.close();
  EXPECT_TRUE(follow(file));
  EXPECT_EQ(file.current().log_level, log::Level::kWarning);
}

// Editors and configuration managers; tcmu-runner missed it.
TEST_F(ConfigFileTest, a_file_renamed_into_place_is_noticed_again_and_again) {
  write(path_, "log_level = 1\n");
  ConfigFile file(path_);
  ASSERT_TRUE(file.reload());
  for (const int level : {2, 3, 4}) {
    const auto fresh = directory_.path() / ".tcmu.conf.new";
    write(fresh, "log_level = " + std::to_string(level));
    std::filesystem::rename(fresh, path_);
    EXPECT_TRUE(follow(file));
    EXPECT_EQ(file.current().log_level, static_cast<log::Level>(level));
  }
}

// As container platforms mount configurations.
TEST_F(ConfigFileTest, a_link_through_a_directory_that_is_replaced_is_noticed) {
  const auto& top = directory_.path();
  for (const char* version : {"v1", "v2"}) {
    std::filesystem::create_directory(top / version);
    write(top / version / "tcmu.conf",
          std::string("log_level = ") + (version[1] == '1' ? "1" : "2"));
  }
  std::filesystem::create_symlink("v1", top / "data");
  std::filesystem::create_symlink("data/tcmu.conf", path_);
  ConfigFile file(path_);
  ASSERT_TRUE(file.reload());
  EXPECT_EQ(file.current().log_level, log::Level::kError);
  std::filesystem::create_symlink("v2", top / "data.new");
  std::filesystem::rename(top / "data.new", top / "data");
  EXPECT_TRUE(follow(file));
  EXPECT_EQ(file.current().log_level, log::Level::kWarning);
}

TEST_F(ConfigFileTest, another_file_in_the_directory_changes_nothing) {
  write(path_, "log_level = 1\n");
  ConfigFile file(path_);
  ASSERT_TRUE(file.reload());
  write(directory_.path() / "other", "log_level = 2\n");
  EXPECT_FALSE(follow(file));
  EXPECT_EQ(file.current().log_level, log::Level::kError);
}

TEST_F(ConfigFileTest, a_mistake_is_told_once_with_its_place_and_the_last_good_one_stays) {
  write(path_, "log_level = 1\n");
  ConfigFile file(path_);
  ASSERT_TRUE(file.reload());
  write(path_, "log_level = 4\nlog_dir = 7\n");
  const auto bad = file.reload();
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, StartsWith(path_.string() + ":2:11: log_dir"));
  EXPECT_EQ(file.current().log_level, log::Level::kError);
  EXPECT_EQ(file.reload(), false);
  write(path_, "log_level = 4\n");
  EXPECT_EQ(file.reload(), true);
  EXPECT_EQ(file.current().log_level, log::Level::kDebug);
}

TEST_F(ConfigFileTest, a_file_that_is_far_too_large_or_no_file_is_an_error) {
  ConfigFile file(path_);
  write(path_, std::string((1 << 20) + 1, '#'));
  const auto large = file.reload();
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, EFBIG);
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  const auto directory = file.reload();
  ASSERT_FALSE(directory);
  EXPECT_THAT(directory.error().message, HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace tcmud::control
