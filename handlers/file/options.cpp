// SPDX-License-Identifier: Apache-2.0
#include "options.h"

namespace tcmud::file {
namespace {

// True if `option` is the flag `name`; a value makes it a refusal.
bool is_flag(const tcmud_option& option, std::string_view name, bool& flag,
             std::optional<api::Refusal>& refusal) {
  if (option.key != name) {
    return false;
  }
  if (option.value[0] != '\0') {
    refusal = api::Refusal{EINVAL, "file: option " + std::string(name) + " takes no value"};
  }
  flag = true;
  return true;
}

}  // namespace

api::Result<Options> parse_options(const api::Config& config) {
  Options options;
  options.path = config.path;
  if (options.path.empty() || options.path[0] != '/') {
    return api::Refusal{
        EINVAL, "file: path \"" + options.path + "\" is not absolute; write file//absolute/path"};
  }
  if (options.path.size() >= 4096) {
    return api::Refusal{ENAMETOOLONG, "file: the path is longer than 4095 bytes"};
  }
  bool no_lock = false;
  bool no_discard = false;
  std::optional<api::Refusal> refusal;
  for (const tcmud_option& option : config.options) {
    const bool flag = is_flag(option, "create", options.create, refusal) ||
                      is_flag(option, "direct", options.direct, refusal) ||
                      is_flag(option, "readonly", options.read_only, refusal) ||
                      is_flag(option, "nolock", no_lock, refusal) ||
                      is_flag(option, "nodiscard", no_discard, refusal);
    if (refusal) {
      return *refusal;
    }
    if (flag) {
      continue;
    }
    const std::string_view key = option.key;
    const std::string_view value = option.value;
    if (key == "io" && value == "auto") {
      options.io = IoEngine::kAuto;
    } else if (key == "io" && value == "uring") {
      options.io = IoEngine::kUring;
    } else if (key == "io" && value == "sync") {
      options.io = IoEngine::kSync;
    } else if (key == "io") {
      return api::Refusal{
          EINVAL, "file: io=\"" + std::string(value) + "\" is unknown; one of auto, uring, sync"};
    } else {
      return api::Refusal{EINVAL, "file: unknown option \"" + std::string(key) +
                                      "\"; known: create, direct, readonly, io, nodiscard, nolock"};
    }
  }
  if (options.create && options.read_only) {
    return api::Refusal{EINVAL, "file: create and readonly exclude each other; drop one"};
  }
  options.lock = !no_lock;
  options.discard = !no_discard;
  return options;
}

}  // namespace tcmud::file
