// SPDX-License-Identifier: Apache-2.0
#include "kernel/module.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/kernel/temporary_directory.h"

namespace tcmud::kernel {
namespace {

using testing::HasSubstr;

class ModuleTest : public testing::Test {
 protected:
  test::TemporaryDirectory sysfs;
  test::TemporaryDirectory modules;  // no index: as in a container
  const KernelPaths paths = {sysfs.path(), "/nowhere"};
};

TEST_F(ModuleTest, OneThatIsThereNeedsNoIndex) {
  std::filesystem::create_directories(sysfs.at("module/target_core_user"));
  EXPECT_TRUE(ensure_module(paths, modules.path().c_str()));
}

TEST_F(ModuleTest, OneThatIsNotThereAndNotInTheIndexSaysWhatToDo) {
  const auto there = ensure_module(paths, modules.path().c_str());
  ASSERT_FALSE(there);
  EXPECT_EQ(there.error().code, ENOENT);
  EXPECT_THAT(there.error().message, HasSubstr("modprobe target_core_user"));
}

TEST_F(ModuleTest, AParameterIsWritten) {
  sysfs.write("module/target_core_user/parameters/block_netlink", "");
  ASSERT_TRUE(write_module_parameter(paths, "block_netlink", "1"));
  EXPECT_EQ(sysfs.read("module/target_core_user/parameters/block_netlink"), "1");
  EXPECT_EQ(write_module_parameter(paths, "reset_netlink", "1").error().code, ENOENT);
}

}  // namespace
}  // namespace tcmud::kernel
