// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tcmud/handler.hpp>

namespace tcmud::fault {

enum class Action : uint8_t {
  kError,  // ends with `status`; the inner handler never sees it
  kShort,  // the inner handler does the first `bytes`, then it ends with `status`
  kDelay,  // waits before the inner handler sees it
  kLate,   // waits after the inner handler is done
  kHang,   // waits for the file `until` to appear; after `ms`, or when cancelled, it ends unserved
  kReorder,  // held until `depth` of them are there, or for `ms`; then the last comes first
  kDouble    // is completed twice: a breach of the contract, to see that the host survives it
};

// fault_rule=<action>[:<key>=<value>]...  (configfs takes a comma for the end of dev_config.) Whom
// it hits: ops, range; which of those: every or at, chance, count.
struct Rule {
  Action action = Action::kError;
  uint32_t ops = ~0u;  // bit 1 << enum tcmud_op
  uint64_t
      from = 0,
      to = UINT64_MAX;  // bytes [from, to) that a request must touch; a FLUSH touches none and all
  uint64_t every = 1;   // each n-th
  uint64_t at = 0;      // the k-th alone, from 1; 0 = by `every`
  uint64_t count = UINT64_MAX;      // at most so often
  uint32_t chance_ppm = 1'000'000;  // of those that are left, parts in a million
  uint64_t seed = 1;
  int32_t status = TCMUD_QUEUED;       // QUEUED: READ_ERROR for a READ, WRITE_ERROR for the others
  uint64_t bytes = UINT64_MAX;         // kShort; default: half
  uint64_t least_us = 0, most_us = 0;  // kDelay, kLate
  uint64_t ms = 0;                     // kHang, kReorder
  uint32_t depth = 8;                  // kReorder
  std::string until;                   // kHang
};

// A rule and its counters. Any thread.
class RuleState {
 public:
  explicit RuleState(Rule rule) : rule_(std::move(rule)) {}
  [[nodiscard]] const Rule& rule() const { return rule_; }

  // Whether the rule hits this request. Counts it. The same seed gives the same hits in the same
  // order of requests.
  bool hits(const tcmud_request& request);
  // A number in [least, most], by the seed.
  uint64_t pick(uint64_t least, uint64_t most);

 private:
  const Rule rule_;
  // Relaxed: each is a counter on its own.
  std::atomic<uint64_t> seen_{0}, hit_{0}, picked_{0};
};

struct Options {
  std::string inner_subtype;
  std::string inner_path;
  std::vector<tcmud_option> inner_options;  // points into the configuration it was parsed from
  std::vector<Rule> rules;
};

inline constexpr const char* kConfigHelp =
    "fault/<subtype>/<path>[;options of that "
    "handler][;fault_rule=error|short|delay|late|hang|reorder|double"
    "[:ops=read+write+flush+unmap+zero+same+compare][:range=OFFSET+LENGTH][:every=N|:at=N][:count="
    "N]"
    "[:chance=PERCENT][:seed=N][:status=NAME][:bytes=N][:us=N|N-M][:ms=N][:depth=N][:until=/"
    "file]]...";

[[nodiscard]] api::Result<Options> parse_options(const api::Config& config);

}  // namespace tcmud::fault
