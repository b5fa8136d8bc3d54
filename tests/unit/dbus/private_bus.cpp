// SPDX-License-Identifier: Apache-2.0
#include "unit/dbus/private_bus.h"

#include <fstream>
#include <stdexcept>

#include <signal.h>
#include <stdlib.h>

namespace tcmud::test {
namespace {

constexpr const char* kVariable = "DBUS_SYSTEM_BUS_ADDRESS";

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "tcmud-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("mkdtemp");
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

PrivateBus::PrivateBus(std::string rules) : rules_(std::move(rules)) {
  if (const char* address = ::getenv(kVariable)) {
    outer_address_ = address;
  }
  // Other users may come (the bus decides), so the directory is open.
  std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
  ::setenv(kVariable, ("unix:path=" + (directory_.path() / "bus").string()).c_str(), 1);
}

PrivateBus::~PrivateBus() {
  stop();
  if (outer_address_) {
    ::setenv(kVariable, outer_address_->c_str(), 1);
  } else {
    ::unsetenv(kVariable);
  }
}

void PrivateBus::start() {
  const auto config = directory_.path() / "bus.conf";
  std::ofstream(config) << "<busconfig><type>custom</type><listen>" << ::getenv(kVariable)
                        << "</listen><auth>EXTERNAL</auth>" << rules_ << "</busconfig>";
  // Without NOTIFY_SOCKET: it would tell a test's supervisor that it is ready.
  daemon_ = std::make_unique<ChildProcess>(std::vector<std::string>{
      "env", "-u", "NOTIFY_SOCKET", "dbus-daemon", "--nofork", "--nopidfile", "--nosyslog",
      "--print-address", "--config-file=" + config.string()});
  if (const std::string line = daemon_->read_line(); !line.starts_with("unix:path=")) {
    throw std::runtime_error("dbus-daemon: " + line);
  }
}

void PrivateBus::stop() {
  daemon_.reset();
  std::filesystem::remove(directory_.path() / "bus");
}

}  // namespace tcmud::test
