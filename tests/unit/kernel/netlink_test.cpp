// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink.h"

#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/abi.h"
#include "unit/kernel/netlink_builder.h"

namespace tcmud::kernel {
namespace {

using test::Bytes;
using test::MessageBuilder;
using testing::ElementsAre;
using testing::FieldsAre;
using testing::IsEmpty;
using Sent = std::tuple<int, uint32_t, int>;

constexpr uint16_t kFamily = 33;

class DispatchTest : public testing::Test {
 protected:
  static Bytes event(uint8_t command, uint32_t device_id) {
    MessageBuilder builder(command);
    builder.string(abi::kAttrDevice, "tcm-user/1/disk0/file/x")
        .number<uint32_t>(abi::kAttrMinor, 5)
        .number<uint32_t>(abi::kAttrDeviceId, device_id);
    if (command == abi::kCmdReconfigured) {
      builder.number<uint64_t>(abi::kAttrDevSize, 4096);
    }
    return builder.bytes();
  }
  void dispatch(const Bytes& bytes) {
    dispatch_datagram(
        bytes, kFamily,
        [this](uint8_t command, uint32_t id, int status) {
          sent.emplace_back(command, id, status);
        },
        [this](Event&& event) { events.push_back(std::move(event)); });
  }

  std::vector<Sent> sent;
  std::vector<Event> events;  // which answer when they go
};

TEST_F(DispatchTest, AReplyHasTheTypeOfItsEvent) {
  dispatch(test::datagram(kFamily, event(abi::kCmdAdded, 1)));
  dispatch(test::datagram(kFamily, event(abi::kCmdRemoved, 2)));
  dispatch(test::datagram(kFamily, event(abi::kCmdReconfigured, 3)));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_THAT(sent, IsEmpty());
  events[2].reply.send(-EINVAL);
  events[0].reply.send(0);
  events[1].reply.send(0);
  EXPECT_THAT(sent, ElementsAre(FieldsAre(abi::kCmdReconfiguredDone, 3, -EINVAL),
                                FieldsAre(abi::kCmdAddedDone, 1, 0),
                                FieldsAre(abi::kCmdRemovedDone, 2, 0)));
}

TEST_F(DispatchTest, AnEventThatIsDroppedIsAnsweredAllTheSame) {
  dispatch(test::datagram(kFamily, event(abi::kCmdAdded, 1)));
  events.clear();
  EXPECT_THAT(sent, ElementsAre(FieldsAre(abi::kCmdAddedDone, 1, -EIO)));
}

// The kernel hands a positive one on as the count of bytes written, which is success.
TEST_F(DispatchTest, APositiveStatusGoesOutAsAnError) {
  dispatch(test::datagram(kFamily, event(abi::kCmdAdded, 1)));
  events[0].reply.send(EBUSY);
  EXPECT_THAT(sent, ElementsAre(FieldsAre(abi::kCmdAddedDone, 1, -EBUSY)));
}

TEST_F(DispatchTest, ABadEventWithAnIdIsAnsweredWithAnError) {
  dispatch(test::datagram(
      kFamily,
      MessageBuilder(abi::kCmdReconfigured).number<uint32_t>(abi::kAttrDeviceId, 9).bytes()));
  EXPECT_THAT(events, IsEmpty());
  EXPECT_THAT(sent, ElementsAre(FieldsAre(abi::kCmdReconfiguredDone, 9, -EINVAL)));
}

TEST_F(DispatchTest, ABadMessageWithoutIdOrCommandIsAnsweredNothing) {
  dispatch(test::datagram(kFamily, MessageBuilder(abi::kCmdAdded).bytes()));
  dispatch(test::datagram(kFamily, event(abi::kCmdAddedDone, 1)));
  dispatch(test::datagram(kFamily, {}));
  EXPECT_THAT(events, IsEmpty());
  EXPECT_THAT(sent, IsEmpty());
}

TEST_F(DispatchTest, AllMessagesOfADatagramCount) {
  Bytes both = test::datagram(kFamily, event(abi::kCmdAdded, 1));
  const Bytes second = test::datagram(kFamily, event(abi::kCmdAdded, 2));
  both.insert(both.end(), second.begin(), second.end());
  dispatch(both);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1].device_id, 2U);
}

TEST_F(DispatchTest, MessagesOfOtherFamiliesAreLeft) {
  dispatch(test::datagram(kFamily + 1, event(abi::kCmdAdded, 1)));
  dispatch(test::datagram(NLMSG_ERROR, event(abi::kCmdAdded, 1)));
  EXPECT_THAT(events, IsEmpty());
  EXPECT_THAT(sent, IsEmpty());
}

TEST_F(DispatchTest, AMessageThatIsCutOffIsLeft) {
  const Bytes whole = test::datagram(kFamily, event(abi::kCmdAdded, 1));
  for (size_t length = 0; length < whole.size(); ++length) {
    dispatch(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length)));
  }
  EXPECT_THAT(events, IsEmpty());
}

TEST_F(DispatchTest, AMessageShorterThanItsHeaderEndsTheDatagram) {
  Bytes bytes = test::datagram(kFamily, event(abi::kCmdAdded, 1));
  const uint32_t length = 8;
  std::memcpy(bytes.data(), &length, sizeof length);
  dispatch(bytes);
  EXPECT_THAT(events, IsEmpty());
}

}  // namespace
}  // namespace tcmud::kernel
