// SPDX-License-Identifier: Apache-2.0
#include "rbd/options.h"

#include <vector>

#include <gtest/gtest.h>

namespace tcmud::rbd {
namespace {

api::Result<Options> parse(std::string_view path, std::vector<tcmud_option> options = {}) {
  return parse_options({path, options, nullptr});
}

std::string why(std::string_view path, std::vector<tcmud_option> options = {}) {
  auto result = parse(path, std::move(options));
  return result ? "" : result.refusal().why;
}

TEST(RbdOptions, the_path_names_pool_namespace_image_and_snapshot) {
  auto plain = parse("pool/image");
  ASSERT_TRUE(plain);
  EXPECT_EQ((*plain).pool, "pool");
  EXPECT_EQ((*plain).image, "image");
  EXPECT_FALSE((*plain).read_only);
  EXPECT_TRUE((*plain).lock);
  auto all = parse("pool/tenant/image@snap");
  ASSERT_TRUE(all);
  EXPECT_EQ((*all).name_space, "tenant");
  EXPECT_EQ((*all).snapshot, "snap");
  EXPECT_TRUE((*all).read_only);
  EXPECT_EQ((*all).spec(), "pool/tenant/image@snap");
}

TEST(RbdOptions, a_path_that_names_no_image_is_refused_with_what_to_write) {
  for (const char* path : {"", "pool", "pool/", "/image", "a/b/c/d", "pool//image", "pool/image@",
                           "pool/@snap", "p@q/image", "p/n@s/image", "pool/image@a@b", "//"}) {
    EXPECT_NE(why(path).find("write rbd/pool/image"), std::string::npos) << path;
  }
}

TEST(RbdOptions, what_ceph_iscsi_writes_is_understood) {
  auto options =
      parse("rbd/disk_1",
            {{"osd_op_timeout", "30"}, {"conf", "/etc/ceph/other.conf"}, {"id", "gateway"}});
  ASSERT_TRUE(options);
  EXPECT_EQ((*options).osd_op_timeout, 30u);
  EXPECT_EQ((*options).conf, "/etc/ceph/other.conf");
  EXPECT_EQ((*options).id, "gateway");
}

TEST(RbdOptions, each_option_that_is_wrong_is_named) {
  const std::vector<tcmud_option> wrong = {{"conf", ""},
                                           {"conf", "ceph.conf"},
                                           {"id", ""},
                                           {"cluster", ""},
                                           {"osd_op_timeout", "soon"},
                                           {"osd_op_timeout", "-1"},
                                           {"mon_op_timeout", "99999999"},
                                           {"lock_hold", "1s"},
                                           {"cache", "yes"},
                                           {"readonly", "1"},
                                           {"nolock", "x"},
                                           {"encryption", "rot13"},
                                           {"passphrase_file", "relative"},
                                           {"no_such", ""}};
  for (const tcmud_option& option : wrong) {
    EXPECT_NE(why("pool/image", {option}).find(option.key), std::string::npos) << option.key;
  }
}

TEST(RbdOptions, options_that_exclude_or_need_each_other_are_refused) {
  EXPECT_NE(why("pool/image", {{"encryption", "luks2"}}), "");
  EXPECT_NE(why("pool/image", {{"passphrase_file", "/p"}}), "");
  EXPECT_EQ(why("pool/image", {{"encryption", "luks2"}, {"passphrase_file", "/p"}}), "");
  EXPECT_NE(why("pool/image@snap", {{"cache", ""}}), "");
}

}  // namespace
}  // namespace tcmud::rbd
