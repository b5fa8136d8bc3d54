// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/log.h"
#include "control/event_loop.h"
#include "unit/dbus/private_bus.h"

namespace tcmud::test {

using namespace std::chrono_literals;

// A dbus-daemon of the test's own, with GDBus (the gdbus tool) as a client that shares no code with
// sd-bus.
class BusTest : public testing::Test {
 protected:
  explicit BusTest(const char* rules = PrivateBus::kEverythingAllowed) : bus_(rules) {
    log::set_sink([](log::Level, std::string_view, std::string_view) {});
  }
  ~BusTest() override { log::set_sink(nullptr); }

  void turn() { sd_event_run(loop_->get(), 2000); }
  template <class Condition>
  void turn_until(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit);
      turn();
    }
  }

  // A client's run, until it ends: what it said.
  std::string run(const std::vector<std::string>& argv) {
    ChildProcess child(argv);
    child.wait([this] { turn(); });
    return child.output();
  }
  static std::vector<std::string> gdbus_call(const std::string& name, const std::string& object,
                                             const std::string& method,
                                             const std::vector<std::string>& arguments = {}) {
    std::vector<std::string> argv{"gdbus",         "call", "--system", "--dest", name,
                                  "--object-path", object, "--method", method};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
  }
  static std::vector<std::string> as_nobody(const std::vector<std::string>& command) {
    std::vector<std::string> argv{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    argv.insert(argv.end(), command.begin(), command.end());
    return argv;
  }

  PrivateBus bus_;
  std::unique_ptr<control::EventLoop> loop_ = std::move(*control::EventLoop::create());
};

}  // namespace tcmud::test
