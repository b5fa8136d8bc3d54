// SPDX-License-Identifier: Apache-2.0
#include "device/post_box.h"

#include <thread>

#include <gtest/gtest.h>

#include "dispatcher_bench.h"

namespace tcmud::test {
namespace {

using device::PostBox;

void run_all(PostBox& box, DispatcherBench& bench) {
  for (const PostBox::Message& message : box.take()) {
    bench.post(message);
  }
}

TEST(PostBox, TakesNothingBeforeItIsOpenAndWakesThen) {
  PostBox box;
  EXPECT_FALSE(box.post([](device::Dispatcher&) {}));
  int woken = 0;
  box.open([&woken] { ++woken; });
  EXPECT_TRUE(box.post([](device::Dispatcher&) {}));
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(box.has_news());
  EXPECT_EQ(box.take().size(), 1U);
  EXPECT_FALSE(box.has_news());
}

TEST(PostBox, ClosesOnlyOnceEverythingWasRead) {
  PostBox box;
  box.open([] {});
  ASSERT_TRUE(box.post([](device::Dispatcher&) {}));
  EXPECT_FALSE(box.close_if_empty());
  EXPECT_EQ(box.take().size(), 1U);
  EXPECT_TRUE(box.close_if_empty());
  EXPECT_FALSE(box.post([](device::Dispatcher&) {}));
  EXPECT_TRUE(box.close_if_empty());
}

TEST(PostBox, WhateverThePaceAMessageRunsOrItsSenderKnows) {
  DispatcherBench bench(1, DispatcherBench::plain_props());
  for (int round = 0; round < 200; ++round) {
    PostBox box;
    box.open([] {});
    std::atomic<int> taken{0}, ran{0};
    std::vector<std::thread> senders;
    for (int i = 0; i < 3; ++i) {
      // Not for ever: three that never stop may keep the box from being empty as long as they like.
      senders.emplace_back([&] {
        for (int post = 0; post < 50 && box.post([&ran](device::Dispatcher&) { ++ran; }); ++post) {
          ++taken;
          std::this_thread::yield();
        }
      });
    }
    while (taken < 10) {
      run_all(box, bench);
    }
    while (!box.close_if_empty()) {
      run_all(box, bench);
    }
    for (std::thread& sender : senders) {
      sender.join();
    }
    EXPECT_EQ(ran, taken);
  }
}

}  // namespace
}  // namespace tcmud::test
