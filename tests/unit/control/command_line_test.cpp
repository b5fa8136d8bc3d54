// SPDX-License-Identifier: Apache-2.0
#include "control/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace tcmud::control {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class CommandLineTest : public testing::Test {
 protected:
  CommandLineTest() { ::unsetenv("TCMU_LOGDIR"); }
  ~CommandLineTest() override { ::unsetenv("TCMU_LOGDIR"); }

  static std::variant<Options, Exit> parse(std::vector<const char*> arguments,
                                           const char* name = "/usr/bin/tcmud") {
    arguments.insert(arguments.begin(), name);
    return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
  }
  static Options options(std::vector<const char*> arguments) {
    const auto parsed = parse(std::move(arguments));
    EXPECT_TRUE(std::holds_alternative<Options>(parsed));
    return std::get<Options>(parsed);
  }
  static Exit exit_of(std::vector<const char*> arguments, const char* name = "/usr/bin/tcmud") {
    const auto parsed = parse(std::move(arguments), name);
    EXPECT_TRUE(std::holds_alternative<Exit>(parsed));
    return std::holds_alternative<Exit>(parsed) ? std::get<Exit>(parsed) : Exit{-1, ""};
  }
};

TEST_F(CommandLineTest, no_arguments_mean_the_paths_of_tcmu_runner) {
  const Options none = options({});
  EXPECT_FALSE(none.debug);
  EXPECT_FALSE(none.nofile);
  EXPECT_FALSE(none.handler_path);
  EXPECT_FALSE(none.log_dir);
  EXPECT_EQ(none.config_file, "/etc/tcmu/tcmu.conf");
  EXPECT_EQ(none.lock_file, "/run/tcmu.lock");
}

TEST_F(CommandLineTest, options_of_tcmu_runner_are_taken) {
  const Options all = options({"-d", "-f", "65536", "--handler-path", "/h", "-l", "/log"});
  EXPECT_TRUE(all.debug);
  EXPECT_EQ(all.nofile, 65536u);
  EXPECT_EQ(all.handler_path, "/h");
  EXPECT_EQ(all.log_dir, "/log");
  const Options again =
      options({"--debug", "--nofile=1048576", "--handler-path=/h", "--tcmu-log-dir=/log"});
  EXPECT_TRUE(again.debug);
  EXPECT_EQ(again.nofile, 1048576u);
  EXPECT_EQ(again.handler_path, "/h");
  EXPECT_EQ(again.log_dir, "/log");
}

TEST_F(CommandLineTest, our_own_options_are_taken) {
  const Options own = options({"--config", "/c", "--lock-file", "/l"});
  EXPECT_EQ(own.config_file, "/c");
  EXPECT_EQ(own.lock_file, "/l");
}

TEST_F(CommandLineTest, the_environment_names_the_log_directory_unless_an_option_does) {
  ::setenv("TCMU_LOGDIR", "/env", 1);
  EXPECT_EQ(options({}).log_dir, "/env");
  EXPECT_EQ(options({"-l", "/option"}).log_dir, "/option");
  ::setenv("TCMU_LOGDIR", "", 1);
  EXPECT_FALSE(options({}).log_dir);
}

TEST_F(CommandLineTest, the_version_is_one_line_that_begins_with_the_name_of_the_call) {
  for (const char* flag : {"-V", "--version"}) {
    EXPECT_EQ(exit_of({flag}).output, "tcmud " TCMUD_VERSION "\n");
    EXPECT_EQ(exit_of({flag}).status, 0);
    EXPECT_EQ(exit_of({flag}, "/usr/bin/tcmu-runner").output, "tcmu-runner 1.6.2\n");
    EXPECT_EQ(exit_of({flag}, "tcmu-runner").output, "tcmu-runner 1.6.2\n");
  }
}

TEST_F(CommandLineTest, only_that_very_name_makes_it_tcmu_runner) {
  EXPECT_EQ(program_name("/a/tcmu-runner/tcmud"), "tcmud");
  EXPECT_EQ(program_name("my-tcmu-runner"), "tcmud");
  EXPECT_EQ(program_name(""), "tcmud");
}

TEST_F(CommandLineTest, help_names_every_option_and_its_default) {
  const Exit help = exit_of({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* word :
       {"-h,--help", "-V,--version", "-d,--debug", "-f,--nofile", "65536", "1048576",
        "--handler-path", "-l,--tcmu-log-dir", "TCMU_LOGDIR", "--config", "/etc/tcmu/tcmu.conf",
        "--lock-file", "/run/tcmu.lock", "SIGHUP"}) {
    EXPECT_THAT(help.output, HasSubstr(word));
  }
}

TEST_F(CommandLineTest, mistakes_are_named_and_end_it) {
  EXPECT_EQ(exit_of({"--bogus"}).status, 1);
  EXPECT_THAT(exit_of({"--bogus"}).output, HasSubstr("--bogus"));
  EXPECT_THAT(exit_of({"-f", "65535"}).output, HasSubstr("65536"));
  EXPECT_THAT(exit_of({"-f", "1048577"}).output, HasSubstr("1048576"));
  EXPECT_THAT(exit_of({"-f", "many"}).output, HasSubstr("many"));
  EXPECT_THAT(exit_of({"--handler-path"}).output, StartsWith("tcmud: "));
  EXPECT_THAT(exit_of({"stray"}).output, HasSubstr("stray"));
}

}  // namespace
}  // namespace tcmud::control
