// SPDX-License-Identifier: Apache-2.0
#include "plugin/registry.h"

#include <cstdio>
#include <fstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"

namespace tcmud::plugin {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

std::vector<std::string> lines;

class RegistryTest : public ::testing::Test {
 protected:
  RegistryTest() {
    lines.clear();
    log::set_sink(
        [](log::Level, std::string_view, std::string_view line) { lines.emplace_back(line); });
  }
  ~RegistryTest() override { log::set_sink(nullptr); }

  Registry registry_;
};

TEST_F(RegistryTest, LoadsTheGoodAndSaysWhyItLeavesOutTheRest) {
  const auto loaded = registry_.load_directory(LIBRARIES);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, 2U);
  EXPECT_NE(registry_.find("good"), nullptr);
  EXPECT_NE(registry_.find("old"), nullptr);
  EXPECT_THAT(lines, Contains(AllOf(HasSubstr("handler_future_abi.so"), HasSubstr("ABI 2"))));
  EXPECT_THAT(lines,
              Contains(AllOf(HasSubstr("handler_no_symbol.so"), HasSubstr("tcmud_handler_init"))));
  EXPECT_THAT(lines, Contains(AllOf(HasSubstr("handler_declines.so"), HasSubstr("declined"))));
  EXPECT_THAT(lines, Contains(AllOf(HasSubstr("handler_incomplete.so"), HasSubstr("lacks"))));
  EXPECT_THAT(lines, Contains(AllOf(HasSubstr("handler_same_subtype.so"), HasSubstr("\"good\""))));
}

TEST_F(RegistryTest, WhatAnOlderHandlerDoesNotKnowIsNotThere) {
  ASSERT_TRUE(registry_.load_directory(LIBRARIES));
  EXPECT_EQ(registry_.find("old")->get_extension, nullptr);
  EXPECT_NE(registry_.find("old")->check_config, nullptr);
}

TEST_F(RegistryTest, NamesMustMatchWhole) {
  ASSERT_TRUE(registry_.load_directory(LIBRARIES));
  EXPECT_EQ(registry_.find("goo"), nullptr);
  EXPECT_EQ(registry_.find("g"), nullptr);
  EXPECT_EQ(registry_.find(""), nullptr);
  EXPECT_EQ(registry_.find("good/"), nullptr);
}

TEST_F(RegistryTest, AMissingDirectoryIsAnError) {
  const auto loaded = registry_.load_directory("/nonexistent/handlers");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ENOENT);
  EXPECT_THAT(loaded.error().message, HasSubstr("/nonexistent/handlers"));
}

int32_t refuse_all(const tcmud_host* host, const tcmud_config* config, char* why, size_t why_size) {
  EXPECT_NE(host->find_handler("picky"), nullptr) << "look-ups work during check_config";
  std::snprintf(why, why_size, "no %s here", config->path);
  return -EINVAL;
}

tcmud_handler minimal(const char* subtype) {
  tcmud_handler handler{};
  handler.size = sizeof handler;
  handler.abi = TCMUD_ABI;
  handler.subtype = subtype;
  handler.open = [](const tcmud_open_args*, void**, char*, size_t) { return 0; };
  handler.get_props = [](void*, tcmud_props*) {};
  handler.submit = [](void*, tcmud_request*) -> int32_t { return TCMUD_OK; };
  handler.close = [](void*) {};
  return handler;
}

TEST_F(RegistryTest, ChecksAConfigurationWithItsHandler) {
  tcmud_handler picky = minimal("picky");
  picky.check_config = refuse_all;
  ASSERT_TRUE(registry_.add(picky));
  ASSERT_TRUE(registry_.add(minimal("easy")));
  EXPECT_TRUE(registry_.check_config("easy/anything;at=all"));
  const auto refused = registry_.check_config("picky/beer;x");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "no beer here");
  EXPECT_EQ(registry_.check_config("nobody/x").error().code, ENOENT);
  EXPECT_EQ(registry_.check_config("").error().code, ENOENT);
}

TEST_F(RegistryTest, ASubtypeIsAWord) {
  for (const char* bad : {"", "UP", "a/b", "a b", "a;"}) {
    EXPECT_FALSE(registry_.add(minimal(bad))) << bad;
  }
  EXPECT_FALSE(registry_.add(minimal(nullptr)));
}

TEST_F(RegistryTest, AContextOfUnreasonableSizeIsRefused) {
  tcmud_handler big = minimal("big");
  big.ctx_size = 4097;
  EXPECT_FALSE(registry_.add(big));
}

}  // namespace
}  // namespace tcmud::plugin
