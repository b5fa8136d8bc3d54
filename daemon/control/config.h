// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace tcmud::control {

// Which LUNs an EXTENDED COPY may name besides the one that it was sent to.
enum class ThirdPartyCopy : uint8_t {
  kSameInitiators,  // those that everybody who reaches the one reaches, too
  kAll,             // all of the daemon's
  kOff,             // none: there are no copies and no tokens
};

// What tcmu.conf says. A key that isn't there leaves its member at the default, or empty where the
// command line or the environment may have a say.
struct Config {
  std::optional<log::Level> log_level;           // log_level = 0..5
  std::optional<std::filesystem::path> log_dir;  // log_dir = "/var/log"
  std::optional<std::filesystem::path>
      handler_path;       // handler_path = "/usr/lib/tcmud"; read at start only
  uint32_t poll_us = 50;  // poll_us = 0..1000 (µs), for LUNs opened from then on
  // third_party_copy = "same_initiators" | "all" | "off", for LUNs opened from then on
  ThirdPartyCopy third_party_copy = ThirdPartyCopy::kSameInitiators;
  std::set<std::string, std::less<>>
      foreign_subtypes;  // foreign_subtypes = ["overlaybd"]: another daemon's

  // What was passed over, one line each, e.g. "3:1: unknown key log_levle".
  std::vector<std::string> warnings;
};

// Reads the text of tcmu.conf: TOML, and what tcmu-runner's parser took besides: strings without
// quotes, keys without a value, numbers with leading zeros, a key given twice (the last one
// counts). Any bytes. The error begins with
// "<line>:<column>: ". A pure function.
Result<Config> parse_config(std::string_view text);

}  // namespace tcmud::control
