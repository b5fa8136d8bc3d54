// SPDX-License-Identifier: Apache-2.0
#include "fault/timer.h"

#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace tcmud::fault {
namespace {

using Clock = Timer<int>::Clock;
using std::chrono::milliseconds;

TEST(Timer, calls_back_in_the_order_of_the_times) {
  std::vector<int> order;
  std::promise<void> all;
  Timer<int> timer([&](int& item) {
    order.push_back(item);
    if (order.size() == 3) {
      all.set_value();
    }
  });
  int items[] = {0, 1, 2};
  const auto now = Clock::now();
  timer.add(items[2], now + milliseconds(300));
  timer.add(items[0], now + milliseconds(100));
  timer.add(items[1], now + milliseconds(200));
  all.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  EXPECT_GE(Clock::now(), now + milliseconds(300));
}

TEST(Timer, what_was_removed_is_not_called) {
  std::promise<void> done;
  std::vector<int> called;
  Timer<int> timer([&](int& item) {
    called.push_back(item);
    done.set_value();
  });
  int gone = 1;
  int stays = 2;
  const auto soon = Clock::now() + milliseconds(300);
  timer.add(gone, soon);
  EXPECT_TRUE(timer.remove(gone));
  EXPECT_FALSE(timer.remove(gone));
  timer.add(stays, soon + milliseconds(10));
  done.get_future().wait();
  EXPECT_EQ(called, std::vector<int>{2});
}

// Its thread sleeps towards the first item's time; that time must be its own copy. AddressSanitizer
// watches.
TEST(Timer, an_item_may_be_removed_while_the_thread_sleeps_towards_its_time) {
  std::promise<void> done;
  Timer<int> timer([&](int&) { done.set_value(); });
  int gone = 1;
  int stays = 2;
  for (int i = 0; i < 50; ++i) {
    timer.add(gone, Clock::now() + std::chrono::hours(1));
    std::this_thread::sleep_for(milliseconds(1));
    EXPECT_TRUE(timer.remove(gone));
  }
  timer.add(stays, Clock::now());
  done.get_future().wait();
}

// What is called back may end it all. ThreadSanitizer watches.
TEST(Timer, may_be_destroyed_as_soon_as_the_last_item_was_called) {
  int item = 0;
  for (int i = 0; i < 500; ++i) {
    std::promise<void> called;
    auto timer = std::make_unique<Timer<int>>([&](int&) { called.set_value(); });
    std::thread adder([&item, raw = timer.get()] { raw->add(item, Clock::now()); });
    called.get_future().wait();
    timer.reset();
    adder.join();
  }
}

TEST(Timer, stops_without_waiting_for_what_is_far_away) {
  int item = 0;
  const auto before = Clock::now();
  {
    Timer<int> timer([](int&) { FAIL(); });
    timer.add(item, before + std::chrono::hours(1));
  }
  EXPECT_LT(Clock::now() - before, std::chrono::minutes(1));
}

}  // namespace
}  // namespace tcmud::fault
