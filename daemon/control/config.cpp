// SPDX-License-Identifier: Apache-2.0
#include "control/config.h"

#include <algorithm>
#include <map>
#include <toml++/toml.h>

namespace tcmud::control {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool is_key(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  return !text.empty() && kLetters.find(text.front()) != std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return kLetters.find(c) != std::string_view::npos || (c >= '0' && c <= '9') || c == '-';
         });
}

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// One line of tcmu-runner's format as TOML, or nothing if it isn't one: `key`, `key = number`, `key
// = "text"`, `key = text`; behind it perhaps a comment. Whatever stands in front of the value keeps
// its column.
struct OldLine {
  std::string_view key;
  std::string toml;
};
std::optional<OldLine> parse_old_line(std::string_view line) {
  const size_t equals = line.find('=');
  const size_t comment = line.find('#');
  if (equals == std::string_view::npos || comment < equals) {
    const std::string_view key = trim(line.substr(0, comment));
    if (!is_key(key)) {
      return std::nullopt;
    }
    const auto end = static_cast<size_t>(key.data() + key.size() - line.data());
    return OldLine{key, std::string(line.substr(0, end)) + " = true"};
  }
  const std::string_view key = trim(line.substr(0, equals));
  if (!is_key(key)) {
    return std::nullopt;
  }
  const size_t begin = line.find_first_not_of(kBlanks, equals + 1);
  if (begin == std::string_view::npos || begin == comment) {
    return std::nullopt;
  }
  const std::string front(line.substr(0, begin));
  const char first = line[begin];
  if (first == '"' || first == '\'') {
    return OldLine{key, std::string(line)};
  }
  const std::string_view value = trim(line.substr(begin, comment - begin));
  if (is_number(value)) {
    const size_t digits = std::min(value.find_first_not_of('0'), value.size() - 1);
    return OldLine{key, front + std::string(value.substr(digits))};
  }
  const bool bare =
      std::isalpha(static_cast<unsigned char>(first)) != 0 || first == '/' || first == '.';
  if (!bare || value.find('\'') != std::string_view::npos) {
    return std::nullopt;
  }
  if (value == "true" || value == "false") {
    return OldLine{key, std::string(line)};
  }
  return OldLine{key, front + '\'' + std::string(value) + '\''};
}

// The text with every line of the old format put as TOML. The number of lines stays.
std::string from_old_format(std::string_view text) {
  std::vector<std::string> lines;
  std::map<std::string, size_t, std::less<>> line_of_key;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto old = parse_old_line(line);
    if (!old) {
      lines.emplace_back(line);
      continue;
    }
    const auto [before, first] = line_of_key.try_emplace(std::string(old->key), lines.size());
    if (!first) {
      lines[std::exchange(before->second, lines.size())].clear();
    }
    lines.push_back(std::move(old->toml));
  }
  std::string all;
  for (const std::string& line : lines) {
    all += line;
    all += '\n';
  }
  return all;
}

std::string position(const toml::source_region& source) {
  return fmt::format("{}:{}", source.begin.line, source.begin.column);
}

Result<toml::table> parse_toml(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(EINVAL, "{}: {}", position(error.source()), error.description());
  }
}

Result<toml::table> parse_either(std::string_view text) {
  auto table = parse_toml(text);
  // Strings over several lines can't be told from lines of the old format, which had none.
  if (table || text.find("\"\"\"") != std::string_view::npos ||
      text.find("'''") != std::string_view::npos) {
    return table;
  }
  return parse_toml(from_old_format(text));
}

// One "key = value", with what it is for and what may stand there.
class Item {
 public:
  Item(std::string_view key, const toml::node& node, std::vector<std::string>& warnings)
      : key_(key), node_(node), warnings_(warnings) {}

  // A number beyond the limits counts as the limit, as it did in tcmu-runner.
  Result<int64_t> number(int64_t low, int64_t high) {
    const auto value = node_.value_exact<int64_t>();
    if (!value) {
      return fail(EINVAL, "{}: {} must be a number from {} to {}", at(), key_, low, high);
    }
    const int64_t within = std::clamp(*value, low, high);
    if (within != *value) {
      warn(fmt::format("{} = {} is out of range, {} is taken ({} to {} are allowed)", key_, *value,
                       within, low, high));
    }
    return within;
  }

  Result<std::filesystem::path> directory() const {
    const auto value = node_.value_exact<std::string>();
    if (!value || !value->starts_with('/') || value->find('\0') != std::string::npos) {
      return fail(EINVAL, "{}: {} must be an absolute path in quotes", at(), key_);
    }
    return std::filesystem::path(*value);
  }

  Result<ThirdPartyCopy> third_party_copy() const {
    const auto value = node_.value_exact<std::string>();
    if (value == "same_initiators") {
      return ThirdPartyCopy::kSameInitiators;
    }
    if (value == "all") {
      return ThirdPartyCopy::kAll;
    }
    if (value == "off") {
      return ThirdPartyCopy::kOff;
    }
    return fail(EINVAL, "{}: {} must be \"same_initiators\", \"all\" or \"off\"", at(), key_);
  }

  Result<std::set<std::string, std::less<>>> names() const {
    std::set<std::string, std::less<>> all;
    const toml::array* list = node_.as_array();
    for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
      const auto name = (*list)[i].value_exact<std::string>();
      if (!name || name->empty()) {
        list = nullptr;
        break;
      }
      all.insert(*name);
    }
    if (list == nullptr) {
      return fail(EINVAL, "{}: {} must be a list of names: [\"one\", \"two\"]", at(), key_);
    }
    return all;
  }

  void warn(std::string_view text) const { warnings_.push_back(fmt::format("{}: {}", at(), text)); }

 private:
  [[nodiscard]] std::string at() const { return position(node_.source()); }

  std::string_view key_;
  const toml::node& node_;
  std::vector<std::string>& warnings_;
};

template <class Value, class Target>
Result<void> put(Result<Value>&& value, Target& target) {
  if (!value) {
    return tl::unexpected(std::move(value.error()));
  }
  target = std::move(*value);
  return {};
}

Result<void> take(std::string_view key, const toml::node& node, Config& config) {
  Item item(key, node, config.warnings);
  if (key == "log_level") {
    return put(item.number(0, 5).map([](int64_t n) { return static_cast<log::Level>(n); }),
               config.log_level);
  }
  if (key == "log_dir") {
    return put(item.directory(), config.log_dir);
  }
  if (key == "handler_path") {
    return put(item.directory(), config.handler_path);
  }
  if (key == "poll_us") {
    return put(item.number(0, 1000), config.poll_us);
  }
  if (key == "third_party_copy") {
    return put(item.third_party_copy(), config.third_party_copy);
  }
  if (key == "foreign_subtypes") {
    return put(item.names(), config.foreign_subtypes);
  }
  item.warn(fmt::format("unknown key {} is ignored", key));
  return {};
}

}  // namespace

Result<Config> parse_config(std::string_view text) {
  const auto table = parse_either(text);
  if (!table) {
    return tl::unexpected(table.error());
  }
  // In the order of the file, so that the first mistake is the first that is told.
  std::vector<std::pair<std::string_view, const toml::node*>> items;
  for (const auto& [key, node] : *table) {
    items.emplace_back(key.str(), &node);
  }
  std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) {
    return a.second->source().begin < b.second->source().begin;
  });
  Config config;
  for (const auto& [key, node] : items) {
    if (auto taken = take(key, *node, config); !taken) {
      return tl::unexpected(std::move(taken.error()));
    }
  }
  return config;
}

}  // namespace tcmud::control
