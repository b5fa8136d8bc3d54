// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace tcmud::control {

// Raises the limit of open files to `wanted`, or to as many as we may have. A failure is logged.
void raise_nofile(std::optional<uint64_t> wanted);

// Where handlers are found if nobody says: ../lib/tcmud beside the directory of the executable, as
// in a build tree, else where they are installed.
[[nodiscard]] std::filesystem::path default_handler_path();

}  // namespace tcmud::control
