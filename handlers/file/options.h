// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <tcmud/handler.hpp>

namespace tcmud::file {

enum class IoEngine : uint8_t {
  kAuto,   // io_uring, or threads where the system refuses it
  kUring,  // io_uring or no LUN
  kSync    // threads
};

struct Options {
  std::string path;        // absolute
  bool create = false;     // a missing or empty file becomes a sparse one of the LUN's size
  bool direct = false;     // O_DIRECT
  bool read_only = false;  // the LUN refuses writes
  bool lock = true;        // off: for file systems without locks
  bool discard = true;     // off: never deallocate (a preallocated file stays so)
  IoEngine io = IoEngine::kAuto;
};

inline constexpr const char* kConfigHelp =
    "file//absolute/path[;create][;direct][;readonly][;io=auto|uring|sync][;nodiscard][;nolock]";

// Judges the words alone; looks at no file.
[[nodiscard]] api::Result<Options> parse_options(const api::Config& config);

}  // namespace tcmud::file
