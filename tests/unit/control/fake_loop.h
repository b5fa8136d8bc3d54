// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "dbus/main_loop.h"

namespace tcmud::test {

// A main loop that turns when the test says so. Main thread.
class FakeLoop final : public dbus::MainLoop {
 public:
  [[nodiscard]] sd_event* get() const override { return nullptr; }
  void post(std::function<void()> task) override { posted_.push_back(std::move(task)); }
  [[nodiscard]] Timer after(std::chrono::milliseconds, std::function<void()> task) override {
    auto timer = std::make_shared<std::function<void()>>(std::move(task));
    timers_.push_back(timer);
    return timer;
  }

  [[nodiscard]] size_t posted() const { return posted_.size(); }
  void run_posted() {
    while (!posted_.empty()) {
      auto task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
  }
  // However far ahead they lie.
  void run_timers() {
    for (const auto& waiting : std::exchange(timers_, {})) {
      if (const auto timer = waiting.lock()) {
        (*timer)();
      }
    }
  }

 private:
  std::deque<std::function<void()>> posted_;
  std::vector<std::weak_ptr<std::function<void()>>> timers_;
};

}  // namespace tcmud::test
