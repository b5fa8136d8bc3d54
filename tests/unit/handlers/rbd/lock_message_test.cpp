// SPDX-License-Identifier: Apache-2.0
#include "rbd/lock_message.h"

#include <gtest/gtest.h>

namespace tcmud::rbd {
namespace {

TEST(LockMessage, WhatIsEncodedIsDecoded) {
  for (const auto kind : {LockMessage::Kind::kWant, LockMessage::Kind::kTaken}) {
    for (const int32_t group : {-1, 0, 1, 65535}) {
      const LockMessage message{kind, group, "10.1.2.3:0/123456"};
      EXPECT_EQ(decode_message(encode(message)), message);
    }
  }
  for (const auto kind :
       {LockAnswer::Kind::kNotMine, LockAnswer::Kind::kTaking, LockAnswer::Kind::kHold,
        LockAnswer::Kind::kReleased, LockAnswer::Kind::kFence}) {
    for (const uint32_t wait_ms : {0u, 1u, 3000u, UINT32_MAX}) {
      const LockAnswer answer{kind, wait_ms};
      EXPECT_EQ(decode_answer(encode(answer)), answer);
    }
  }
}

// A gateway of another version must go on understanding these.
TEST(LockMessage, TheBytesStayWhatTheyAre) {
  EXPECT_EQ(encode(LockMessage{LockMessage::Kind::kWant, 258, "ab"}),
            std::string("tcmu\x01\x01\x00\x00\x01\x02\x00\x02"
                        "ab",
                        14));
  EXPECT_EQ(encode(LockAnswer{LockAnswer::Kind::kHold, 0x01020304}),
            std::string("tcmu\x01\x03\x01\x02\x03\x04", 10));
}

TEST(LockMessage, ALaterVersionIsUnderstoodAsFarAsItIsKnown) {
  std::string bytes = encode(LockMessage{LockMessage::Kind::kTaken, 7, "x"});
  bytes[4] = 2;
  bytes += "more";
  EXPECT_EQ(decode_message(bytes), (LockMessage{LockMessage::Kind::kTaken, 7, "x"}));
}

TEST(LockMessage, WhatIsCutShortOrNotOursIsRefused) {
  const std::string message = encode(LockMessage{LockMessage::Kind::kWant, 1, "somebody"});
  for (size_t size = 0; size < message.size(); ++size) {
    EXPECT_FALSE(decode_message(std::string_view(message).substr(0, size))) << size;
  }
  const std::string answer = encode(LockAnswer{LockAnswer::Kind::kHold, 1});
  for (size_t size = 0; size < answer.size(); ++size) {
    EXPECT_FALSE(decode_answer(std::string_view(answer).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_message("librbd's own notification"));
  std::string unknown = message;
  unknown[5] = 77;
  EXPECT_FALSE(decode_message(unknown));
  std::string group = message;
  group[6] = 1;  // beyond what a target port group can be
  EXPECT_FALSE(decode_message(group));
}

TEST(LockTag, IsWhatTcmuRunnerWrites) {
  EXPECT_EQ(lock_tag(2, "10.0.0.1:0/42"), "tcmu_tag=2,rbd_client=10.0.0.1:0/42");
}

TEST(LockTag, CountsForItsOwnerAlone) {
  EXPECT_EQ(group_of_tag("tcmu_tag=2,rbd_client=10.0.0.1:0/42", "10.0.0.1:0/42"), 2);
  EXPECT_EQ(group_of_tag("tcmu_tag=2,rbd_client=10.0.0.1:0/42", "10.0.0.1:0/4"), -1);
  EXPECT_EQ(group_of_tag("tcmu_tag=2,rbd_client=10.0.0.1:0/4", "10.0.0.1:0/42"), -1);
  EXPECT_EQ(group_of_tag("tcmu_tag=2,rbd_client=", ""), -1);
}

TEST(LockTag, WhatSomebodyElseWroteIsNoGroup) {
  for (const char* tag :
       {"", "x", "tcmu_tag=", "tcmu_tag=,rbd_client=a", "tcmu_tag=70000,rbd_client=a",
        "tcmu_tag=-1,rbd_client=a", "tcmu_tag=1 ,rbd_client=a", "tcmu_tag=1"}) {
    EXPECT_EQ(group_of_tag(tag, "a"), -1) << tag;
  }
}

}  // namespace
}  // namespace tcmud::rbd
