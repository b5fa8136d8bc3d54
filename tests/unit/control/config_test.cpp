// SPDX-License-Identifier: Apache-2.0
#include "control/config.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcmud::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Config parse(std::string_view text) {
  auto config = parse_config(text);
  EXPECT_TRUE(config) << text << ": " << (config ? "" : config.error().message);
  return config.value_or(Config{});
}

std::string error_of(std::string_view text) {
  const auto config = parse_config(text);
  return config ? "none" : config.error().message;
}

TEST(Config, empty_text_means_the_defaults) {
  const Config config = parse("");
  EXPECT_FALSE(config.log_level);
  EXPECT_FALSE(config.log_dir);
  EXPECT_FALSE(config.handler_path);
  EXPECT_EQ(config.poll_us, 50u);
  EXPECT_EQ(config.third_party_copy, ThirdPartyCopy::kSameInitiators);
  EXPECT_THAT(config.foreign_subtypes, IsEmpty());
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(Config, every_key_is_read) {
  const Config config = parse(
      "# the daemon\n"
      "log_level = 4 # debug\n"
      "log_dir = \"/var/log/tcmu\"\n"
      "handler_path = '/opt/handlers'\n"
      "poll_us = 0\n"
      "third_party_copy = \"off\"\n"
      "foreign_subtypes = [\"overlaybd\",\n  \"mhvtl\"]\n");
  EXPECT_EQ(config.log_level, log::Level::kDebug);
  EXPECT_EQ(config.log_dir, "/var/log/tcmu");
  EXPECT_EQ(config.handler_path, "/opt/handlers");
  EXPECT_EQ(config.poll_us, 0u);
  EXPECT_EQ(config.third_party_copy, ThirdPartyCopy::kOff);
  EXPECT_THAT(config.foreign_subtypes, ElementsAre("mhvtl", "overlaybd"));
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(Config, who_may_copy_is_one_of_three) {
  EXPECT_EQ(parse("third_party_copy = \"all\"").third_party_copy, ThirdPartyCopy::kAll);
  EXPECT_EQ(parse("third_party_copy = \"same_initiators\"").third_party_copy,
            ThirdPartyCopy::kSameInitiators);
  for (const char* value : {"\"none\"", "\"\"", "1", "false", "[\"all\"]"}) {
    EXPECT_EQ(error_of(std::string("third_party_copy = ") + value),
              "1:20: third_party_copy must be \"same_initiators\", \"all\" or \"off\"");
  }
}

std::string packaged() {
  std::ifstream file(TCMUD_PACKAGED_CONFIG);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Config, the_packaged_file_changes_nothing) {
  ASSERT_THAT(packaged(), HasSubstr("log_level"));
  const Config config = parse(packaged());
  EXPECT_FALSE(config.log_level || config.log_dir || config.handler_path);
  EXPECT_THAT(config.warnings, IsEmpty());
}

TEST(Config, the_packaged_file_shows_every_key_with_its_default) {
  std::string shown;
  std::istringstream lines(packaged());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#') && !line.starts_with("# ")) {
      shown += line.substr(1) + '\n';
    }
  }
  const Config config = parse(shown);
  EXPECT_THAT(config.warnings, IsEmpty());
  EXPECT_EQ(config.log_level, log::Level::kInfo);
  EXPECT_EQ(config.log_dir, "/var/log");
  EXPECT_TRUE(config.handler_path);
  EXPECT_EQ(config.poll_us, Config{}.poll_us);
  EXPECT_EQ(config.third_party_copy, Config{}.third_party_copy);
  EXPECT_THAT(shown, HasSubstr("third_party_copy ="));
  EXPECT_THAT(shown, HasSubstr("poll_us ="));
  EXPECT_THAT(shown, HasSubstr("foreign_subtypes = []"));
}

TEST(Config, every_log_level_has_its_number) {
  for (int level = 0; level <= 5; ++level) {
    EXPECT_EQ(parse("log_level = " + std::to_string(level)).log_level,
              static_cast<log::Level>(level));
  }
}

TEST(Config, strings_without_quotes_are_taken_as_tcmu_runner_took_them) {
  EXPECT_EQ(parse("log_dir = /var/log/tcmu   # here\nlog_level=2").log_dir, "/var/log/tcmu");
  EXPECT_EQ(parse("log_dir=/a").log_dir, "/a");
}

TEST(Config, keys_without_a_value_are_taken) {
  const Config config = parse("some_switch\nlog_level = 1\n  another_switch   # on\n");
  EXPECT_EQ(config.log_level, log::Level::kError);
  EXPECT_THAT(config.warnings, ElementsAre(HasSubstr("unknown key some_switch"),
                                           HasSubstr("unknown key another_switch")));
}

