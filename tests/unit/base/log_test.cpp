// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tcmud {
namespace {

std::vector<std::string> lines;

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    lines.clear();
    log::set_sink([](log::Level level, std::string_view device, std::string_view message) {
      lines.push_back(fmt::format("{} {}|{}", static_cast<int>(level), device, message));
    });
  }
  ~LogTest() override {
    log::set_sink(nullptr);
    log::set_level(log::Level::kInfo);
  }
};

TEST_F(LogTest, GivesTheSinkLevelLunAndLine) {
  log::error("user_0/a", "{} of {}", 1, 2);
  log::info("", "no LUN");
  EXPECT_EQ(lines, (std::vector<std::string>{"1 user_0/a|1 of 2", "3 |no LUN"}));
}

TEST_F(LogTest, FormatsNothingThatNobodyWants) {
  log::set_level(log::Level::kWarning);
  EXPECT_FALSE(log::enabled(log::Level::kInfo));
  log::info("", "left out");
  log::debug("", "left out");
  log::warning("", "said");
  EXPECT_EQ(lines, (std::vector<std::string>{"2 |said"}));
}

}  // namespace
}  // namespace tcmud
