// SPDX-License-Identifier: Apache-2.0
#include "kernel/uio.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/kernel/temporary_directory.h"

namespace tcmud::kernel {
namespace {

using test::TemporaryDirectory;
using testing::HasSubstr;

// --- the name

TEST(ParseUioName, HasFourParts) {
  const auto device = parse_uio_name("tcm-user/7/disk0/rbd/pool/image;osd_op_timeout=30");
  ASSERT_TRUE(device);
  EXPECT_EQ(*device, (DeviceName{7, "disk0", "rbd", "pool/image;osd_op_timeout=30"}));
  EXPECT_EQ(device->lun(), "user_7/disk0");
}

TEST(ParseUioName, TheConfigurationIsVerbatim) {
  EXPECT_EQ(parse_uio_name("tcm-user/0/d/file//var/lib/x y.img")->config, "/var/lib/x y.img");
}

TEST(ParseUioName, NewlinesAtTheEndDontCount) {
  EXPECT_EQ(parse_uio_name("tcm-user/0/d/file/x\n")->config, "x");
  EXPECT_EQ(parse_uio_name("tcm-user/0/d/file/x\n\n")->config, "x");
}

TEST(ParseUioName, TheConfigurationMayBeMissing) {
  EXPECT_EQ(*parse_uio_name("tcm-user/0/d"), (DeviceName{0, "d", "", ""}));
  EXPECT_EQ(*parse_uio_name("tcm-user/0/d\n"), (DeviceName{0, "d", "", ""}));
  EXPECT_EQ(*parse_uio_name("tcm-user/0/d/"), (DeviceName{0, "d", "", ""}));
  EXPECT_EQ(*parse_uio_name("tcm-user/0/d/file"), (DeviceName{0, "d", "file", ""}));
  EXPECT_EQ(*parse_uio_name("tcm-user/0/d/file/"), (DeviceName{0, "d", "file", ""}));
}

TEST(ParseUioName, OtherDriversNamesAreNone) {
  for (const char* name :
       {"", "\n", "uio_pci_generic", "tcm-user", "tcm-user/", "tcm-userx/0/d/s/c"}) {
    EXPECT_FALSE(parse_uio_name(name)) << name;
  }
}

TEST(ParseUioName, TheHbaIsANumber) {
  EXPECT_EQ(parse_uio_name("tcm-user/4294967295/d/s/c")->hba, UINT32_MAX);
  for (const char* name : {"tcm-user//d/s/c", "tcm-user/x/d/s/c", "tcm-user/-1/d/s/c",
                           "tcm-user/1x/d/s/c", "tcm-user/4294967296/d/s/c", "tcm-user/ 1/d/s/c"}) {
    EXPECT_FALSE(parse_uio_name(name)) << name;
  }
}

TEST(ParseUioName, TheNameIsOneThatADirectoryCanHave) {
  for (const char* name : {"tcm-user/0", "tcm-user/0/", "tcm-user/0//s/c", "tcm-user/0/../s/c",
                           "tcm-user/0/./s/c", "tcm-user/0/..\n"}) {
    EXPECT_FALSE(parse_uio_name(name)) << name;
  }
  EXPECT_TRUE(parse_uio_name("tcm-user/0/..x/s/c"));
}

// --- sysfs and /dev

class UioTest : public testing::Test {
 protected:
  void add(uint32_t minor, std::string_view name, std::string_view size = "0x0000000000004000\n") {
    const std::string directory = "class/uio/uio" + std::to_string(minor);
    sysfs.write(directory + "/name", name);
    sysfs.write(directory + "/maps/map0/size", size);
  }

