// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink_event.h"

#include <gtest/gtest.h>

#include "kernel/abi.h"
#include "unit/kernel/netlink_builder.h"

namespace tcmud::kernel {
namespace {

using test::MessageBuilder;

MessageBuilder event(uint8_t command) {
  MessageBuilder builder(command);
  builder.string(abi::kAttrDevice, "tcm-user/1/disk0/file/x")
      .number<uint32_t>(abi::kAttrMinor, 5)
      .number<uint32_t>(abi::kAttrDeviceId, 77);
  return builder;
}

void expect_bad(const MessageBuilder& builder, std::optional<uint32_t> device_id = 77) {
  const auto decoded = decode_event(builder.bytes());
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().device_id, device_id);
  EXPECT_EQ(decoded.error().error.code, EINVAL);
  EXPECT_FALSE(decoded.error().error.message.empty());
}

TEST(DecodeEvent, AddedAndRemoved) {
  const auto added = decode_event(event(abi::kCmdAdded).bytes());
  ASSERT_TRUE(added);
  EXPECT_EQ(added->device, (DeviceName{1, "disk0", "file", "x"}));
  EXPECT_EQ(added->minor, 5U);
  EXPECT_EQ(added->device_id, 77U);
  EXPECT_TRUE(std::holds_alternative<DeviceAdded>(added->what));
  const auto removed = decode_event(event(abi::kCmdRemoved).bytes());
  ASSERT_TRUE(removed);
  EXPECT_TRUE(std::holds_alternative<DeviceRemoved>(removed->what));
}

TEST(DecodeEvent, Reconfigured) {
  const auto change = [](const MessageBuilder& builder) {
    return std::get<DeviceReconfigured>(decode_event(builder.bytes()).value().what).change;
  };
  EXPECT_EQ(std::get<ConfigChange>(
                change(event(abi::kCmdReconfigured).string(abi::kAttrDevConfig, "file/y\n")))
                .dev_config,
            "file/y");
  EXPECT_EQ(
      std::get<SizeChange>(
          change(event(abi::kCmdReconfigured).number<uint64_t>(abi::kAttrDevSize, 1ULL << 40)))
          .bytes,
      1ULL << 40);
  EXPECT_FALSE(std::get<WriteCacheChange>(
                   change(event(abi::kCmdReconfigured).number<uint8_t>(abi::kAttrWriteCache, 0)))
                   .enabled);
  EXPECT_TRUE(std::get<WriteCacheChange>(
                  change(event(abi::kCmdReconfigured).number<uint8_t>(abi::kAttrWriteCache, 1)))
                  .enabled);
}

TEST(DecodeEvent, AChangeOfNothingOrOfTwoThingsIsBad) {
  expect_bad(event(abi::kCmdReconfigured));
  expect_bad(event(abi::kCmdReconfigured)
                 .number<uint64_t>(abi::kAttrDevSize, 1)
                 .number<uint8_t>(abi::kAttrWriteCache, 1));
}

TEST(DecodeEvent, AChangeOfTheWrongLengthIsBad) {
  expect_bad(event(abi::kCmdReconfigured).number<uint32_t>(abi::kAttrDevSize, 1));
  expect_bad(event(abi::kCmdReconfigured).number<uint32_t>(abi::kAttrWriteCache, 1));
  expect_bad(event(abi::kCmdReconfigured).raw(abi::kAttrDevConfig, "file/x", 6));
  expect_bad(event(abi::kCmdReconfigured).raw(abi::kAttrDevConfig, "", 0));
}

TEST(DecodeEvent, AMissingAttributeIsBad) {
  expect_bad(MessageBuilder(abi::kCmdAdded)
                 .number<uint32_t>(abi::kAttrMinor, 5)
                 .number<uint32_t>(abi::kAttrDeviceId, 77));
  expect_bad(MessageBuilder(abi::kCmdAdded)
                 .string(abi::kAttrDevice, "tcm-user/1/disk0/file/x")
                 .number<uint32_t>(abi::kAttrDeviceId, 77));
  expect_bad(MessageBuilder(abi::kCmdAdded)
                 .string(abi::kAttrDevice, "tcm-user/1/disk0/file/x")
                 .number<uint32_t>(abi::kAttrMinor, 5),
             std::nullopt);
  expect_bad(MessageBuilder(abi::kCmdAdded), std::nullopt);
}

TEST(DecodeEvent, AnIdOfTheWrongLengthIsNone) {
  expect_bad(MessageBuilder(abi::kCmdAdded)
                 .string(abi::kAttrDevice, "tcm-user/1/disk0/file/x")
                 .number<uint32_t>(abi::kAttrMinor, 5)
                 .number<uint64_t>(abi::kAttrDeviceId, 77),
             std::nullopt);
}

TEST(DecodeEvent, ANameWithoutNulIsBad) {
  expect_bad(MessageBuilder(abi::kCmdAdded)
                 .raw(abi::kAttrDevice, "tcm-user/1/disk0/file/x", 23)
                 .number<uint32_t>(abi::kAttrMinor, 5)
                 .number<uint32_t>(abi::kAttrDeviceId, 77));
}

TEST(DecodeEvent, ANameThatLeadsElsewhereIsBad) {
  for (const char* name : {"uio_pci_generic", "tcm-user/1/../file/x", "tcm-user/1//file/x", ""}) {
    expect_bad(MessageBuilder(abi::kCmdRemoved)
                   .string(abi::kAttrDevice, name)
                   .number<uint32_t>(abi::kAttrMinor, 5)
                   .number<uint32_t>(abi::kAttrDeviceId, 77));
  }
}

TEST(DecodeEvent, UnknownAttributesArePassedOver) {
  EXPECT_TRUE(
      decode_event(event(abi::kCmdAdded).number<uint32_t>(10, 1).number<uint8_t>(4000, 1).bytes()));
}

TEST(DecodeEvent, OfAnAttributeThatComesTwiceTheLastOneCounts) {
  const auto decoded =
      decode_event(event(abi::kCmdAdded).number<uint32_t>(abi::kAttrMinor, 6).bytes());
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->minor, 6U);
}

TEST(DecodeEvent, AnAttributeThatIsCutOffIsBad) {
  const auto whole = event(abi::kCmdAdded).bytes();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(decode_event(std::span(whole).first(length))) << length;
  }
}

TEST(DecodeEvent, AnAttributeShorterThanItsHeaderIsBad) {
  auto message = event(abi::kCmdAdded);
  const nlattr header = {3, 10};
  auto bytes = message.bytes();
  test::append(bytes, &header, sizeof header);
  const auto decoded = decode_event(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().device_id, 77U);
}

TEST(DecodeEvent, OtherCommandsAreNoEvents) {
  for (const uint8_t command :
       {uint8_t{0}, uint8_t{abi::kCmdAddedDone}, uint8_t{abi::kCmdSetFeatures}, uint8_t{99}}) {
    const auto decoded = decode_event(event(command).bytes());
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().error.code, EOPNOTSUPP);
    EXPECT_FALSE(done_command(command));
  }
}

TEST(DoneCommand, BelongsToItsEvent) {
  EXPECT_EQ(done_command(abi::kCmdAdded), abi::kCmdAddedDone);
  EXPECT_EQ(done_command(abi::kCmdRemoved), abi::kCmdRemovedDone);
  EXPECT_EQ(done_command(abi::kCmdReconfigured), abi::kCmdReconfiguredDone);
}

}  // namespace
}  // namespace tcmud::kernel
