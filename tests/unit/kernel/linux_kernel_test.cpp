// SPDX-License-Identifier: Apache-2.0
#include "kernel/linux_kernel.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "kernel/fabric_tree.h"
#include "unit/kernel/temporary_directory.h"

namespace tcmud::kernel {
namespace {

// A device in a directory that stands for /sys.
class DeviceInConfigfs : public ::testing::Test {
 protected:
  DeviceInConfigfs() {
    for (const char* file :
         {"attrib/hw_block_size", "wwn/vpd_unit_serial", "action/block_dev",
          "alua/default_tg_pt_gp/tg_pt_gp_id", "alua/ao/tg_pt_gp_id", "enable"}) {
      sysfs_.write(kPlace + file, "1\n");
    }
    directory_ = kernel_.open_directory(device_).value();
  }

  const DeviceName device_ = {3, "disk0", "file", "x"};
  static inline const std::string kCore = "kernel/config/target/core/";
  static inline const std::string kPlace = kCore + "user_3/disk0/";
  const test::TemporaryDirectory sysfs_;
  LinuxKernel kernel_{{sysfs_.path(), "/nowhere"}};
  std::unique_ptr<DeviceDirectory> directory_;
};

TEST_F(DeviceInConfigfs, HasAttributesToReadAndWrite) {
  sysfs_.write(kPlace + "attrib/hw_block_size", "4096\n");
  EXPECT_EQ(directory_->device(), device_);
  EXPECT_EQ(read_number(*directory_, "attrib/hw_block_size").value(), 4096U);
  EXPECT_EQ(directory_->read("enable").value(), "1");
  ASSERT_TRUE(directory_->write("action/block_dev", "0"));
  EXPECT_EQ(sysfs_.read(kPlace + "action/block_dev"), "0\n");
  EXPECT_EQ(directory_->read("../disk1/enable").error().code, EINVAL);
  EXPECT_EQ(directory_->write("attrib/../../x", "1").error().code, EINVAL);
  const auto none = directory_->read("attrib/none");
  EXPECT_EQ(none.error().code, ENOENT);
  EXPECT_NE(none.error().message.find(sysfs_.at(kPlace + "attrib/none")), std::string::npos)
      << none.error().message;
}

TEST_F(DeviceInConfigfs, HasPortGroups) {
  sysfs_.write(kPlace + "alua/file", "no group\n");
  auto groups = directory_->list_port_groups();
  ASSERT_TRUE(groups);
  std::sort(groups->begin(), groups->end());
  EXPECT_EQ(*groups, (std::vector<std::string>{"ao", "default_tg_pt_gp"}));
}

// No path that leads through it may be looked up while somebody removes it: that waits for us.
TEST_F(DeviceInConfigfs, IsReachedWithoutLookingUpItsDirectoryAgain) {
  std::filesystem::rename(sysfs_.at(kCore), sysfs_.at("elsewhere"));
  EXPECT_EQ(directory_->read("attrib/hw_block_size").value(), "1");
  EXPECT_EQ(directory_->read("wwn/vpd_unit_serial").value(), "1");
  EXPECT_EQ(directory_->read("alua/ao/tg_pt_gp_id").value(), "1");
  EXPECT_TRUE(directory_->write("action/block_dev", "0"));
  EXPECT_EQ(directory_->list_port_groups().value().size(), 2U);
  EXPECT_TRUE(directory_->watch(std::make_shared<ChangeCount>(0)));
}

TEST_F(DeviceInConfigfs, IsNotThere) {
  EXPECT_EQ(kernel_.open_directory({3, "other", "file", "x"}).error().code, ENOENT);
}

TEST(LinuxKernel, ReadsFabrics) {
  const test::TemporaryDirectory sysfs;
  sysfs.write("kernel/config/target/iscsi/iqn.x:y/tpgt_1/enable", "1\n");
  LinuxKernel kernel({sysfs.path(), "/nowhere"});
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
