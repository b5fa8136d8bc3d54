// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tcmud::dbus {

// The text up to the first NUL, each byte that is no part of valid UTF-8 replaced by '?'.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace tcmud::dbus
