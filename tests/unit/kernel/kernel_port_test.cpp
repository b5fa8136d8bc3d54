// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_port.h"

#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace tcmud::kernel {
namespace {

// --- Reply

TEST(Reply, IsSentOnce) {
  std::vector<int> sent;
  {
    Reply reply([&sent](int status) { sent.push_back(status); });
    reply.send(0);
    reply.send(-ENOENT);
  }
  EXPECT_EQ(sent, std::vector{0});
}

TEST(Reply, ThatWasForgottenSaysEio) {
  std::vector<int> sent;
  {
    const Reply reply([&sent](int status) { sent.push_back(status); });
  }
  EXPECT_EQ(sent, std::vector{-EIO});
}

TEST(Reply, MovesWithItsDebt) {
  std::vector<int> sent;
  const auto sender = [&sent](int status) { sent.push_back(status); };
  {
    Reply first(sender);
    Reply second(std::move(first));
    first.send(1);  // NOLINT(bugprone-use-after-move): owes nothing any more
    EXPECT_TRUE(sent.empty());
    second = Reply(sender);  // who is replaced answers now
    EXPECT_EQ(sent, std::vector{-EIO});
    second.send(0);
  }
  EXPECT_EQ(sent, (std::vector{-EIO, 0}));
}

TEST(Reply, LeftToAnotherDaemonIsNotSent) {
  std::vector<int> sent;
  {
    Reply reply([&sent](int status) { sent.push_back(status); });
    reply.leave_to_another_daemon();
    reply.send(0);
  }
  EXPECT_TRUE(sent.empty());
}

// --- read_number

class OneAttribute final : public DeviceDirectory {
 public:
  explicit OneAttribute(std::optional<std::string> text) : text_(std::move(text)) {}
  [[nodiscard]] const DeviceName& device() const override { return device_; }
  Result<std::string> read(std::string_view) override {
    if (text_) {
      return *text_;
    }
    return fail(ENOENT, "gone");
  }
  Result<void> write(std::string_view, std::string_view) override { return fail(ENOSYS, "unused"); }

 private:
  const DeviceName device_ = {0, "d", "", ""};
  std::optional<std::string> text_;
};

Result<uint64_t> number(std::optional<std::string> text) {
  OneAttribute directory(std::move(text));
  return read_number(directory, "attrib/x");
}

TEST(ReadNumber, TakesDecimalAndHexadecimal) {
  EXPECT_EQ(number("0").value(), 0U);
  EXPECT_EQ(number("18446744073709551615").value(), UINT64_MAX);
  EXPECT_EQ(number("0x0000000000900000").value(), 0x900000U);
}

TEST(ReadNumber, RefusesEverythingElse) {
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1k", "0x", "18446744073709551616", "x"}) {
    const auto result = number(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, EINVAL) << text;
    EXPECT_NE(result.error().message.find("user_0/d: attrib/x"), std::string::npos);
  }
}

TEST(ReadNumber, PassesOnWhyTheAttributeCantBeRead) {
  EXPECT_EQ(number(std::nullopt).error().code, ENOENT);
}

}  // namespace
}  // namespace tcmud::kernel
