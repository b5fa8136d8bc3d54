// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <array>

namespace tcmud::rbd {
namespace {

constexpr uint64_t kMaxSeconds = 24 * 3600;
constexpr uint64_t kMaxHoldMs = 3600 * 1000;

api::Refusal refuse(std::string why) {
  return {EINVAL, "rbd: " + std::move(why)};
}

// Splits "<pool>[/<namespace>]/<image>[@<snapshot>]". None of the names can hold '/' or '@'.
std::optional<api::Refusal> parse_path(std::string_view path, Options& options) {
  const auto bad = [&](const char* what) {
    return refuse("\"" + std::string(path) + "\" " + what +
                  "; write rbd/pool/image, rbd/pool/namespace/image, or either with @snapshot");
  };
  std::array<std::string_view, 3> parts;
  size_t count = 0;
  for (std::string_view rest = path;;) {
    const size_t slash = rest.find('/');
    if (count == parts.size()) {
      return bad("has too many parts");
    }
    parts[count++] = rest.substr(0, slash);
    if (slash == std::string_view::npos) {
      break;
    }
    rest.remove_prefix(slash + 1);
  }
  if (count < 2) {
    return bad("names no image");
  }
  std::string_view image = parts[count - 1];
  if (const size_t at = image.find('@'); at != std::string_view::npos) {
    options.snapshot = image.substr(at + 1);
    image = image.substr(0, at);
    if (options.snapshot.empty() || options.snapshot.find('@') != std::string::npos) {
      return bad("names no snapshot behind the @");
    }
  }
  if (parts[0].empty() || image.empty() || (count == 3 && parts[1].empty())) {
    return bad("has an empty part");
  }
  if (path.substr(0, path.size() - parts[count - 1].size()).find('@') != std::string_view::npos) {
    return bad("has an @ before the image");
  }
  options.pool = parts[0];
  options.image = image;
  if (count == 3) {
    options.name_space = parts[1];
  }
  return std::nullopt;
}

class OptionReader {
 public:
  explicit OptionReader(Options& options) : options_(options) {}

  std::optional<api::Refusal> read(const tcmud_option& option) {
    key_ = option.key;
    value_ = option.value;
    if (key_ == "conf") {
      return path(options_.conf);
    }
    if (key_ == "id") {
      return text(options_.id);
    }
    if (key_ == "cluster") {
      return text(options_.cluster);
    }
    if (key_ == "osd_op_timeout") {
      return number(options_.osd_op_timeout, kMaxSeconds, "seconds");
    }
    if (key_ == "mon_op_timeout") {
      return number(options_.mon_op_timeout, kMaxSeconds, "seconds");
    }
    if (key_ == "lock_hold") {
      return number(options_.lock_hold_ms, kMaxHoldMs, "milliseconds");
    }
    if (key_ == "cache") {
      return flag(options_.cache, true);
    }
    if (key_ == "readonly") {
      return flag(options_.read_only, true);
    }
    if (key_ == "nolock") {
      return flag(options_.lock, false);
    }
    if (key_ == "encryption") {
      return encryption();
    }
    if (key_ == "passphrase_file") {
      return path(options_.passphrase_file);
    }
    return refuse("unknown option \"" + std::string(key_) +
                  "\"; known: conf, id, cluster, osd_op_timeout, mon_op_timeout, cache, readonly, "
                  "nolock, lock_hold, encryption, passphrase_file");
  }

 private:
  std::optional<api::Refusal> text(std::string& out) const {
    if (value_.empty()) {
      return refuse("option " + std::string(key_) + " needs a value");
    }
    out = value_;
    return std::nullopt;
  }

  std::optional<api::Refusal> path(std::string& out) const {
    if (value_.empty() || value_[0] != '/') {
      return refuse(std::string(key_) + "=\"" + std::string(value_) +
                    "\" is no absolute path; write " + std::string(key_) + "=/path");
    }
    out = value_;
    return std::nullopt;
  }

  std::optional<api::Refusal> number(uint32_t& out, uint64_t most, const char* unit) const {
    const std::optional<uint64_t> value = api::parse_number(value_);
    if (!value || *value > most) {
      return refuse(std::string(key_) + "=\"" + std::string(value_) + "\" is no whole number of " +
                    unit + " from 0 to " + std::to_string(most));
    }
    out = static_cast<uint32_t>(*value);
    return std::nullopt;
  }

  std::optional<api::Refusal> flag(bool& out, bool on) const {
    if (!value_.empty()) {
      return refuse("option " + std::string(key_) + " takes no value");
    }
    out = on;
    return std::nullopt;
  }

  std::optional<api::Refusal> encryption() const {
    if (value_ == "luks1") {
      options_.encryption = Encryption::kLuks1;
    } else if (value_ == "luks2") {
      options_.encryption = Encryption::kLuks2;
    } else {
      return refuse("encryption=\"" + std::string(value_) + "\" is unknown; one of luks1, luks2");
    }
    return std::nullopt;
  }

  Options& options_;
  std::string_view key_, value_;
};

}  // namespace

std::string Options::spec() const {
  return pool + "/" + (name_space.empty() ? "" : name_space + "/") + image +
         (snapshot.empty() ? "" : "@" + snapshot);
}

api::Result<Options> parse_options(const api::Config& config) {
  Options options;
  if (auto refusal = parse_path(config.path, options)) {
    return *refusal;
  }
  OptionReader reader(options);
  for (const tcmud_option& option : config.options) {
    if (auto refusal = reader.read(option)) {
      return *refusal;
    }
  }
  if ((options.encryption == Encryption::kNone) != options.passphrase_file.empty()) {
    return refuse("encryption and passphrase_file belong together; give both or neither");
  }
  if (!options.snapshot.empty()) {
    options.read_only = true;
  }
  if (options.read_only && options.cache) {
    return refuse("cache is for LUNs that are written; drop it, this one is read-only");
  }
  return options;
}

}  // namespace tcmud::rbd
