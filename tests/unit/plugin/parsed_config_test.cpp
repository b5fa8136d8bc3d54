// SPDX-License-Identifier: Apache-2.0
#include "plugin/parsed_config.h"

#include <gtest/gtest.h>

namespace tcmud::plugin {
namespace {

std::string shown(std::string_view config) {
  const auto parsed = parse_config(config);
  if (!parsed) {
    return "error: " + parsed.error().message;
  }
  std::string text = parsed->path;
  for (const auto& option : parsed->options) {
    text += " [" + option.key + "=" + option.value + "]";
  }
  for (const auto& option : parsed->core_options) {
    text += " {" + option.key + "=" + option.value + "}";
  }
  return text;
}

TEST(ParsedConfig, SplitsPathAndOptions) {
  EXPECT_EQ(shown("/tmp/a.img"), "/tmp/a.img");
  EXPECT_EQ(shown("/tmp/a.img;create;direct=1"), "/tmp/a.img [create=] [direct=1]");
  EXPECT_EQ(shown("pool/image;conf=/etc/ceph/c=d.conf"), "pool/image [conf=/etc/ceph/c=d.conf]");
  EXPECT_EQ(shown(""), "");
}

TEST(ParsedConfig, EmptyPiecesSayNothing) {
  EXPECT_EQ(shown("/a;;b;"), "/a [b=]");
}

TEST(ParsedConfig, OptionsOfTheCoreAreTakenFromAnywhere) {
  EXPECT_EQ(shown("/a;poll_us=10;b"), "/a [b=] {poll_us=10}");
  // As tcmu-runner's users write it.
  EXPECT_EQ(shown(";tcmur_cmd_time_out=5;pool/image;osd_op_timeout=30"),
            "pool/image [osd_op_timeout=30] {tcmur_cmd_time_out=5}");
}

TEST(ParsedConfig, AnOptionNeedsAName) {
  EXPECT_EQ(shown("/a;=5"),
            "error: option \"=5\" has no name; options are written ;name or ;name=value");
}

TEST(ParsedConfig, TheCViewShowsTheSame) {
  const auto parsed = parse_config("/a;b=c;d");
  ASSERT_TRUE(parsed);
  const CConfig c(*parsed);
  EXPECT_STREQ(c.get().path, "/a");
  ASSERT_EQ(c.get().noptions, 2U);
  EXPECT_STREQ(c.get().options[0].key, "b");
  EXPECT_STREQ(c.get().options[0].value, "c");
  EXPECT_STREQ(c.get().options[1].value, "");
}

}  // namespace
}  // namespace tcmud::plugin
