// SPDX-License-Identifier: Apache-2.0
#include "support/uio_channel.h"

#include <csignal>

#include <gtest/gtest.h>
#include <sys/epoll.h>

namespace tcmud::test {
namespace {

class UioChannelTest : public ::testing::Test {
 protected:
  UioChannelTest() {
    std::signal(SIGPIPE, SIG_IGN);
    event_ = channel_.take_event_fd();
    kick_ = channel_.take_kick_fd();
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    ::epoll_ctl(poller_.get(), EPOLL_CTL_ADD, event_.get(), &event);
  }
  uint32_t edge() {
    epoll_event event{};
    return ::epoll_wait(poller_.get(), &event, 1, 0) == 1 ? event.events : 0;
  }

  UioChannel channel_;
  Fd event_;
  Fd kick_;
  Fd poller_{::epoll_create1(EPOLL_CLOEXEC)};
};

TEST_F(UioChannelTest, EachEventIsAnEdgeForAWaiterThatNeverReads) {
  EXPECT_EQ(edge(), 0U);
  for (int i = 0; i < 100'000; ++i) {
    channel_.notify();
    ASSERT_EQ(edge(), EPOLLIN) << i;
    ASSERT_EQ(edge(), 0U) << i;
  }
}

TEST_F(UioChannelTest, AReaderGetsTheNewestCountOnce) {
  channel_.notify();
  channel_.notify();
  channel_.notify();
  int32_t count = 0;
  EXPECT_EQ(::read(event_.get(), &count, sizeof count), 4);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(::read(event_.get(), &count, sizeof count), -1);
  EXPECT_EQ(errno, EAGAIN);
}

TEST_F(UioChannelTest, KicksAreTakenTogether) {
  const int32_t one = 1;
  EXPECT_FALSE(channel_.take_kicks());
  ASSERT_EQ(::write(kick_.get(), &one, sizeof one), 4);
  ASSERT_EQ(::write(kick_.get(), &one, sizeof one), 4);
  EXPECT_TRUE(channel_.take_kicks());
  EXPECT_FALSE(channel_.take_kicks());
}

TEST_F(UioChannelTest, HangUpIsSeenByTheWaiterAndFailsTheKick) {
  channel_.hang_up();
  EXPECT_EQ(edge(), EPOLLIN | EPOLLHUP);
  const int32_t one = 1;
  EXPECT_EQ(::write(kick_.get(), &one, sizeof one), -1);
  EXPECT_EQ(errno, EPIPE);
}

TEST_F(UioChannelTest, TheDaemonsCloseIsSeen) {
  EXPECT_FALSE(channel_.closed_by_daemon());
  kick_.reset();
  EXPECT_TRUE(channel_.closed_by_daemon());
  channel_.wait_for_kick();  // must not sleep
}

}  // namespace
}  // namespace tcmud::test
