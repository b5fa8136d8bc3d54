// SPDX-License-Identifier: Apache-2.0
#include "file/options.h"

#include <vector>

#include <gtest/gtest.h>

namespace tcmud::file {
namespace {

api::Result<Options> parse(const char* path, const std::vector<tcmud_option>& options = {}) {
  return parse_options({path, options, nullptr});
}

TEST(FileOptions, a_bare_path_opens_an_existing_file_buffered_for_writing_and_locked) {
  const auto options = parse("/images/a.img");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->path, "/images/a.img");
  EXPECT_FALSE(options->create);
  EXPECT_FALSE(options->direct);
  EXPECT_FALSE(options->read_only);
  EXPECT_TRUE(options->lock);
  EXPECT_TRUE(options->discard);
  EXPECT_EQ(options->io, IoEngine::kAuto);
}

TEST(FileOptions, every_option_is_understood) {
  const auto all = parse(
      "/a", {{"create", ""}, {"direct", ""}, {"nolock", ""}, {"nodiscard", ""}, {"io", "sync"}});
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->create);
  EXPECT_TRUE(all->direct);
  EXPECT_FALSE(all->lock);
  EXPECT_FALSE(all->discard);
  EXPECT_EQ(all->io, IoEngine::kSync);
  EXPECT_TRUE(parse("/a", {{"readonly", ""}})->read_only);
  EXPECT_EQ(parse("/a", {{"io", "uring"}})->io, IoEngine::kUring);
  EXPECT_EQ(parse("/a", {{"io", "auto"}})->io, IoEngine::kAuto);
}

TEST(FileOptions, a_relative_or_empty_path_is_refused_with_the_remedy) {
  for (const char* path : {"", "a.img", "./a"}) {
    const auto options = parse(path);
    ASSERT_FALSE(options);
    EXPECT_EQ(options.refusal().code, EINVAL);
    EXPECT_NE(options.refusal().why.find("absolute"), std::string::npos);
  }
}

TEST(FileOptions, what_is_unknown_or_makes_no_sense_is_refused_by_name) {
  const std::vector<std::pair<std::vector<tcmud_option>, const char*>> bad = {
      {{{"cretae", ""}}, "cretae"},
      {{{"", ""}}, "unknown option"},
      {{{"create", "yes"}}, "create takes no value"},
      {{{"io", "aio"}}, "aio"},
      {{{"io", ""}}, "io="},
      {{{"create", ""}, {"readonly", ""}}, "exclude"},
  };
  for (const auto& [options, word] : bad) {
    const auto result = parse("/a", options);
    ASSERT_FALSE(result) << word;
    EXPECT_NE(result.refusal().why.find(word), std::string::npos) << result.refusal().why;
  }
}

TEST(FileOptions, a_path_that_no_file_can_have_is_refused) {
  EXPECT_FALSE(parse(("/" + std::string(4096, 'a')).c_str()));
}

}  // namespace
}  // namespace tcmud::file
