// SPDX-License-Identifier: Apache-2.0
#include "dbus/device_objects.h"

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "dbus/utf8.h"
#include "unit/dbus/bus_fixture.h"

namespace tcmud::dbus {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;
using test::PrivateBus;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kDisk = "/org/kernel/TCMUD1/devices/0_disk";

DeviceStatus disk(const char* state = "running") {
  DeviceStatus status;
  status.name = "user_0/disk";
  status.handler = "rbd";
  status.config = "pool/image";
  status.size = 1 << 20;
  status.block_size = 512;
  status.state = state;
  status.state_since = 1'700'000'000'000'000;
  status.backend_state = "up";
  status.lock_state = "none";
  return status;
}

class DeviceObjectsTest : public test::BusTest {
 protected:
  explicit DeviceObjectsTest(const char* rules = PrivateBus::kEverythingAllowed) : BusTest(rules) {}

  void start() {
    bool settled = false;
    connection_.emplace(*loop_, kDeviceBusName, objects_, Connection::Timing{5ms, 20ms, 2000ms});
    connection_->start([&settled] { settled = true; });
    turn_until([&settled] { return settled; });
  }
  std::string call(const std::string& object, const std::string& method,
                   const std::vector<std::string>& arguments = {}) {
    return run(gdbus_call(kDeviceBusName, object, method, arguments));
  }
  std::string get(const std::string& property, const std::string& object = kDisk) {
    return call(object, "org.freedesktop.DBus.Properties.Get", {kDeviceInterface, property});
  }
  std::string managed() {
    return call(kDeviceRootPath, "org.freedesktop.DBus.ObjectManager.GetManagedObjects");
  }
  std::set<std::string> managed_paths() {
    const std::regex path("'(/org/kernel/TCMUD1/[^']*)'");
    const std::string text = managed();
    std::set<std::string> found;
    for (std::sregex_iterator it(text.begin(), text.end(), path), end; it != end; ++it) {
      found.insert((*it)[1]);
    }
    return found;
  }

  DeviceObjects objects_;
  std::optional<Connection> connection_;
};

// A client that tells of our signals, each a line.
class Monitor {
 public:
  // It may be a while until it listens: so it is shown something until it says so.
  Monitor(DeviceObjects& objects, std::function<void()> turn) : turn_(std::move(turn)) {
    const auto show = [&objects](const char* name) {
      constexpr uint64_t kId = 999;
      objects.show(kId, 0, name, disk());
      objects.forget(kId);
    };
    skip_until("devices/0_probe'", [this, &show] {
      turn_();
      show("probe");
    });
    show("end");
    skip_until("InterfacesRemoved (objectpath '/org/kernel/TCMUD1/devices/0_end'", turn_);
  }
  std::string next() { return child_.read_line(turn_); }

 private:
  void skip_until(const char* text, const std::function<void()>& meanwhile) {
    std::string line;
    do {
      line = child_.read_line(meanwhile);
      ASSERT_NE(line, "") << "gdbus monitor ended";
    } while (line.find(text) == std::string::npos);
  }

