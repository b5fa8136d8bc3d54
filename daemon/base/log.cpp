// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <cstdio>

namespace tcmud::log {

namespace detail {
std::atomic<int> current_level{static_cast<int>(Level::kInfo)};
}

namespace {

void write_to_stderr(Level, std::string_view device, std::string_view message) {
  fmt::print(stderr, "{}{}{}\n", device, device.empty() ? "" : ": ", message);
}

// Pairs with itself: set before threads start or while they only write lines, either sink is valid
// at any time.
std::atomic<Sink> current_sink{&write_to_stderr};

}  // namespace

void set_sink(Sink sink) {
  current_sink.store(sink == nullptr ? &write_to_stderr : sink, std::memory_order_release);
}

void set_level(Level level) {
  detail::current_level.store(static_cast<int>(level), std::memory_order_relaxed);
}

Level level() {
  return static_cast<Level>(detail::current_level.load(std::memory_order_relaxed));
}

void write(Level level, std::string_view device, std::string_view message) {
  current_sink.load(std::memory_order_acquire)(level, device, message);
}

}  // namespace tcmud::log
