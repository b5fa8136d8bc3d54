// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "dbus/main_loop.h"
#include "plugin/registry.h"

namespace tcmud::dbus {

// Has handlers look at configurations on threads of their own, as a handler may stat a path on a
// dead server. For the main thread.
class CheckRunner {
 public:
  // On the main thread, once per run(); never if the runner goes first.
  using Done = std::function<void(bool valid, const std::string& message)>;

  // After `limit` the answer is "not valid", whatever the handler says later.
  CheckRunner(MainLoop& loop, const plugin::Registry& registry, std::chrono::milliseconds limit);
  // Waits for handlers that are at it (see busy).
  ~CheckRunner();
  CheckRunner(const CheckRunner&) = delete;
  CheckRunner& operator=(const CheckRunner&) = delete;

  // `config` is whole: "<subtype>/<config>".
  void run(const std::string& config, Done done);

  // Is a handler at it?
  [[nodiscard]] bool busy() const { return !checks_.empty(); }

 private:
  using Id = uint64_t;
  struct Check {
    std::thread thread;
    Done done;  // empty: answered already
    MainLoop::Timer timer;
  };

  void finish(Id id, const Result<void>& result);
  void answer(Check& check, bool valid, const std::string& message);

  MainLoop& loop_;
  const plugin::Registry& registry_;
  std::chrono::milliseconds limit_;
  std::shared_ptr<CheckRunner*>
      self_;  // threads hold it weakly: what they post may come after our end
  Id next_id_ = 1;
  std::map<Id, Check> checks_;
};

}  // namespace tcmud::dbus