TEST(Config, numbers_with_leading_zeros_are_decimal) {
  EXPECT_EQ(parse("log_level = 03").log_level, log::Level::kInfo);
  EXPECT_EQ(parse("log_level = 00").log_level, log::Level::kCritical);
}

// "echo log_level=5 >> tcmu.conf" is how people switch debugging on.
TEST(Config, the_last_one_of_a_key_counts) {
  EXPECT_EQ(parse("log_level = 3\nlog_dir = \"/a\"\nlog_level = 5\n").log_level,
            log::Level::kTrace);
  EXPECT_EQ(parse("log_dir = \"/a\"\nlog_dir = \"/b\"\nlog_dir = /c\n").log_dir, "/c");
}

TEST(Config, old_and_new_syntax_mix) {
  const Config config =
      parse("log_dir = /a\nforeign_subtypes = [\n  \"x\"\n]\npoll_us = 10\nswitch\n");
  EXPECT_EQ(config.log_dir, "/a");
  EXPECT_EQ(config.poll_us, 10u);
  EXPECT_THAT(config.foreign_subtypes, ElementsAre("x"));
}

TEST(Config, windows_line_ends_are_taken) {
  const Config config = parse("log_level = 2\r\nlog_dir = /a\r\nswitch\r\n");
  EXPECT_EQ(config.log_level, log::Level::kWarning);
  EXPECT_EQ(config.log_dir, "/a");
}

TEST(Config, numbers_out_of_range_count_as_the_limit_and_are_told) {
  const Config config = parse("log_level = 9\npoll_us = -4");
  EXPECT_EQ(config.log_level, log::Level::kTrace);
  EXPECT_EQ(config.poll_us, 0u);
  EXPECT_THAT(
      config.warnings,
      ElementsAre("1:13: log_level = 9 is out of range, 5 is taken (0 to 5 are allowed)",
                  "2:11: poll_us = -4 is out of range, 0 is taken (0 to 1000 are allowed)"));
}

TEST(Config, warnings_come_in_the_order_of_the_file) {
  EXPECT_THAT(parse("zebra = 1\napple = 2\n").warnings,
              ElementsAre(StartsWith("1:"), StartsWith("2:")));
}

// tcmu-runner ran past its buffer here, and crashed at the next reload.
TEST(Config, a_level_in_words_is_an_error_with_its_place) {
  EXPECT_EQ(error_of("\n\nlog_level = debug\n"), "3:13: log_level must be a number from 0 to 5");
  EXPECT_EQ(error_of("log_level = \"3\""), "1:13: log_level must be a number from 0 to 5");
}

TEST(Config, wrong_types_are_errors_with_their_place) {
  EXPECT_EQ(error_of("log_dir = 4"), "1:11: log_dir must be an absolute path in quotes");
  EXPECT_EQ(error_of("log_dir = \"relative\""), "1:11: log_dir must be an absolute path in quotes");
  EXPECT_EQ(error_of("log_dir = \"/a\\u0000b\""),
            "1:11: log_dir must be an absolute path in quotes");
  EXPECT_EQ(error_of("log_level = 3.0"), "1:13: log_level must be a number from 0 to 5");
  EXPECT_EQ(error_of("foreign_subtypes = \"x\""),
            "1:20: foreign_subtypes must be a list of names: [\"one\", \"two\"]");
  EXPECT_EQ(error_of("foreign_subtypes = [\"x\", 4]"),
            "1:20: foreign_subtypes must be a list of names: [\"one\", \"two\"]");
}

TEST(Config, syntax_errors_name_line_and_column) {
  EXPECT_THAT(error_of("log_level = 3\nlog_dir = \"/a\n"), StartsWith("2:"));
  EXPECT_THAT(error_of("log_level = 3\n\n = 4\n"), StartsWith("3:"));
  EXPECT_THAT(error_of("log_dir = /a\nlog_level = = 4\n"), StartsWith("2:"));
}

// tcmu-runner never came back from a line that begins with something else than a letter.
TEST(Config, a_line_that_begins_with_no_letter_is_an_error) {
  EXPECT_THAT(error_of("log_level = 2\n%foo\n"), StartsWith("2:1: "));
  EXPECT_THAT(error_of("\x01"), StartsWith("1:1: "));
}

TEST(Config, bytes_that_are_no_text_are_an_error) {
  EXPECT_NE(error_of("log_dir = \"\xff\xfe\""), "none");
  EXPECT_NE(error_of(std::string_view("\0\0", 2)), "none");
}

TEST(Config, lines_inside_a_string_are_not_taken_for_the_old_format) {
  const Config config = parse("note = '''\nlog_level = 1\n'''\n");
  EXPECT_FALSE(config.log_level);
  EXPECT_NE(error_of("note = '''\nlog_level = 1\n'''\nswitch\n"), "none");
}

}  // namespace
}  // namespace tcmud::control
