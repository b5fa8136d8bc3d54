// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tcmud/handler.h>

#include "base/result.h"

namespace tcmud::plugin {

// A LUN's configuration string behind "<subtype>/", split into the handler's path and the options
// behind it.
struct ParsedConfig {
  struct Option {
    std::string key, value;
  };
  std::string path;
  std::vector<Option> options;       // for the handler, in their order
  std::vector<Option> core_options;  // ours, for any handler: poll_us, tcmur_cmd_time_out
};

// Fails with EINVAL on an option without a name; everything else is for the handler to judge. Core
// options are taken from anywhere, also from before the path, as tcmu-runner's users write them.
Result<ParsedConfig> parse_config(std::string_view config);

// The same for C. Points into the ParsedConfig, which must outlive it.
class CConfig {
 public:
  explicit CConfig(const ParsedConfig& config);
  CConfig(const CConfig&) = delete;
  CConfig& operator=(const CConfig&) = delete;
  [[nodiscard]] const tcmud_config& get() const { return c_; }

 private:
  std::vector<tcmud_option> options_;
  tcmud_config c_{};
};

}  // namespace tcmud::plugin
