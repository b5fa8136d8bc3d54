// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include <fmt/core.h>

namespace tcmud {

// Why something cold (open, reconfigure, start-up) failed. The hot path returns status enums
// instead.
struct Error {
  // Positive errno value: the stable kind, and what the kernel is told (negated).
  int code = EIO;
  // One line for a person: what failed, on what, and what to do about it. No trailing full stop or
  // newline.
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

// fail(ENOENT, "{}: no such file; add ;create to make it", path)
template <class... Args>
[[nodiscard]] tl::unexpected<Error> fail(int code, fmt::format_string<Args...> format,
                                         Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

}  // namespace tcmud
