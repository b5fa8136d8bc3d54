// SPDX-License-Identifier: Apache-2.0
#include "rbd/control_thread.h"

#include <atomic>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/eventually.h"

namespace tcmud::rbd {
namespace {

using std::chrono::milliseconds;
using tcmud::test::eventually;

TEST(ControlThread, tasks_run_one_after_the_other_in_the_order_of_their_time) {
  ControlThread control;
  std::mutex mutex;
  std::string order;
  const auto note = [&](char c) {
    return [&, c] {
      const std::lock_guard lock(mutex);
      order += c;
    };
  };
  control.post_after(milliseconds(80), note('c'));
  control.post(note('a'));
  control.post_after(milliseconds(20), note('b'));
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return order.size() == 3;
  }));
  EXPECT_EQ(order, "abc");
}

TEST(ControlThread, a_thread_is_there_again_after_it_had_nothing_to_do) {
  ControlThread control;
  std::atomic<int> runs{0};
  for (int round = 1; round <= 20; ++round) {
    control.post([&] { ++runs; });
    ASSERT_TRUE(eventually([&] { return runs == round; }));
  }
}

TEST(ControlThread, stopping_waits_for_what_runs_and_drops_the_rest) {
  std::atomic<bool> began{false};
  std::atomic<bool> ended{false};
  std::atomic<bool> dropped{true};
  ControlThread control;
  control.post([&] {
    began = true;
    std::this_thread::sleep_for(milliseconds(50));
    ended = true;
  });
  control.post_after(milliseconds(10), [&] { dropped = false; });
  ASSERT_TRUE(eventually([&] { return began.load(); }));
  control.stop();
  EXPECT_TRUE(ended);
  EXPECT_TRUE(dropped);
  control.post([&] { dropped = false; });
  EXPECT_TRUE(dropped);
}

TEST(ControlThread, what_is_posted_while_it_is_held_runs_when_it_may_go) {
  ControlThread control;
  std::atomic<int> runs{0};
  control.hold();
  control.post([&] { ++runs; });
  std::this_thread::sleep_for(milliseconds(20));
  EXPECT_EQ(runs, 0);
  control.go();
  EXPECT_TRUE(eventually([&] { return runs == 1; }));
}

TEST(ControlThread, a_task_may_post_the_next) {
  ControlThread control;
  std::atomic<int> left{100};
  std::function<void()> step = [&] {
    if (--left > 0) {
      control.post(step);
    }
  };
  control.post(step);
  EXPECT_TRUE(eventually([&] { return left == 0; }));
}

}  // namespace
}  // namespace tcmud::rbd
