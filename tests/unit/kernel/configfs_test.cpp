// SPDX-License-Identifier: Apache-2.0
#include "kernel/configfs.h"

#include <gtest/gtest.h>

namespace tcmud::kernel {
namespace {

const KernelPaths kPaths = {"/s", "/d"};

TEST(PathOfNames, NeverLeadsUp) {
  using std::string_view_literals::operator""sv;
  for (const auto path :
       {""sv, "/"sv, "/etc/passwd"sv, ".."sv, "../disk1/enable"sv, "alua/../../disk1"sv,
        "alua//x"sv, "alua/"sv, "alua/./x"sv, "alua/x\0y"sv}) {
    EXPECT_FALSE(is_path_of_names(path)) << path;
  }
  for (const auto path : {"info"sv, "attrib/hw_block_size"sv, "alua/..group/members"sv}) {
    EXPECT_TRUE(is_path_of_names(path)) << path;
  }
}

TEST(FabricPath, LeadsBelowTheTargetAndNeverOutOfIt) {
  EXPECT_EQ(fabric_path(kPaths, "iscsi/iqn.x:y/tpgt_1/enable").value(),
            "/s/kernel/config/target/iscsi/iqn.x:y/tpgt_1/enable");
  for (const char* path : {"", "/x", "iscsi/../core", "iscsi//tpgt_1", ".."}) {
    EXPECT_FALSE(fabric_path(kPaths, path)) << path;
  }
}

}  // namespace
}  // namespace tcmud::kernel
