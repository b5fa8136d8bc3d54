// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "unit/dbus/child_process.h"

namespace tcmud::test {

// A directory of the test's own, removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A dbus-daemon of the test's own. While this lives, "the system bus" of this process and its
// children is that one, or none as long as it isn't started.
class PrivateBus {
 public:
  // Rules of the bus in its own XML, e.g. kEverythingAllowed.
  explicit PrivateBus(std::string rules = kEverythingAllowed);
  ~PrivateBus();

  void start();
  void stop();  // as if it crashed

  static constexpr const char* kEverythingAllowed =
      "<policy context='default'><allow user='*'/><allow own='*'/><allow send_destination='*' "
      "eavesdrop='false'/>"
      "<allow receive_sender='*'/></policy>";
  // As the system bus has it: what isn't allowed is denied.
  static constexpr const char* kSystemRules =
      "<policy context='default'><allow user='*'/><deny own='*'/><deny send_type='method_call'/>"
      "<allow send_type='signal'/><allow send_requested_reply='true' send_type='method_return'/>"
      "<allow send_requested_reply='true' send_type='error'/><allow receive_type='method_call'/>"
      "<allow receive_type='method_return'/><allow receive_type='error'/><allow "
      "receive_type='signal'/>"
      "<allow send_destination='org.freedesktop.DBus'/></policy>";

 private:
  TemporaryDirectory directory_;
  std::string rules_;
  std::optional<std::string> outer_address_;
  std::unique_ptr<ChildProcess> daemon_;
};

}  // namespace tcmud::test
