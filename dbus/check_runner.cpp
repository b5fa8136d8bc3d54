// SPDX-License-Identifier: Apache-2.0
#include "dbus/check_runner.h"

#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace tcmud::dbus {
namespace {

// Handlers that hang hold a thread each; more than this many say that something is badly wrong.
constexpr size_t kMaxChecks = 16;

}  // namespace

CheckRunner::CheckRunner(MainLoop& loop, const plugin::Registry& registry,
                         std::chrono::milliseconds limit)
    : loop_(loop),
      registry_(registry),
      limit_(limit),
      self_(std::make_shared<CheckRunner*>(this)) {}

CheckRunner::~CheckRunner() {
  for (auto& [id, check] : checks_) {
    check.thread.join();
  }
}

void CheckRunner::run(const std::string& config, Done done) {
  if (checks_.size() >= kMaxChecks) {
    done(false,
         fmt::format("{} checks are under way and don't end; look into the log", kMaxChecks));
    return;
  }
  const Id id = next_id_++;
  Check& check = checks_[id];
  check.done = std::move(done);
  check.timer = loop_.after(limit_, [this, id, config] {
    log::warning("", "a handler takes more than {} ms to look at \"{}\"", limit_.count(), config);
    answer(checks_.at(id), false, "the handler gave no answer in time");
  });
  try {
    check.thread = std::thread([this, id, config, weak = std::weak_ptr(self_)] {
      // registry_ is there: our destructor waits for this thread.
      auto result = registry_.check_config(config);
      loop_.post([id, weak, result = std::move(result)] {
        if (const auto self = weak.lock()) {
          (*self)->finish(id, result);
        }
      });
    });
  } catch (const std::system_error& error) {
    answer(check, false, fmt::format("can't start a thread for the check: {}", error.what()));
    checks_.erase(id);
  }
}

void CheckRunner::finish(Id id, const Result<void>& result) {
  Check check = std::move(checks_.at(id));
  checks_.erase(id);
  check.thread.join();
  answer(check, result.has_value(), result ? "success" : result.error().message);
}

void CheckRunner::answer(Check& check, bool valid, const std::string& message) {
  check.timer.reset();
  if (auto done = std::exchange(check.done, nullptr)) {
    done(valid, message);
  }
}

}  // namespace tcmud::dbus
