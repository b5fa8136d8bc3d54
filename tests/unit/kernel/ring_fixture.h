// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/ring.h"
#include "unit/kernel/ring_builder.h"

namespace tcmud::kernel::test {

inline constexpr uint8_t kGood = 0x00;
inline constexpr uint8_t kCheckCondition = 0x02;
inline const std::vector<uint8_t> kTestUnitReady(6, 0);
inline const std::vector<uint8_t> kRead10 = {0x28, 0, 0, 0, 0, 1, 0, 0, 8, 0};

// A ring in plain memory, and both ends of it.
class RingTest : public testing::Test {
 protected:
  void attach(uint32_t max_commands = 64) {
    auto attached = Ring::attach(builder.map(), max_commands);
    ASSERT_TRUE(attached) << attached.error().message;
    ring = std::move(*attached);
  }
  void attach_in_order() {
    builder.put<uint16_t>(abi::kMailboxFlagsAt, 0);
    attach();
  }
  Ring::Next next() { return ring->next(iov, command, tmr); }
  // Takes a command and says which.
  uint16_t take() {
    EXPECT_EQ(next(), Ring::Next::kCommand) << ring->broken_reason();
    return command.id;
  }
  bool complete(uint16_t id, uint8_t status = kGood) {
    Completion completion;
    completion.status = status;
    return ring->complete(id, completion);
  }
  uint16_t answered_id(uint32_t entry) { return builder.get_entry<uint16_t>(entry, abi::kIdAt); }
  uint8_t answered_status(uint32_t entry) {
    return builder.get_entry<uint8_t>(entry, abi::kStatusAt);
  }
  void expect_broken(const std::string& about) {
    EXPECT_EQ(next(), Ring::Next::kBroken);
    EXPECT_TRUE(ring->broken());
    EXPECT_THAT(ring->broken_reason(), testing::HasSubstr(about));
    EXPECT_FALSE(ring->publish());
  }

  RingBuilder builder;
  std::unique_ptr<Ring> ring;
  std::array<iovec, 4> iov{};
  CommandEntry command;
  TmrEntry tmr;
};

}  // namespace tcmud::kernel::test
