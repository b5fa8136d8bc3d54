// SPDX-License-Identifier: Apache-2.0
#include "device/strand.h"

#include <atomic>
#include <vector>

#include <gtest/gtest.h>

namespace tcmud::device {
namespace {

using namespace std::chrono_literals;

TEST(Strand, RunsEverythingInOrderOneAtATime) {
  std::vector<int> seen;
  std::atomic<int> inside{0};
  {
    Strand strand;
    for (int i = 0; i < 1000; ++i) {
      strand.post([&, i] {
        EXPECT_EQ(inside.fetch_add(1), 0);
        seen.push_back(i);
        inside.fetch_sub(1);
      });
      if (i % 100 == 0) {
        std::this_thread::sleep_for(1ms);  // so that its thread ends and has to be made again
      }
    }
  }
  ASSERT_EQ(seen.size(), 1000U) << "the destructor waits for what was posted";
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(seen[i], i);
  }
}

TEST(Strand, WaitingEndsAsSoonAsSomethingIsPosted) {
  std::atomic<bool> woken{false};
  {
    Strand strand;
    std::atomic<bool> waiting{false};
    strand.post([&] {
      waiting = true;
      woken = strand.wait_for_post(std::chrono::minutes(1));
    });
    while (!waiting) {
      std::this_thread::yield();
    }
    strand.post([] {});
  }
  EXPECT_TRUE(woken);
}

TEST(Strand, WaitingEndsWhenTheTimeIsOver) {
  Strand strand;
  strand.post([&] { EXPECT_FALSE(strand.wait_for_post(1ms)); });
}

}  // namespace
}  // namespace tcmud::device
