// SPDX-License-Identifier: Apache-2.0
#include "plugin/parsed_config.h"

#include <algorithm>
#include <array>

namespace tcmud::plugin {

namespace {

constexpr std::array<std::string_view, 2> kCoreOptions{"poll_us", "tcmur_cmd_time_out"};

ParsedConfig::Option split_option(std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return {std::string(text), ""};
  }
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

bool is_core(const ParsedConfig::Option& option) {
  return std::find(kCoreOptions.begin(), kCoreOptions.end(), option.key) != kCoreOptions.end();
}

}  // namespace

Result<ParsedConfig> parse_config(std::string_view config) {
  ParsedConfig parsed;
  bool have_path = false;
  for (size_t at = 0; at <= config.size();) {
    const size_t end = std::min(config.find(';', at), config.size());
    const std::string_view piece = config.substr(at, end - at);
    at = end + 1;
    ParsedConfig::Option option = split_option(piece);
    if (is_core(option)) {
      parsed.core_options.push_back(std::move(option));
    } else if (!have_path && !piece.empty()) {
      parsed.path = piece;
      have_path = true;
    } else if (piece.empty()) {
      continue;  // ";;" and a trailing ";" say nothing; an empty path is the handler's to refuse
    } else if (option.key.empty()) {
      return fail(EINVAL, "option \"{}\" has no name; options are written ;name or ;name=value",
                  piece);
    } else {
      parsed.options.push_back(std::move(option));
    }
  }
  return parsed;
}

CConfig::CConfig(const ParsedConfig& config) {
  options_.reserve(config.options.size());
  for (const auto& option : config.options) {
    options_.push_back({option.key.c_str(), option.value.c_str()});
  }
  c_.size = sizeof c_;
  c_.noptions = static_cast<uint32_t>(options_.size());
  c_.path = config.path.c_str();
  c_.options = options_.data();
}

}  // namespace tcmud::plugin
