// SPDX-License-Identifier: Apache-2.0
#include "rules.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace tcmud::fault {
namespace {

template <class T>
struct Word {
  std::string_view word;
  T value;
};

constexpr std::array<Word<Action>, 7> kActions = {{{"error", Action::kError},
                                                   {"short", Action::kShort},
                                                   {"delay", Action::kDelay},
                                                   {"late", Action::kLate},
                                                   {"hang", Action::kHang},
                                                   {"reorder", Action::kReorder},
                                                   {"double", Action::kDouble}}};

constexpr std::array<Word<tcmud_op>, 7> kOps = {{{"read", TCMUD_OP_READ},
                                                 {"write", TCMUD_OP_WRITE},
                                                 {"flush", TCMUD_OP_FLUSH},
                                                 {"unmap", TCMUD_OP_UNMAP},
                                                 {"zero", TCMUD_OP_WRITE_ZEROES},
                                                 {"same", TCMUD_OP_WRITE_SAME},
                                                 {"compare", TCMUD_OP_COMPARE_AND_WRITE}}};

constexpr std::array<Word<tcmud_status>, 14> kStatuses = {
    {{"busy", TCMUD_BUSY},
     {"no_resource", TCMUD_NO_RESOURCE},
     {"not_supported", TCMUD_NOT_SUPPORTED},
     {"out_of_range", TCMUD_OUT_OF_RANGE},
     {"read_error", TCMUD_READ_ERROR},
     {"write_error", TCMUD_WRITE_ERROR},
     {"miscompare", TCMUD_MISCOMPARE},
     {"no_space", TCMUD_NO_SPACE},
     {"write_protected", TCMUD_WRITE_PROTECTED},
     {"not_ready", TCMUD_NOT_READY},
     {"lock_lost", TCMUD_LOCK_LOST},
     {"timeout", TCMUD_TIMEOUT},
     {"aborted", TCMUD_ABORTED},
     {"internal", TCMUD_INTERNAL}}};

template <class T, size_t N>
std::optional<T> find_word(const std::array<Word<T>, N>& words, std::string_view word) {
  const auto it =
      std::find_if(words.begin(), words.end(), [&](const Word<T>& w) { return w.word == word; });
  return it == words.end() ? std::nullopt : std::optional<T>(it->value);
}

// Cuts the text up to `separator`, which goes too, off its front.
std::string_view cut(std::string_view& text, char separator) {
  const size_t end = text.find(separator);
  const std::string_view head = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return head;
}

bool set_number(uint64_t& field, std::string_view value, uint64_t least, uint64_t most) {
  const auto number = api::parse_bytes(value);
  if (!number || *number < least || *number > most) {
    return false;
  }
  field = *number;
  return true;
}

bool set_ops(Rule& rule, std::string_view value) {
  rule.ops = 0;
  if (value.empty() || value.back() == '+') {
    return false;
  }
  do {
    const auto op = find_word(kOps, cut(value, '+'));
    if (!op) {
      return false;
    }
    rule.ops |= 1u << *op;
  } while (!value.empty());
  return true;
}

bool set_range(Rule& rule, std::string_view value) {
  const auto offset = api::parse_bytes(cut(value, '+'));
  const auto length = api::parse_bytes(value);
  if (!offset || !length || *length == 0 || *length > UINT64_MAX - *offset) {
    return false;
  }
  rule.from = *offset;
  rule.to = *offset + *length;
  return true;
}

// Percent with up to four decimals.
bool set_chance(Rule& rule, std::string_view value) {
  const auto whole = api::parse_number(cut(value, '.'));
  uint64_t parts = 0;
  if (!whole || *whole > 100 || value.size() > 4) {
    return false;
  }
  for (size_t i = 0; i < 4; ++i) {
    const char digit = i < value.size() ? value[i] : '0';
    if (digit < '0' || digit > '9') {
      return false;
    }
    parts = parts * 10 + static_cast<uint64_t>(digit - '0');
  }
  rule.chance_ppm = static_cast<uint32_t>(std::min<uint64_t>(*whole * 10'000 + parts, 1'000'000));
  return true;
}

bool set_microseconds(Rule& rule, std::string_view value) {
  constexpr uint64_t kMost = 600'000'000;
  const std::string_view least = cut(value, '-');
  return set_number(rule.least_us, least, 0, kMost) &&
         set_number(rule.most_us, value.empty() ? least : value, rule.least_us, kMost);
}

bool set_status(Rule& rule, std::string_view value) {
  const auto status = find_word(kStatuses, value);
  rule.status = status ? int32_t{*status} : rule.status;
  return status.has_value();
}

bool set_key(Rule& rule, std::string_view key, std::string_view value) {
  constexpr uint64_t kAny = UINT64_MAX;
  constexpr uint64_t kTenMinutes = 600'000;
  if (key == "ops") {
    return set_ops(rule, value);
  }
  if (key == "range") {
    return set_range(rule, value);
  }
  if (key == "chance") {
    return set_chance(rule, value);
  }
  if (key == "status") {
    return set_status(rule, value);
  }
  if (key == "us") {
    return set_microseconds(rule, value);
  }
  if (key == "until") {
    rule.until = value;
    return !value.empty() && value[0] == '/';
  }
  if (key == "depth") {
    uint64_t depth = 0;
    const bool fine = set_number(depth, value, 2, 1024);
    rule.depth = static_cast<uint32_t>(depth);
    return fine;
  }
  return (key == "every" && set_number(rule.every, value, 1, kAny)) ||
         (key == "at" && set_number(rule.at, value, 1, kAny)) ||
         (key == "count" && set_number(rule.count, value, 0, kAny)) ||
         (key == "seed" && set_number(rule.seed, value, 0, kAny)) ||
         (key == "bytes" && set_number(rule.bytes, value, 0, kAny)) ||
         (key == "ms" && set_number(rule.ms, value, 1, kTenMinutes));
}

api::Result<Rule> parse_rule(std::string_view text) {
  Rule rule;
  const std::string_view name = cut(text, ':');
  const auto action = find_word(kActions, name);
  if (!action) {
    return api::Refusal{EINVAL, "fault: unknown action \"" + std::string(name) +
                                    "\"; one of error, short, delay, late, hang, reorder, double"};
  }
  rule.action = *action;
  rule.ms = rule.action == Action::kHang ? 60'000 : 10;
  while (!text.empty()) {
    std::string_view value = cut(text, ':');
    const std::string word(value);
    const std::string_view key = cut(value, '=');
    if (!set_key(rule, key, value)) {
      return api::Refusal{EINVAL, "fault: \"" + word + "\" in fault_rule=" + std::string(name) +
                                      " is no known key with a fitting value"};
    }
  }
  return rule;
}

// Splitmix64: a bijection that scatters consecutive numbers.
uint64_t scatter(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

bool touches(const Rule& rule, uint64_t offset, uint64_t length) {
  return offset < rule.to && rule.from < offset + length;
}

bool touches(const Rule& rule, const tcmud_request& request) {
  if (request.op == TCMUD_OP_FLUSH) {
    return true;
  }
  if (request.op != TCMUD_OP_UNMAP) {
    return touches(rule, request.offset, request.length);
  }
  return std::any_of(request.ranges, request.ranges + request.nranges,
                     [&](const tcmud_range& r) { return touches(rule, r.offset, r.length); });
}

}  // namespace

bool RuleState::hits(const tcmud_request& request) {
  if (request.op >= 32 || (rule_.ops & (1u << request.op)) == 0 || !touches(rule_, request)) {
    return false;
  }
  const uint64_t n = seen_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (rule_.at != 0 ? n != rule_.at : n % rule_.every != 0) {
    return false;
  }
  if (scatter(rule_.seed ^ scatter(n)) % 1'000'000 >= rule_.chance_ppm) {
    return false;
  }
  return hit_.fetch_add(1, std::memory_order_relaxed) < rule_.count;
}

uint64_t RuleState::pick(uint64_t least, uint64_t most) {
  const uint64_t n = picked_.fetch_add(1, std::memory_order_relaxed);
  return least + scatter(~rule_.seed ^ scatter(n)) % (most - least + 1);
}

api::Result<Options> parse_options(const api::Config& config) {
  Options options;
  std::string_view path = config.path;
  options.inner_subtype = cut(path, '/');
  options.inner_path = path;
  if (options.inner_subtype.empty()) {
    return api::Refusal{EINVAL, "fault: no inner handler; write fault/<subtype>/<path>"};
  }
  for (const tcmud_option& option : config.options) {
    const std::string_view key = option.key;
    if (key == "fault_rule") {
      auto rule = parse_rule(option.value);
      if (!rule) {
        return rule.refusal();
      }
      options.rules.push_back(std::move(*rule));
    } else if (key.substr(0, 6) == "fault_") {
      return api::Refusal{EINVAL,
                          "fault: unknown option \"" + std::string(key) + "\"; known: fault_rule"};
    } else {
      options.inner_options.push_back(option);
    }
  }
  return options;
}

}  // namespace tcmud::fault
