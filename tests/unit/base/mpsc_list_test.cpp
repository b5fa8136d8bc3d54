// SPDX-License-Identifier: Apache-2.0
#include "base/mpsc_list.h"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tcmud {
namespace {

struct Element {
  int producer = 0;
  int number = 0;
  Element* next_completed = nullptr;
};

TEST(MpscList, GivesElementsInTheOrderOfTheirPushes) {
  MpscList<Element> list;
  std::array<Element, 3> elements;
  EXPECT_TRUE(list.push(&elements[0]));
  EXPECT_FALSE(list.push(&elements[1]));
  EXPECT_FALSE(list.push(&elements[2]));
  Element* first = list.take_all();
  EXPECT_EQ(first, &elements[0]);
  EXPECT_EQ(first->next_completed, &elements[1]);
  EXPECT_EQ(first->next_completed->next_completed, &elements[2]);
  EXPECT_EQ(first->next_completed->next_completed->next_completed, nullptr);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.take_all(), nullptr);
}

TEST(MpscList, LosesNothingBetweenManyPushersAndOneConsumer) {
  constexpr int kProducers = 3, kEach = 20'000;
  MpscList<Element> list;
  std::vector<std::vector<Element>> elements(kProducers, std::vector<Element>(kEach));
  std::vector<std::thread> producers;
  for (int p = 0; p < kProducers; ++p) {
    producers.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        elements[p][i].producer = p;
        elements[p][i].number = i;
        list.push(&elements[p][i]);
      }
    });
  }
  std::array<int, kProducers> next{};
  for (int seen = 0; seen < kProducers * kEach;) {
    for (Element* e = list.take_all(); e != nullptr; e = e->next_completed, ++seen) {
      ASSERT_EQ(e->number, next[e->producer]++) << "out of order, lost or twice";
    }
  }
  for (std::thread& producer : producers) {
    producer.join();
  }
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace tcmud