  const std::function<void()> turn_;
  ChildProcess child_{{"gdbus", "monitor", "--system", "--dest", kDeviceBusName}};
};

TEST_F(DeviceObjectsTest, a_device_has_its_status_as_properties) {
  bus_.start();
  start();
  DeviceStatus status = disk("retrying");
  status.state_reason = "no such pool; make it";
  status.task = "opening the backend";
  status.retry_at = 1'700'000'001'000'000;
  status.backend_state = "closed";
  status.backend_since = 3;
  status.backend_reason = "why";
  status.lock_state = "foreign";
  status.lock_since = 4;
  status.lock_holder = "gw1";
  status.lock_group = 2;
  status.lock_acquired = 5;
  status.lock_lost = 6;
  objects_.show(1, 0, "disk", status);
  EXPECT_EQ(call(kDisk, "org.freedesktop.DBus.Properties.GetAll", {kDeviceInterface}),
            "({'Name': <'user_0/disk'>, 'Handler': <'rbd'>, 'Config': <'pool/image'>, "
            "'Size': <uint64 1048576>, 'BlockSize': <uint32 512>, 'State': <'retrying'>, "
            "'StateSince': <uint64 1700000000000000>, 'StateReason': <'no such pool; make it'>, "
            "'Task': <'opening the backend'>, 'RetryAt': <uint64 1700000001000000>, "
            "'BackendState': <'closed'>, 'BackendSince': <uint64 3>, 'BackendReason': <'why'>, "
            "'LockState': <'foreign'>, 'LockSince': <uint64 4>, 'LockHolder': <'gw1'>, "
            "'LockGroup': <2>, 'LockAcquired': <uint64 5>, 'LockLost': <uint64 6>},)\n");
  EXPECT_EQ(get("State"), "(<'retrying'>,)\n");
}

TEST_F(DeviceObjectsTest, managed_objects_are_the_devices) {
  bus_.start();
  start();
  EXPECT_THAT(managed_paths(), testing::IsEmpty());
  objects_.show(1, 0, "disk", disk());
  objects_.show(2, 3, "disk", disk());
  EXPECT_THAT(managed_paths(), testing::ElementsAre(kDisk, "/org/kernel/TCMUD1/devices/3_disk"));
  EXPECT_THAT(managed(), HasSubstr("'State': <'running'>"));
  objects_.forget(1);
  EXPECT_THAT(managed_paths(), testing::ElementsAre("/org/kernel/TCMUD1/devices/3_disk"));
  EXPECT_THAT(get("State"), HasSubstr("UnknownObject"));
}

TEST_F(DeviceObjectsTest, whatever_was_there_before_the_bus_is_shown) {
  objects_.show(1, 0, "disk", disk("opening"));
  objects_.show(1, 0, "disk", disk("running"));
  objects_.show(2, 0, "gone", disk());
  objects_.forget(2);
  start();
  EXPECT_FALSE(connection_->owns_name());
  bus_.start();
  turn_until([this] { return connection_->owns_name(); });
  EXPECT_THAT(managed_paths(), testing::ElementsAre(kDisk));
  EXPECT_EQ(get("State"), "(<'running'>,)\n");
}

TEST_F(DeviceObjectsTest, devices_are_there_again_after_the_bus_restarted) {
  bus_.start();
  start();
  objects_.show(1, 0, "disk", disk());
  for (int i = 0; i < 2; ++i) {
    bus_.stop();
    objects_.show(1, 0, "disk", disk("removing"));  // before anybody noticed
    turn_until([this] { return !connection_->owns_name(); });
    objects_.show(1, 0, "disk", disk("running"));
    bus_.start();
    turn_until([this] { return connection_->owns_name(); });
    EXPECT_EQ(get("State"), "(<'running'>,)\n");
  }
}

TEST_F(DeviceObjectsTest, changes_are_told_with_what_changed_and_nothing_else) {
  bus_.start();
  start();
  objects_.show(1, 0, "disk", disk("opening"));
  Monitor monitor(objects_, [this] { turn(); });
  objects_.show(1, 0, "disk", disk("opening"));
  DeviceStatus slow = disk("running");
  slow.backend_state = "slow";
  slow.backend_reason = "no answer from osd.3";
  objects_.show(1, 0, "disk", slow);
  EXPECT_EQ(monitor.next(),
            "/org/kernel/TCMUD1/devices/0_disk: "
            "org.freedesktop.DBus.Properties.PropertiesChanged ('org.kernel.TCMUD1.Device', "
            "{'State': <'running'>, 'BackendState': <'slow'>, 'BackendReason': <'no answer from "
            "osd.3'>}, @as [])");
  slow.lock_acquired = 1;
  objects_.show(1, 0, "disk", slow);
  EXPECT_THAT(monitor.next(), HasSubstr("{'LockAcquired': <uint64 1>}, @as [])"));
}

TEST_F(DeviceObjectsTest, devices_that_come_and_go_are_told) {
  bus_.start();
  start();
  Monitor monitor(objects_, [this] { turn(); });
  objects_.show(1, 0, "disk", disk("opening"));
  EXPECT_THAT(monitor.next(),
              AllOf(HasSubstr("/org/kernel/TCMUD1: org.freedesktop.DBus.ObjectManager."
                              "InterfacesAdded (objectpath '/org/kernel/TCMUD1/devices/0_disk', "),
                    HasSubstr("'org.kernel.TCMUD1.Device': {'Name': <'user_0/disk'>"),
                    HasSubstr("'State': <'opening'>")));
  objects_.forget(1);
  EXPECT_THAT(monitor.next(),
              AllOf(HasSubstr("/org/kernel/TCMUD1: org.freedesktop.DBus.ObjectManager."
                              "InterfacesRemoved (objectpath '/org/kernel/TCMUD1/devices/0_disk',"),
                    HasSubstr("'org.kernel.TCMUD1.Device'")));
}

// The kernel's device is gone already and a new one of the same name there, while the handler of
// the old one hangs.
TEST_F(DeviceObjectsTest, of_two_devices_of_one_name_the_new_one_is_to_be_seen) {
  bus_.start();
  start();
  objects_.show(1, 0, "disk", disk("removing"));
  Monitor monitor(objects_, [this] { turn(); });
  objects_.show(2, 0, "disk", disk("running"));
  EXPECT_THAT(monitor.next(), HasSubstr("InterfacesRemoved"));
  EXPECT_THAT(monitor.next(), AllOf(HasSubstr("InterfacesAdded"), HasSubstr("<'running'>")));
  DeviceStatus old = disk("removing");
  old.task = "closing the backend";
  objects_.show(1, 0, "disk", old);
  EXPECT_EQ(get("State"), "(<'running'>,)\n");
  EXPECT_THAT(managed_paths(), testing::ElementsAre(kDisk));
  objects_.show(2, 0, "disk", disk("opening"));
  EXPECT_THAT(monitor.next(), HasSubstr("{'State': <'opening'>}"));  // nothing of the old one
  objects_.forget(2);
  EXPECT_THAT(monitor.next(), HasSubstr("InterfacesRemoved"));
  EXPECT_THAT(monitor.next(), AllOf(HasSubstr("InterfacesAdded"), HasSubstr("<'removing'>")));
  objects_.forget(1);
  EXPECT_THAT(managed_paths(), testing::IsEmpty());
}

TEST_F(DeviceObjectsTest, an_old_device_of_a_name_goes_without_a_word) {
  bus_.start();
  start();
  objects_.show(1, 0, "disk", disk("removing"));
  objects_.show(2, 0, "disk", disk("running"));
  Monitor monitor(objects_, [this] { turn(); });
  objects_.forget(1);
  objects_.show(2, 0, "disk", disk("opening"));
  EXPECT_THAT(monitor.next(), HasSubstr("PropertiesChanged"));
}

TEST_F(DeviceObjectsTest, names_that_no_path_may_have_are_escaped_and_stay_apart) {
  bus_.start();
  start();
  int id = 0;
  for (const char* name : {"a/b", "a_2fb", "vol.1", "1", "\xff", "\xc3\xbc"}) {
    objects_.show(static_cast<uint64_t>(++id), 0, name, disk());
  }
  EXPECT_THAT(managed_paths(),
              testing::UnorderedElementsAre(
                  "/org/kernel/TCMUD1/devices/0_a_2fb", "/org/kernel/TCMUD1/devices/0_a_5f2fb",
                  "/org/kernel/TCMUD1/devices/0_vol_2e1", "/org/kernel/TCMUD1/devices/0__31",
                  "/org/kernel/TCMUD1/devices/0__ff", "/org/kernel/TCMUD1/devices/0__c3_bc"));
}

// The bus hangs up on whoever sends what isn't UTF-8.
TEST_F(DeviceObjectsTest, bytes_that_are_no_text_cost_neither_the_device_nor_the_connection) {
  bus_.start();
  start();
  const std::string bad = "a\xff\xc0\x80 \xed\xa0\x80 \xf5 \xf4\x90\x80\x80 \xe2\x82";
  DeviceStatus status = disk();
  status.name = status.handler = status.config = bad;
  status.state_reason = status.backend_reason = status.lock_holder = bad;
  objects_.show(1, 0, "disk", status);
  objects_.show(1, 0, "disk", disk("opening"));
  objects_.show(1, 0, "disk", status);
  EXPECT_EQ(get("Config"), "(<'" + valid_utf8(bad) + "'>,)\n");
  EXPECT_THAT(managed_paths(), testing::ElementsAre(kDisk));
}

TEST_F(DeviceObjectsTest, nothing_can_be_set) {
  bus_.start();
  start();
  objects_.show(1, 0, "disk", disk());
  EXPECT_THAT(
      call(kDisk, "org.freedesktop.DBus.Properties.Set", {kDeviceInterface, "State", "<'closed'>"}),
      HasSubstr("PropertyReadOnly"));
  EXPECT_THAT(get("Nonsense"), HasSubstr("UnknownProperty"));
}

// The interface in some XML, without comments, and whatever space is between elements.
std::string interface_in(std::string xml) {
  xml = std::regex_replace(xml, std::regex("<!--[^]*?-->"), "");
  xml = std::regex_replace(xml, std::regex("\\s*(<|/?>)\\s*"), "$1");
  xml = std::regex_replace(xml, std::regex("></property>"), "/>");
  const size_t begin = xml.find("<interface name=\"org.kernel.TCMUD1.Device\">");
  return begin == std::string::npos ? ""
                                    : xml.substr(begin, xml.find("</interface>", begin) - begin);
}

TEST_F(DeviceObjectsTest, a_device_introspects_as_the_xml_file_says) {
  bus_.start();
  start();
  objects_.show(1, 0, "disk", disk());
  std::ifstream file(TCMUD_SOURCE_DIR "/dbus/org.kernel.TCMUD1.xml");
  std::stringstream xml;
  xml << file.rdbuf();
  const auto live = run({"gdbus", "introspect", "--system", "--dest", kDeviceBusName,
                         "--object-path", kDisk, "--xml"});
  EXPECT_THAT(interface_in(live), HasSubstr("LockLost"));
  EXPECT_EQ(interface_in(live), interface_in(xml.str()));
}

TEST_F(DeviceObjectsTest, the_tree_can_be_walked_from_its_root) {
  bus_.start();
  start();
  objects_.show(1, 0, "disk", disk());
  const auto tree = run({"gdbus", "introspect", "--system", "--dest", kDeviceBusName,
                         "--object-path", "/", "--recurse", "--only-properties"});
  EXPECT_THAT(tree, HasSubstr("node /org/kernel/TCMUD1/devices/0_disk {"));
  EXPECT_THAT(tree, HasSubstr("readonly s State = 'running'"));
}

TEST(ValidUtf8Test, keeps_what_is_text_and_replaces_each_byte_that_is_not) {
  EXPECT_EQ(valid_utf8(""), "");
  EXPECT_EQ(valid_utf8("plain"), "plain");
  EXPECT_EQ(valid_utf8("\xc3\xbc \xe2\x82\xac \xf0\x9f\x92\xbe"),
            "\xc3\xbc \xe2\x82\xac \xf0\x9f\x92\xbe");
  EXPECT_EQ(valid_utf8("\x80"), "?");
  EXPECT_EQ(valid_utf8("\xc3"), "?");
  EXPECT_EQ(valid_utf8("\xc1\xbf"), "??");
  EXPECT_EQ(valid_utf8("\xe0\x9f\xbf"), "???");
  EXPECT_EQ(valid_utf8("\xf0\x8f\xbf\xbf"), "????");
  EXPECT_EQ(valid_utf8("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf");
  EXPECT_EQ(valid_utf8("\xe2\x82x"), "??x");
  EXPECT_EQ(valid_utf8(std::string_view("a\0b", 3)), "a");
}

// The rules of a system bus, and our own files.
class DevicePolicyTest : public DeviceObjectsTest {
 protected:
  DevicePolicyTest() : DeviceObjectsTest(rules().c_str()) {}
  static std::string rules() {
    return std::string(PrivateBus::kSystemRules) + "<include>" TCMUD_SOURCE_DIR
                                                   "/dbus/org.kernel.TCMUService1.conf</include>"
                                                   "<include>" TCMUD_SOURCE_DIR
                                                   "/dbus/org.kernel.TCMUD1.conf</include>";
  }
  std::string nobody_calls(const std::string& object, const std::string& method,
                           const std::vector<std::string>& arguments = {}) {
    return run(as_nobody(gdbus_call(kDeviceBusName, object, method, arguments)));
  }
};

TEST_F(DevicePolicyTest, any_user_may_read_and_only_root_anything_else) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "takes root to be root and somebody else";
  }
  bus_.start();
  start();
  ASSERT_TRUE(connection_->owns_name());
  objects_.show(1, 0, "disk", disk());
  EXPECT_EQ(nobody_calls(kDisk, "org.freedesktop.DBus.Properties.Get", {kDeviceInterface, "State"}),
            "(<'running'>,)\n");
  EXPECT_THAT(nobody_calls(kDisk, "org.freedesktop.DBus.Properties.GetAll", {kDeviceInterface}),
              HasSubstr("'running'"));
  EXPECT_THAT(nobody_calls(kDeviceRootPath, "org.freedesktop.DBus.ObjectManager.GetManagedObjects"),
              HasSubstr(kDisk));
  EXPECT_THAT(nobody_calls(kDisk, "org.freedesktop.DBus.Introspectable.Introspect"),
              HasSubstr("BackendState"));
  const std::vector<std::string> set{kDeviceInterface, "State", "<'closed'>"};
  EXPECT_THAT(nobody_calls(kDisk, "org.freedesktop.DBus.Properties.Set", set),
              HasSubstr("AccessDenied"));
  EXPECT_THAT(nobody_calls(kDisk, "org.kernel.TCMUD1.Device.Remove"), HasSubstr("AccessDenied"));
  EXPECT_THAT(call(kDisk, "org.freedesktop.DBus.Properties.Set", set),
              HasSubstr("PropertyReadOnly"));
  EXPECT_THAT(
      run(as_nobody(gdbus_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                               "org.freedesktop.DBus.RequestName", {"org.kernel.TCMUD1.", "0"}))),
      Not(HasSubstr("uint32 1")));
  connection_.reset();
  connection_.reset();
  EXPECT_THAT(run(as_nobody(gdbus_call("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus.RequestName", {kDeviceBusName, "0"}))),
              HasSubstr("AccessDenied"));
}

}  // namespace
}  // namespace tcmud::dbus
