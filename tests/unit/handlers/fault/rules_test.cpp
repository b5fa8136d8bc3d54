// SPDX-License-Identifier: Apache-2.0
#include "fault/rules.h"

#include <gtest/gtest.h>

namespace tcmud::fault {
namespace {

api::Result<Options> parse(const char* path, const std::vector<tcmud_option>& options = {}) {
  return parse_options({path, options, nullptr});
}

api::Result<Options> parse_rule(const char* rule) {
  static std::string kept;
  kept = rule;
  return parse("file//a", {{"fault_rule", kept.c_str()}});
}

Rule rule_of(const char* text) {
  const auto options = parse_rule(text);
  EXPECT_TRUE(options) << text << ": " << (options ? "" : options.refusal().why);
  return options && !options->rules.empty() ? options->rules[0] : Rule{};
}

tcmud_request request_of(tcmud_op op, uint64_t offset = 0, uint64_t length = 512) {
  tcmud_request request{};
  request.op = op;
  request.offset = offset;
  request.length = length;
  return request;
}

// Which of the first n requests are hit, from 1.
std::vector<int> hits(const char* rule, int n, tcmud_op op = TCMUD_OP_READ) {
  RuleState state(rule_of(rule));
  std::vector<int> hit;
  for (int i = 1; i <= n; ++i) {
    if (state.hits(request_of(op))) {
      hit.push_back(i);
    }
  }
  return hit;
}

TEST(FaultOptions, the_inner_handler_gets_its_path_and_the_options_that_are_not_ours) {
  const auto options =
      parse("file//tmp/a.img", {{"create", ""}, {"fault_rule", "error"}, {"io", "sync"}});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->inner_subtype, "file");
  EXPECT_EQ(options->inner_path, "/tmp/a.img");
  ASSERT_EQ(options->inner_options.size(), 2u);
  EXPECT_STREQ(options->inner_options[0].key, "create");
  EXPECT_STREQ(options->inner_options[1].value, "sync");
  EXPECT_EQ(options->rules.size(), 1u);
}

TEST(FaultOptions, mistakes_are_refused_by_name) {
  EXPECT_FALSE(parse(""));
  EXPECT_FALSE(parse("/x"));
  const std::vector<const char*> bad = {"",
                                        "explode",
                                        "error:every=0",
                                        "error:at=0",
                                        "error:every",
                                        "error:chance=101",
                                        "error:chance=1.23456",
                                        "error:chance=x",
                                        "error:ops=",
                                        "error:ops=read+",
                                        "error:ops=eat",
                                        "error:range=0",
                                        "error:range=0+0",
                                        "error:range=18446744073709551615+2",
                                        "error:status=ok",
                                        "error:status=queued",
                                        "delay:us=5-4",
                                        "delay:us=-1",
                                        "hang:until=relative",
                                        "reorder:depth=1",
                                        "error:unknown=1",
                                        "error::",
                                        "hang:ms=0"};
  for (const char* rule : bad) {
    const auto options = parse_rule(rule);
    EXPECT_FALSE(options) << rule;
  }
  const auto options = parse("file//a", {{"fault_rules", "error"}});
  ASSERT_FALSE(options);
  EXPECT_NE(options.refusal().why.find("fault_rules"), std::string::npos);
}

TEST(FaultOptions, every_key_is_understood) {
  const Rule rule = rule_of(
      "short:ops=read+write+flush+unmap+zero+same+compare:range=1M+64k:at=3:count=2:chance=12.5:"
      "seed=9:"
      "status=no_space:bytes=4k:us=5-10:ms=20:depth=4:until=/run/x");
  EXPECT_EQ(rule.action, Action::kShort);
  EXPECT_EQ(rule.ops, 0b11111110u);
  EXPECT_EQ(rule.from, 1u << 20);
  EXPECT_EQ(rule.to, (1u << 20) + 65536);
  EXPECT_EQ(rule.at, 3u);
  EXPECT_EQ(rule.count, 2u);
  EXPECT_EQ(rule.chance_ppm, 125'000u);
  EXPECT_EQ(rule.seed, 9u);
  EXPECT_EQ(rule.status, TCMUD_NO_SPACE);
  EXPECT_EQ(rule.bytes, 4096u);
  EXPECT_EQ(rule.least_us, 5u);
  EXPECT_EQ(rule.most_us, 10u);
  EXPECT_EQ(rule.ms, 20u);
  EXPECT_EQ(rule.depth, 4u);
  EXPECT_EQ(rule.until, "/run/x");
}

TEST(FaultRules, every_nth_or_the_kth_alone_or_so_many) {
  EXPECT_EQ(hits("error", 4), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(hits("error:every=3", 10), (std::vector<int>{3, 6, 9}));
  EXPECT_EQ(hits("error:at=4", 10), (std::vector<int>{4}));
  EXPECT_EQ(hits("error:count=2", 5), (std::vector<int>{1, 2}));
  EXPECT_EQ(hits("error:every=2:count=2", 10), (std::vector<int>{2, 4}));
  EXPECT_EQ(hits("error:chance=0", 100), std::vector<int>{});
}

TEST(FaultRules, a_chance_is_about_kept_and_the_same_for_the_same_seed) {
  const auto some = hits("error:chance=25:seed=7", 4000);
  EXPECT_GT(some.size(), 800u);
  EXPECT_LT(some.size(), 1200u);
  EXPECT_EQ(some, hits("error:chance=25:seed=7", 4000));
  EXPECT_NE(some, hits("error:chance=25:seed=8", 4000));
}

TEST(FaultRules, only_the_named_operations_are_hit_or_counted) {
  RuleState state(rule_of("error:ops=write+flush:at=2"));
  EXPECT_FALSE(state.hits(request_of(TCMUD_OP_READ)));
  EXPECT_FALSE(state.hits(request_of(TCMUD_OP_WRITE)));
  EXPECT_FALSE(state.hits(request_of(TCMUD_OP_READ)));
  EXPECT_TRUE(state.hits(request_of(TCMUD_OP_FLUSH)));
}

TEST(FaultRules, a_range_is_hit_by_whatever_touches_it) {
  RuleState state(rule_of("error:range=4096+4096"));
  EXPECT_FALSE(state.hits(request_of(TCMUD_OP_READ, 0, 4096)));
  EXPECT_TRUE(state.hits(request_of(TCMUD_OP_READ, 0, 4608)));
  EXPECT_TRUE(state.hits(request_of(TCMUD_OP_READ, 7680, 512)));
  EXPECT_FALSE(state.hits(request_of(TCMUD_OP_READ, 8192, 512)));
  EXPECT_TRUE(state.hits(request_of(TCMUD_OP_FLUSH, 0, 0)));
  const tcmud_range ranges[] = {{0, 512}, {5000, 512}};
  tcmud_request unmap = request_of(TCMUD_OP_UNMAP, 0, 0);
  unmap.ranges = ranges;
  unmap.nranges = 1;
  EXPECT_FALSE(state.hits(unmap));
  unmap.nranges = 2;
  EXPECT_TRUE(state.hits(unmap));
}

TEST(FaultRules, picked_numbers_stay_within_their_bounds) {
  RuleState state(rule_of("delay:us=5-9"));
  bool least = false;
  bool most = false;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t n = state.pick(5, 9);
    ASSERT_GE(n, 5u);
    ASSERT_LE(n, 9u);
    least = least || n == 5;
    most = most || n == 9;
  }
  EXPECT_TRUE(least && most);
  EXPECT_EQ(state.pick(3, 3), 3u);
}

}  // namespace
}  // namespace tcmud::fault
