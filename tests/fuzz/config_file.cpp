// SPDX-License-Identifier: Apache-2.0
// Any bytes as tcmu.conf: an answer, and one that keeps its promises.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "control/config.h"

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

bool begins_with_a_place(std::string_view text) {
  const size_t colon = text.find_first_not_of("0123456789");
  return colon != 0 && colon != std::string_view::npos && text[colon] == ':';
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config = tcmud::control::parse_config({reinterpret_cast<const char*>(data), size});
  if (!config) {
    require(begins_with_a_place(config.error().message));
    return 0;
  }
  require(config->poll_us <= 1000);
  if (config->log_level) {
    require(*config->log_level >= tcmud::log::Level::kCritical &&
            *config->log_level <= tcmud::log::Level::kTrace);
  }
  require(!config->log_dir || config->log_dir->is_absolute());
  require(!config->handler_path || config->handler_path->is_absolute());
  for (const auto& warning : config->warnings) {
    require(begins_with_a_place(warning));
  }
  return 0;
}
