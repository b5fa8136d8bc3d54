// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>

#include <gtest/gtest.h>

#include "kernel/ring.h"
#include "support/allocations.h"
#include "unit/kernel/ring_builder.h"

namespace tcmud::kernel {
namespace {

using test::RingBuilder;

TEST(RingCost, ACommandCostsNoAllocation) {
  RingBuilder builder(16);
  auto ring = std::move(*Ring::attach(builder.map(), 256));
  std::array<iovec, 4> iov{};
  CommandEntry command;
  TmrEntry tmr;
  constexpr uint32_t kBatch = 64;
  const std::vector<uint8_t> read10 = {0x28, 0, 0, 0, 0, 1, 0, 0, 8, 0};

  std::chrono::nanoseconds taking{};
  std::chrono::nanoseconds answering{};
  uint64_t asked = 0;
  uint32_t commands = 0;
  for (int round = 0; round < 500; ++round) {
    for (uint16_t id = 1; id <= kBatch; ++id) {
      if (builder.room() < RingBuilder::command_length(read10.size(), 1)) {
        builder.add_pad();
      }
      builder.add_command(id, read10, {{0, 4096}});
    }
    const uint64_t before = tcmud::test::allocations();
    const auto start = std::chrono::steady_clock::now();
    uint32_t taken = 0;
    while (ring->next(iov, command, tmr) == Ring::Next::kCommand) {
      ++taken;
    }
    const auto middle = std::chrono::steady_clock::now();
    for (uint16_t id = kBatch; id >= 1; --id) {
      ASSERT_TRUE(ring->complete(id, Completion{}));
    }
    ring->publish();
    const auto end = std::chrono::steady_clock::now();
    asked += tcmud::test::allocations() - before;
    ASSERT_EQ(taken, kBatch) << ring->broken_reason();
    commands += taken;
    taking += middle - start;
    answering += end - middle;
  }
  EXPECT_EQ(asked, 0U);
  std::printf("next %.1f ns, complete %.1f ns a command\n",
              static_cast<double>(taking.count()) / commands,
              static_cast<double>(answering.count()) / commands);
}

TEST(RingCost, ATmrReusesItsMemory) {
  RingBuilder builder(16);
  auto ring = std::move(*Ring::attach(builder.map(), 256));
  CommandEntry command;
  TmrEntry tmr;
  const std::vector<uint16_t> ids(20, 3);
  builder.add_tmr(1, ids);
  ASSERT_EQ(ring->next({}, command, tmr), Ring::Next::kTmr);
  builder.add_tmr(1, ids);
  const uint64_t before = tcmud::test::allocations();
  ASSERT_EQ(ring->next({}, command, tmr), Ring::Next::kTmr);
  EXPECT_EQ(tcmud::test::allocations(), before);
  EXPECT_EQ(tmr.command_ids, ids);
}

}  // namespace
}  // namespace tcmud::kernel