  TemporaryDirectory sysfs;
  TemporaryDirectory dev;
  const KernelPaths paths = {sysfs.path(), dev.path()};
};

TEST_F(UioTest, ScanFindsTcmuDevicesByMinor) {
  add(10, "tcm-user/1/b/file/y\n");
  add(2, "tcm-user/0/a/file/x\n");
  add(3, "uio_pci_generic\n");
  sysfs.write("class/uio/uio4/other", "");  // vanishing
  sysfs.write("class/uio/uiox/name", "tcm-user/0/z/file/x\n");
  sysfs.write("class/uio/README", "");
  const auto found = scan_uio(paths);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2U);
  EXPECT_EQ((*found)[0].minor, 2U);
  EXPECT_EQ((*found)[0].device.lun(), "user_0/a");
  EXPECT_EQ((*found)[1].minor, 10U);
  EXPECT_EQ((*found)[1].device.config, "y");
}

TEST_F(UioTest, ScanOfAKernelWithoutUioFindsNothing) {
  const auto found = scan_uio(paths);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->empty());
}

TEST_F(UioTest, OpenMapsTheWholeDevice) {
  add(2, "tcm-user/0/a/file/x\n");
  dev.write("uio2", std::string(0x4000, 'm'));
  auto port = open_uio_node(paths, 2);
  ASSERT_TRUE(port) << port.error().message;
  ASSERT_EQ(port->map.bytes().size(), 0x4000U);
  EXPECT_EQ(port->map.bytes()[0x3fff], std::byte{'m'});
  // Shared, not private.
  port->map.bytes()[0] = std::byte{'!'};
  EXPECT_EQ(dev.read("uio2")[0], '!');
  EXPECT_EQ(::fcntl(port->event_fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(::fcntl(port->event_fd.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
  EXPECT_FALSE(port->kick_fd.valid());
}

TEST_F(UioTest, OpenOfADeviceThatIsGoneSaysSo) {
  const auto port = open_uio_node(paths, 2);
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().code, ENODEV);
  EXPECT_THAT(port.error().message, HasSubstr("uio2 is gone"));
}

TEST_F(UioTest, OpenOfAnotherDriversDeviceIsRefused) {
  add(2, "uio_pci_generic\n");
  dev.write("uio2", std::string(0x4000, 'm'));
  EXPECT_EQ(open_uio_node(paths, 2).error().code, ENODEV);
}

TEST_F(UioTest, OpenWithoutNodeNamesTheDevice) {
  add(2, "tcm-user/0/a/file/x\n");
  const auto port = open_uio_node(paths, 2);
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().code, ENOENT);
  EXPECT_THAT(port.error().message, HasSubstr("uio2 (tcm-user/0/a/file/x)"));
}

TEST_F(UioTest, OpenRefusesASizeThatIsNone) {
  dev.write("uio2", std::string(0x4000, 'm'));
  for (const char* size : {"", "0x0", "big", "0x1000 pages", "0x10000000000000000"}) {
    add(2, "tcm-user/0/a/file/x\n", size);
    const auto port = open_uio_node(paths, 2);
    ASSERT_FALSE(port) << size;
    EXPECT_EQ(port.error().code, EPROTO) << size;
  }
}

// --- attributes

TEST_F(UioTest, AFileLosesWhatPadsItsEnd) {
  sysfs.write("a", std::string_view("LIO-ORG \t\n\0\0\n", 12));
  EXPECT_EQ(read_small_file(sysfs.at("a")).value(), "LIO-ORG");
  sysfs.write("b", "\n");
  EXPECT_EQ(read_small_file(sysfs.at("b")).value(), "");
  sysfs.write("c", std::string_view("a/b\n\0c/d\n", 9));
  EXPECT_EQ(read_small_file(sysfs.at("c")).value(), std::string("a/b\n\0c/d", 8));
}

TEST_F(UioTest, AFileThatIsntThereSaysEnoent) {
  EXPECT_EQ(read_small_file(sysfs.at("a")).error().code, ENOENT);
  EXPECT_EQ(write_small_file(sysfs.at("a"), "1").error().code, ENOENT);
}

TEST_F(UioTest, WhatTheKernelRefusesSaysWhyAndWhere) {
  // Like an attribute that refuses every value.
  const auto refused = write_small_file(std::string("/dev/full"), "1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ENOSPC);
  EXPECT_THAT(refused.error().message, HasSubstr("/dev/full"));
}

}  // namespace
}  // namespace tcmud::kernel
