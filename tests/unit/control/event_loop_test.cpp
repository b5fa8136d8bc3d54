// SPDX-License-Identifier: Apache-2.0
#include "control/event_loop.h"

#include <thread>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>

namespace tcmud::control {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public testing::Test {
 protected:
  EventLoopTest() { block_signals(); }
  std::unique_ptr<EventLoop> loop_ = std::move(*EventLoop::create());
};

TEST_F(EventLoopTest, tasks_of_other_threads_run_on_the_loops_thread_in_order) {
  std::vector<int> seen;
  std::thread::id where;
  std::thread other([&] {
    for (int i = 0; i < 100; ++i) {
      loop_->post([&, i] {
        seen.push_back(i);
        where = std::this_thread::get_id();
      });
    }
    loop_->post([&] { loop_->stop(); });
  });
  ASSERT_TRUE(loop_->run());
  other.join();
  ASSERT_EQ(seen.size(), 100u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(EventLoopTest, a_task_may_post_another) {
  loop_->post([this] { loop_->post([this] { loop_->stop(); }); });
  EXPECT_TRUE(loop_->run());
}

TEST_F(EventLoopTest, a_signal_runs_its_task) {
  const auto source = loop_->on_signal(SIGHUP, [this] { loop_->stop(); });
  ASSERT_TRUE(source);
  ::kill(::getpid(), SIGHUP);
  EXPECT_TRUE(loop_->run());
}

TEST_F(EventLoopTest, a_task_may_let_its_own_source_go) {
  const Fd ready(::eventfd(1, EFD_CLOEXEC));
  int runs = 0;
  EventLoop::Source source;
  auto made = loop_->on_readable(ready.get(), [&] {
    ++runs;
    source.reset();
    EXPECT_EQ(runs, 1);  // captures are still there
  });
  ASSERT_TRUE(made);
  source = std::move(*made);
  made = EventLoop::Source();
  const auto end = loop_->after(20ms, [this] { loop_->stop(); });
  EXPECT_TRUE(loop_->run());
  EXPECT_EQ(runs, 1);
}

TEST_F(EventLoopTest, a_timer_that_was_let_go_does_not_run) {
  bool ran = false;
  auto timer = loop_->after(1ms, [&] { ran = true; });
  timer.reset();
  const auto end = loop_->after(10ms, [this] { loop_->stop(); });
  EXPECT_TRUE(loop_->run());
  EXPECT_FALSE(ran);
}

TEST_F(EventLoopTest, a_descriptor_that_cant_be_waited_for_is_an_error) {
  const auto source = loop_->on_readable(-1, [] {});
  EXPECT_FALSE(source);
}

}  // namespace
}  // namespace tcmud::control
