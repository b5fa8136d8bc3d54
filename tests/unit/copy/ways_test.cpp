// SPDX-License-Identifier: Apache-2.0
#include "copy/ways.h"

#include <gtest/gtest.h>

namespace tcmud::copy {
namespace {

struct Mapped {
  const char* lun;
  bool writable;
};
Way way(std::string name, std::initializer_list<Mapped> mapped) {
  Way way{.name = std::move(name)};
  for (const Mapped& each : mapped) {
    way.add(each.lun, each.writable);
  }
  return way;
}

TEST(Ways, AWayKnowsEachLunOnceWithWhatIsAllowedByEither) {
  Way both = way("w", {{"c", false}, {"a", true}, {"b", false}, {"c", true}, {"a", false}});
  ASSERT_EQ(both.reach.size(), 3U);
  EXPECT_TRUE(both.find("a")->writable);
  EXPECT_FALSE(both.find("b")->writable);
  EXPECT_TRUE(both.find("c")->writable);
  EXPECT_EQ(both.find("bb"), nullptr);
  EXPECT_EQ(both.find("d"), nullptr);
}

// What a command that came to A may do at B.
TEST(Ways, OnlyWhatEveryWayToOneLunCanDoAtTheOther) {
  enum class May { kNothing, kRead, kWrite };
  const struct {
    const char* what;
    std::vector<Way> ways;
    May may;
  } cases[] = {
      {"no way at all", {}, May::kNothing},
      {"none to A", {way("1", {{"b", true}})}, May::kNothing},
      {"to both", {way("1", {{"a", true}, {"b", true}})}, May::kWrite},
      {"to A alone", {way("1", {{"a", true}})}, May::kNothing},
      {"B only to be read", {way("1", {{"a", true}, {"b", false}})}, May::kRead},
      {"A only to be read", {way("1", {{"a", false}, {"b", true}})}, May::kWrite},
      {"to both each by its own",
       {way("1", {{"a", true}}), way("2", {{"b", true}})},
       May::kNothing},
      {"one to both, one to A",
       {way("1", {{"a", true}, {"b", true}}), way("2", {{"a", true}})},
       May::kNothing},
      {"the same the other way round",
       {way("1", {{"a", true}}), way("2", {{"a", true}, {"b", true}})},
       May::kNothing},
      {"one to both, one to B",
       {way("1", {{"a", true}, {"b", true}}), way("2", {{"b", false}})},
       May::kWrite},
      {"by one B can't be written",
       {way("1", {{"a", true}, {"b", true}}), way("2", {{"a", true}, {"b", false}})},
       May::kRead},
      {"to B and others",
       {way("1", {{"a", true}, {"aa", true}, {"b", true}, {"c", true}})},
       May::kWrite},
      {"to one that is named much alike", {way("1", {{"a", true}, {"bb", true}})}, May::kNothing},
  };
  for (const auto& each : cases) {
    const Ways ways{.ways = each.ways};
    EXPECT_EQ(!objection(ways, "a", "b", false), each.may != May::kNothing) << each.what;
    EXPECT_EQ(!objection(ways, "a", "b", true), each.may == May::kWrite) << each.what;
    EXPECT_FALSE(objection(ways, "a", "a", true)) << each.what;
  }
}

TEST(Ways, AnObjectionNamesTheWayThatLacksTheOther) {
  const Ways ways{.ways = {way("1", {{"a", true}, {"b", true}}), way("2", {{"b", true}}),
                           way("3", {{"a", true}, {"b", false}}), way("4", {{"a", true}})}};
  const auto writing = objection(ways, "a", "b", true);
  ASSERT_TRUE(writing);
  EXPECT_EQ(writing->way->name, "3");
  EXPECT_TRUE(writing->only_reads);
  const auto reading = objection(ways, "a", "b", false);
  ASSERT_TRUE(reading);
  EXPECT_EQ(reading->way->name, "4");
  EXPECT_FALSE(reading->only_reads);
  EXPECT_EQ(objection(ways, "c", "b", false)->way, nullptr);
}

}  // namespace
}  // namespace tcmud::copy
