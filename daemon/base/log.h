// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <string_view>
#include <utility>

#include <fmt/core.h>

// The one way to say something to the administrator. A level test comes first, so that a message
// nobody wants costs one relaxed load; formatting happens on the caller's thread and never on the
// hot path. Where lines go is decided by control/ (set_sink), until then they go to stderr.
namespace tcmud::log {

// The values are those of log_level in tcmu.conf.
enum class Level : int {
  kCritical = 0,
  kError = 1,
  kWarning = 2,
  kInfo = 3,
  kDebug = 4,
  kTrace = 5
};

// Called from any thread. `device` names the LUN as "<hba>/<name>", empty where the line is about
// the daemon itself.
using Sink = void (*)(Level level, std::string_view device, std::string_view message);

void set_sink(Sink sink);  // nullptr: back to stderr
void set_level(Level level);
[[nodiscard]] Level level();
void write(Level level, std::string_view device, std::string_view message);

namespace detail {
extern std::atomic<int>
    current_level;  // relaxed: a late reader only logs or skips one line too many
}

[[nodiscard]] inline bool enabled(Level level) {
  return static_cast<int>(level) <= detail::current_level.load(std::memory_order_relaxed);
}

template <class... Args>
void at(Level level, std::string_view device, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(level)) {
    write(level, device, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void error(std::string_view device, fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kError, device, format, std::forward<Args>(args)...);
}
template <class... Args>
void warning(std::string_view device, fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kWarning, device, format, std::forward<Args>(args)...);
}
template <class... Args>
void info(std::string_view device, fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kInfo, device, format, std::forward<Args>(args)...);
}
template <class... Args>
void debug(std::string_view device, fmt::format_string<Args...> format, Args&&... args) {
  at(Level::kDebug, device, format, std::forward<Args>(args)...);
}

}  // namespace tcmud::log
