// SPDX-License-Identifier: Apache-2.0
#include "device/lun_status.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"

namespace tcmud::device {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

std::vector<std::string> g_log;

class StatusBoardTest : public testing::Test {
 protected:
  StatusBoardTest() {
    g_log.clear();
    log::set_sink([](log::Level level, std::string_view lun, std::string_view text) {
      EXPECT_EQ(lun, "user_0/a");
      constexpr const char* kLevels[] = {"critical", "error", "warning", "info", "debug"};
      g_log.push_back(std::string(kLevels[static_cast<int>(level)]) + ": " + std::string(text));
    });
  }
  ~StatusBoardTest() override { log::set_sink(nullptr); }

  int changes_ = 0;
  StatusBoard board_{"user_0/a", [this] { ++changes_; }};
};

TEST_F(StatusBoardTest, begins_as_a_lun_that_is_being_opened) {
  const LunStatus status = board_.read();
  EXPECT_EQ(status.state, State::kOpening);
  EXPECT_EQ(status.backend, BackendState::kClosed);
  EXPECT_GT(status.state_since, 1'600'000'000'000'000u);
  EXPECT_FALSE(status.lock);
  EXPECT_EQ(changes_, 0);
}

TEST_F(StatusBoardTest, changes_are_told_once_until_somebody_looks) {
  board_.set_size(4096, 512);
  board_.set_state(State::kRunning);
  board_.backend_told(TCMUD_BACKEND_SLOW, "no answer");
  EXPECT_EQ(changes_, 1);
  const LunStatus status = board_.read();
  EXPECT_EQ(status.state, State::kRunning);
  EXPECT_EQ(status.size, 4096u);
  EXPECT_EQ(status.backend, BackendState::kSlow);
  board_.set_state(State::kRemoving);
  EXPECT_EQ(changes_, 2);
}

TEST_F(StatusBoardTest, what_changes_nothing_is_not_told) {
  board_.set_state(State::kRunning);
  const uint64_t since = board_.read().state_since;
  std::this_thread::sleep_for(2ms);
  board_.set_state(State::kRunning);
  board_.set_size(0, 0);
  EXPECT_EQ(changes_, 1);
  EXPECT_EQ(board_.read().state_since, since);
}

TEST_F(StatusBoardTest, a_reason_for_which_opening_is_tried_again_is_logged_once) {
  board_.will_retry("no such pool", 1s);
  board_.will_retry("no such pool", 2s);
  board_.will_retry("no such image", 4s);
  EXPECT_THAT(
      g_log,
      ElementsAre("error: cannot be served: no such pool; initiators get BUSY, next try in 1 s",
                  "error: cannot be served: no such image; initiators get BUSY, next try in 4 s"));
  const LunStatus status = board_.read();
  EXPECT_EQ(status.state, State::kRetrying);
  EXPECT_EQ(status.state_reason, "no such image");
  EXPECT_GT(status.retry_at, status.state_since + 3'000'000);
  EXPECT_LT(status.retry_at, status.state_since + 10'000'000);
}

TEST_F(StatusBoardTest, while_it_is_tried_again_no_next_try_is_promised) {
  board_.will_retry("no such pool", 1s);
  {
    const StatusBoard::Task task(board_, "opening the backend");
    const LunStatus status = board_.read();
    EXPECT_STREQ(status.task, "opening the backend");
    EXPECT_EQ(status.retry_at, 0u);
    EXPECT_EQ(status.state, State::kRetrying);
  }
  EXPECT_STREQ(board_.read().task, "");
}

TEST_F(StatusBoardTest, how_long_it_could_not_be_served_is_known_until_it_is) {
  EXPECT_EQ(board_.outage(), "");
  board_.will_retry("no such pool", 1s);
  std::this_thread::sleep_for(5ms);
  board_.will_retry("no such pool", 1s);
  EXPECT_THAT(board_.outage(), MatchesRegex("; it could not be served for [0-9]+ ms"));
  EXPECT_NE(board_.outage(), "; it could not be served for 0 ms");
  board_.set_state(State::kRunning);
  EXPECT_EQ(board_.outage(), "");
  EXPECT_EQ(board_.read().state_reason, "");
}

TEST_F(StatusBoardTest, each_state_of_the_backend_is_logged_at_its_level) {
  board_.opened();
  board_.backend_told(TCMUD_BACKEND_SLOW, "the cluster gives no answer; see ceph -s");
  board_.backend_told(TCMUD_BACKEND_RECOVERING, "blocklisted");
  board_.backend_told(TCMUD_BACKEND_GONE, "the image was removed");
  EXPECT_THAT(g_log, ElementsAre("warning: the backend is slow: the cluster gives no answer; see "
                                 "ceph -s",
                                 "warning: the backend is recovering: blocklisted",
                                 "error: the backend is gone: the image was removed"));
  EXPECT_EQ(board_.read().backend_reason, "the image was removed");
}

TEST_F(StatusBoardTest, what_is_told_again_is_not_logged_again) {
  board_.opened();
  board_.backend_told(TCMUD_BACKEND_SLOW, "no answer");
  const LunStatus first = board_.read();
  std::this_thread::sleep_for(2ms);
  board_.backend_told(TCMUD_BACKEND_SLOW, "no answer");
  EXPECT_EQ(g_log.size(), 1u);
  EXPECT_EQ(changes_, 1);
  board_.backend_told(TCMUD_BACKEND_SLOW, "no answer from osd.3");
  EXPECT_EQ(g_log.size(), 2u);
  EXPECT_EQ(board_.read().backend_since, first.backend_since);
}

TEST_F(StatusBoardTest, back_to_up_tells_how_long_it_lasted_in_all) {
  board_.opened();
  board_.backend_told(TCMUD_BACKEND_SLOW, "no answer");
  std::this_thread::sleep_for(20ms);
  board_.backend_told(TCMUD_BACKEND_RECOVERING, "blocklisted");
  g_log.clear();
  board_.backend_told(TCMUD_BACKEND_UP, "");
  EXPECT_THAT(g_log, ElementsAre(MatchesRegex("info: the backend is up again after [2-9][0-9]+ ms|"
                                              "info: the backend is up again after [0-9]+ s")));
  g_log.clear();
  board_.backend_told(TCMUD_BACKEND_UP, "");
  EXPECT_THAT(g_log, IsEmpty());
}

TEST_F(StatusBoardTest, a_state_for_which_no_reason_is_given_is_told_as_such) {
  board_.backend_told(TCMUD_BACKEND_GONE, "");
  EXPECT_THAT(g_log, ElementsAre(StartsWith("error: the backend is gone, for no reason")));
}

TEST_F(StatusBoardTest, what_the_handler_says_while_it_opens_stays_when_it_is_open) {
  board_.backend_told(TCMUD_BACKEND_SLOW, "no answer");
  board_.opened();
  EXPECT_EQ(board_.read().backend, BackendState::kSlow);
}

TEST_F(StatusBoardTest, nothing_of_a_backend_stays_when_it_is_closed) {
  board_.opened();
  board_.backend_told(TCMUD_BACKEND_SLOW, "no answer");
  tcmud_lock_status lock{};
  lock.state = TCMUD_LOCK_ENABLED;
  board_.lock_told(lock);
  board_.closed();
  const LunStatus status = board_.read();
  EXPECT_EQ(status.backend, BackendState::kClosed);
  EXPECT_EQ(status.backend_reason, "");
  EXPECT_FALSE(status.lock);
  g_log.clear();
  board_.opened();
  board_.backend_told(TCMUD_BACKEND_UP, "");  // not "again"
  EXPECT_THAT(g_log, IsEmpty());
}

TEST_F(StatusBoardTest, a_lock_keeps_its_time_until_its_state_changes) {
  tcmud_lock_status lock{};
  lock.state = TCMUD_LOCK_FOREIGN;
  lock.group = 2;
  std::strcpy(lock.holder, "gw1");
  board_.lock_told(lock);
  const auto first = *board_.read().lock;
  EXPECT_EQ(first.holder, "gw1");
  EXPECT_EQ(first.group, 2);
  std::this_thread::sleep_for(2ms);
  lock.lost = 1;
  board_.lock_told(lock);
  EXPECT_EQ(board_.read().lock->since, first.since);
  EXPECT_EQ(board_.read().lock->lost, 1u);
  lock.state = TCMUD_LOCK_ACQUIRED;
  board_.lock_told(lock);
  EXPECT_GT(board_.read().lock->since, first.since);
}

// The main thread reads as it is told to, while strand and handler tell; it ends with the last of
// each, and was never told twice without having read.
TEST_F(StatusBoardTest, no_last_change_is_missed_whoever_tells_it) {
  log::set_sink([](log::Level, std::string_view, std::string_view) {});
  std::atomic<int> to_read{0};
  StatusBoard board("user_0/a", [&to_read] { EXPECT_EQ(to_read.fetch_add(1), 0); });
  std::atomic<int> telling{2};
  std::thread strand([&] {
    for (uint64_t i = 1; i <= 20000; ++i) {
      board.set_size(i, 512);
    }
    --telling;
  });
  std::thread handler([&] {
    for (int i = 1; i <= 20000; ++i) {
      board.backend_told(i % 2 == 0 ? TCMUD_BACKEND_UP : TCMUD_BACKEND_SLOW, "so");
    }
    --telling;
  });
  LunStatus seen;
  while (telling > 0 || to_read > 0) {
    if (to_read.exchange(0) > 0) {
      seen = board.read();
    }
  }
  strand.join();
  handler.join();
  if (to_read > 0) {
    seen = board.read();
  }
  EXPECT_EQ(seen.size, 20000u);
  EXPECT_EQ(seen.backend, BackendState::kUp);
}

TEST(DurationTextTest, is_as_exact_as_people_want_it) {
  EXPECT_EQ(duration_text(850ms), "850 ms");
  EXPECT_EQ(duration_text(7999ms), "7 s");
  EXPECT_EQ(duration_text(119s), "119 s");
  EXPECT_EQ(duration_text(200s), "3 min 20 s");
  EXPECT_EQ(duration_text(5h + 10min + 3s), "5 h 10 min");
  EXPECT_EQ(duration_text(51h), "2 d 3 h");
}

}  // namespace
}  // namespace tcmud::device
