// SPDX-License-Identifier: Apache-2.0
#include "kernel/linux_kernel.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "kernel/fabric_tree.h"
#include "unit/kernel/temporary_directory.h"

namespace tcmud::kernel {
namespace {

TEST(LinuxKernel, ReadsAndWritesTheAttributesOfADevice) {
  const test::TemporaryDirectory sysfs;
  const std::string directory = "kernel/config/target/core/user_3/disk0/";
  sysfs.write(directory + "attrib/hw_block_size", "4096\n");
  sysfs.write(directory + "action/block_dev", "");
  LinuxKernel kernel({sysfs.path(), "/nowhere"});
  const DeviceName device = {3, "disk0", "file", "x"};
  EXPECT_EQ(read_number(kernel, device, "attrib/hw_block_size").value(), 4096U);
  EXPECT_EQ(kernel.read_attribute(device, "attrib/none").error().code, ENOENT);
  EXPECT_EQ(kernel.read_attribute(device, "../disk1/enable").error().code, EINVAL);
  ASSERT_TRUE(kernel.write_attribute(device, "action/block_dev", "1"));
  EXPECT_EQ(sysfs.read(directory + "action/block_dev"), "1");
  EXPECT_EQ(kernel.write_attribute(device, "../x", "1").error().code, EINVAL);
}

TEST(LinuxKernel, ListsPortGroupsAndReadsFabrics) {
  const test::TemporaryDirectory sysfs;
  const std::string target = "kernel/config/target/";
  sysfs.write(target + "core/user_3/disk0/alua/default_tg_pt_gp/tg_pt_gp_id", "0\n");
  sysfs.write(target + "core/user_3/disk0/alua/ao/tg_pt_gp_id", "1\n");
  sysfs.write(target + "core/user_3/disk0/alua/file", "no group\n");
  sysfs.write(target + "iscsi/iqn.x:y/tpgt_1/enable", "1\n");
  LinuxKernel kernel({sysfs.path(), "/nowhere"});
  auto groups = kernel.list_port_groups({3, "disk0", "file", "x"});
  ASSERT_TRUE(groups);
  std::sort(groups->begin(), groups->end());
  EXPECT_EQ(*groups, (std::vector<std::string>{"ao", "default_tg_pt_gp"}));
  EXPECT_EQ(kernel.list_port_groups({3, "other", "file", "x"}).error().code, ENOENT);
  EXPECT_EQ(kernel.read_fabric_attribute("iscsi/iqn.x:y/tpgt_1/enable").value(), "1");
  EXPECT_EQ(kernel.read_fabric_attribute("iscsi/iqn.x:y/tpgt_2/enable").error().code, ENOENT);
  EXPECT_EQ(kernel.read_fabric_attribute("../x").error().code, EINVAL);
}

TEST(LinuxKernel, ShowsDirectoriesAndLinksOfFabrics) {
  const test::TemporaryDirectory sysfs;
  const std::string target = "kernel/config/target/";
  sysfs.write(target + "version", "no directory\n");
  sysfs.write(target + "iscsi/iqn.x:y/tpgt_1/lun/lun_0/alua_tg_pt_gp", "\n");
  sysfs.write(target + "iscsi/iqn.x:y/tpgt_1/lun/lun_0/statistics/x", "\n");
  const std::string lun = sysfs.at(target + "iscsi/iqn.x:y/tpgt_1/lun/lun_0");
  std::filesystem::create_symlink("../../../../../../target/core/user_0/d", lun + "/any");
  LinuxKernel kernel({sysfs.path(), "/nowhere"});
  const auto tree = kernel.fabrics();
  const auto shown = [&tree](std::string_view path) {
    std::vector<std::string> all;
    const auto entries = tree->list(path);
    for (const auto& entry : entries ? *entries : std::vector<FabricTree::Entry>{}) {
      all.push_back(entry.name + (entry.target.empty() ? "" : " -> " + entry.target));
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  EXPECT_EQ(shown(""), std::vector<std::string>{"iscsi"});
  EXPECT_EQ(shown("iscsi/iqn.x:y/tpgt_1/lun"), std::vector<std::string>{"lun_0"});
  EXPECT_EQ(
      shown("iscsi/iqn.x:y/tpgt_1/lun/lun_0"),
      (std::vector<std::string>{"any -> ../../../../../../target/core/user_0/d", "statistics"}));
  EXPECT_EQ(tree->list("iscsi/iqn.x:y/tpgt_2").error().code, ENOENT);
  EXPECT_EQ(tree->list("iscsi/../..").error().code, EINVAL);
  EXPECT_EQ(tree->read("version").value(), "no directory");
  EXPECT_EQ(tree->read("../x").error().code, EINVAL);
}

TEST(LinuxKernel, ScansAndOpensBelowItsPaths) {
  const test::TemporaryDirectory sysfs;
  const test::TemporaryDirectory dev;
  sysfs.write("class/uio/uio0/name", "tcm-user/3/disk0/file/x\n");
  sysfs.write("class/uio/uio0/maps/map0/size", "0x0000000000001000\n");
  dev.write("uio0", std::string(4096, '\0'));
  LinuxKernel kernel({sysfs.path(), dev.path()});
  const auto found = kernel.scan();
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1U);
  EXPECT_TRUE(kernel.open_uio(found->front().minor));
}

}  // namespace
}  // namespace tcmud::kernel
