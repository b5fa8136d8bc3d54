// SPDX-License-Identifier: Apache-2.0
#include "kernel/configfs.h"

#include <gtest/gtest.h>

namespace tcmud::kernel {
namespace {

const KernelPaths kPaths = {"/s", "/d"};
const DeviceName kDevice = {3, "disk0", "file", "x"};

TEST(AttributePath, LeadsBelowTheDevicesDirectory) {
  EXPECT_EQ(attribute_path(kPaths, kDevice, "attrib/hw_block_size").value(),
            "/s/kernel/config/target/core/user_3/disk0/attrib/hw_block_size");
  EXPECT_EQ(attribute_path(kPaths, kDevice, "info").value(),
            "/s/kernel/config/target/core/user_3/disk0/info");
}

TEST(AttributePath, NeverLeadsOutOfIt) {
  using std::string_view_literals::operator""sv;
  for (const auto path :
       {""sv, "/"sv, "/etc/passwd"sv, ".."sv, "../disk1/enable"sv, "alua/../../disk1"sv,
        "alua//x"sv, "alua/"sv, "alua/./x"sv, "alua/x\0y"sv}) {
    const auto result = attribute_path(kPaths, kDevice, path);
    ASSERT_FALSE(result) << path;
    EXPECT_EQ(result.error().code, EINVAL);
  }
}

TEST(FabricPath, LeadsBelowTheTargetAndNeverOutOfIt) {
  EXPECT_EQ(fabric_path(kPaths, "iscsi/iqn.x:y/tpgt_1/enable").value(),
            "/s/kernel/config/target/iscsi/iqn.x:y/tpgt_1/enable");
  for (const char* path : {"", "/x", "iscsi/../core", "iscsi//tpgt_1", ".."}) {
    EXPECT_FALSE(fabric_path(kPaths, path)) << path;
  }
}

TEST(AttributePath, ANameMayHoldDots) {
  EXPECT_TRUE(attribute_path(kPaths, kDevice, "alua/..group/members"));
}

}  // namespace
}  // namespace tcmud::kernel
