// SPDX-License-Identifier: Apache-2.0
#include "control/logging.h"

#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "control/log_output.h"
#include "unit/dbus/private_bus.h"

namespace tcmud::control {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class LoggingTest : public testing::Test {
 protected:
  // stderr goes to a file meanwhile.
  LoggingTest() : outer_stderr_(::dup(STDERR_FILENO)) {
    const Fd file(::open(stderr_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
    ::dup2(file.get(), STDERR_FILENO);
    log::set_level(log::Level::kInfo);
  }
  ~LoggingTest() override { ::dup2(outer_stderr_.get(), STDERR_FILENO); }

  test::TemporaryDirectory directory_;
  std::filesystem::path stderr_ = directory_.path() / "stderr";
  std::filesystem::path log_dir_ = directory_.path() / "made" / "log";
  std::filesystem::path file_ = log_dir_ / "tcmu-runner.log";
  Fd outer_stderr_;
};

TEST_F(LoggingTest, a_line_names_time_process_level_and_lun_in_the_file_and_on_stderr) {
  {
    Logging logging;
    logging.set_directory(log_dir_);
    log::error("user_0/disk", "broke after {} s", 3);
    log::info("", "about the daemon");
  }
  const std::string text = content_of(file_);
  const std::string stamp = "[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} " +
                            std::to_string(::getpid());
  EXPECT_TRUE(
      std::regex_match(text, std::regex(stamp + " \\[ERROR\\] user_0/disk: broke after 3 s\n" +
                                        stamp + " \\[INFO\\] about the daemon\n")))
      << text;
  EXPECT_EQ(content_of(stderr_), text);
}

TEST_F(LoggingTest, the_file_is_for_its_owner_only) {
  {
    Logging logging;
    logging.set_directory(log_dir_);
    log::info("", "x");
  }
  EXPECT_EQ(std::filesystem::status(file_).permissions(), std::filesystem::perms(0600));
}

TEST_F(LoggingTest, lines_below_the_level_are_left_out) {
  {
    Logging logging;
    logging.set_directory(log_dir_);
    log::set_level(log::Level::kWarning);
    log::info("", "unwanted");
    log::warning("", "wanted");
  }
  log::set_level(log::Level::kInfo);
  EXPECT_THAT(content_of(file_), Not(HasSubstr("unwanted")));
  EXPECT_THAT(content_of(file_), EndsWith("[WARNING] wanted\n"));
}

TEST_F(LoggingTest, after_reopen_lines_go_to_a_new_file_even_if_none_is_logged) {
  {
    Logging logging;
    logging.set_directory(log_dir_);
    log::info("", "before");
  }
  {
    Logging logging;
    logging.set_directory(log_dir_);
    log::info("", "still before");
    std::filesystem::path rotated = file_;
    rotated += ".1";
    // The writer must have the old file open before it is renamed.
    while (content_of(file_).find("still") == std::string::npos) {
      std::this_thread::yield();
    }
    std::filesystem::rename(file_, rotated);
    logging.reopen();
    while (!std::filesystem::exists(file_)) {
      std::this_thread::yield();
    }
    log::info("", "after");
    EXPECT_THAT(content_of(rotated), EndsWith("still before\n"));
  }
  EXPECT_THAT(content_of(file_), EndsWith("after\n"));
  EXPECT_THAT(content_of(file_), Not(HasSubstr("before")));
}

TEST_F(LoggingTest, a_directory_that_cant_be_stops_nothing_and_the_former_file_stays) {
  {
    Logging logging;
    logging.set_directory("/proc/none");
    log::info("", "only on stderr");
    while (content_of(stderr_).find("only on stderr") == std::string::npos) {
      std::this_thread::yield();
    }
    logging.set_directory(log_dir_);
    log::info("", "in the file");
    while (content_of(file_).empty()) {  // or the writer would hear of the last directory alone
      std::this_thread::yield();
    }
    logging.set_directory("/proc/none");
    log::info("", "in the file still");
  }
  EXPECT_THAT(content_of(stderr_), HasSubstr("can't log to /proc/none/tcmu-runner.log: "));
  EXPECT_THAT(content_of(stderr_), HasSubstr("only on stderr"));
  EXPECT_THAT(content_of(file_), Not(HasSubstr("only on stderr")));
  EXPECT_THAT(content_of(file_), EndsWith("in the file still\n"));
}

TEST_F(LoggingTest, what_comes_from_outside_cant_forge_a_line) {
  {
    Logging logging;
    logging.set_directory(log_dir_);
    log::info("user_0/a\nb", "one\n2026 [INFO] two\x1b[31m");
  }
  const std::string text = content_of(file_);
  EXPECT_THAT(text, EndsWith("user_0/a b: one 2026 [INFO] two [31m\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST_F(LoggingTest, a_line_of_any_length_is_one_line) {
  {
    Logging logging;
    logging.set_directory(log_dir_);
    log::info("", "{}", std::string(100000, 'x'));
  }
  EXPECT_LT(content_of(file_).size(), 4096u);
  EXPECT_THAT(content_of(file_), EndsWith("x\n"));
}

// A log on a slow disk must not slow down LUNs: with the writer stuck, loggers go on, and the lines
// lost are counted.
TEST_F(LoggingTest, loggers_never_wait_for_the_writer) {
  const auto pipe = directory_.path() / "log" / "tcmu-runner.log";
  std::filesystem::create_directory(pipe.parent_path());
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  // Opening for writing waits for a reader: the writer stands still there.
  std::string text;
  std::thread reader;
  {
    Logging logging;
    logging.set_directory(pipe.parent_path());
    for (int i = 0; i < 3 * 4096; ++i) {
      log::info("", "line {}", i);
    }
    reader = std::thread([&] { text = content_of(pipe); });
  }
  reader.join();
  EXPECT_THAT(text, HasSubstr("lines were dropped: they came faster than they could be written"));
  EXPECT_THAT(text, EndsWith("line 12287\n"));
  EXPECT_THAT(text, Not(HasSubstr("line 1\n")));
}

TEST_F(LoggingTest, any_number_of_threads_may_log) {
  {
    Logging logging;
    logging.set_directory(log_dir_);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([i] {
        for (int j = 0; j < 100; ++j) {
          log::info("", "thread {} line {}", i, j);
        }
      });
    }
    for (auto& thread : threads) {
      thread.join();
    }
  }
  const std::string text = content_of(file_);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 400);
}

TEST_F(LoggingTest, a_stderr_that_nobody_reads_holds_up_nothing) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  const Fd writer(ends[1]);
  LogOutput output(writer.get());
  output.ask(file_);
  output.open_if_asked();
  const std::string line(4000, 'x');
  for (int i = 0; i < 40; ++i) {  // the pipe takes 64 KiB
    output.write(line + "\n");
  }
  EXPECT_EQ(std::filesystem::file_size(file_), 40 * 4001u);
}

TEST_F(LoggingTest, a_full_disk_is_told_on_stderr_once) {
  const Fd captured(
      ::open((directory_.path() / "captured").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600));
  LogOutput output(captured.get());
  output.ask("/dev/full");
  output.open_if_asked();
  output.write("one\n");
  output.write("two\n");
  EXPECT_EQ(content_of(directory_.path() / "captured"),
            "one\n/dev/full lacks lines: No space left on device\ntwo\n");
}

}  // namespace
}  // namespace tcmud::control
