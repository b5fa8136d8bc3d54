// SPDX-License-Identifier: Apache-2.0
#include "lock_message.h"

#include <charconv>

namespace tcmud::rbd {
namespace {

constexpr std::string_view kMagic = "tcmu";
constexpr uint8_t kVersion = 1;
constexpr size_t kMaxText = 1024;

void put(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i > 0; --i) {
    out.push_back(static_cast<char>(value >> (8 * (i - 1))));
  }
}

std::string begin(uint8_t kind) {
  std::string out(kMagic);
  put(out, kVersion, 1);
  put(out, kind, 1);
  return out;
}

// Reads what others sent: nothing is believed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  uint64_t number(size_t bytes) {
    uint64_t value = 0;
    for (const char byte : take(bytes)) {
      value = value << 8 | static_cast<uint8_t>(byte);
    }
    return value;
  }
  std::string_view take(size_t bytes) {
    if (bytes > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  // The kind, 0 = not ours.
  uint8_t begin() {
    if (take(kMagic.size()) != kMagic || number(1) < 1) {
      return 0;
    }
    return static_cast<uint8_t>(number(1));
  }
  [[nodiscard]] bool good() const { return good_; }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string encode(const LockMessage& message) {
  std::string out = begin(static_cast<uint8_t>(message.kind));
  put(out, static_cast<uint32_t>(message.group), 4);
  const std::string_view sender = std::string_view(message.sender).substr(0, kMaxText);
  put(out, sender.size(), 2);
  return out.append(sender);
}

std::string encode(const LockAnswer& answer) {
  std::string out = begin(static_cast<uint8_t>(answer.kind));
  put(out, answer.wait_ms, 4);
  return out;
}

std::optional<LockMessage> decode_message(std::string_view bytes) {
  Reader in(bytes);
  LockMessage message;
  const uint8_t kind = in.begin();
  message.kind = static_cast<LockMessage::Kind>(kind);
  message.group = static_cast<int32_t>(static_cast<uint32_t>(in.number(4)));
  message.sender = in.take(in.number(2));
  const bool known = kind >= static_cast<uint8_t>(LockMessage::Kind::kWant) &&
                     kind <= static_cast<uint8_t>(LockMessage::Kind::kTaken);
  if (!in.good() || !known || message.sender.size() > kMaxText || message.group < -1 ||
      message.group > UINT16_MAX) {
    return std::nullopt;
  }
  return message;
}

std::optional<LockAnswer> decode_answer(std::string_view bytes) {
  Reader in(bytes);
  const uint8_t kind = in.begin();
  const LockAnswer answer{static_cast<LockAnswer::Kind>(kind), static_cast<uint32_t>(in.number(4))};
  const bool known = kind >= static_cast<uint8_t>(LockAnswer::Kind::kNotMine) &&
                     kind <= static_cast<uint8_t>(LockAnswer::Kind::kFence);
  return in.good() && known ? std::optional(answer) : std::nullopt;
}

std::string lock_tag(int32_t group, const std::string& owner) {
  return "tcmu_tag=" + std::to_string(group) + ",rbd_client=" + owner;
}

int32_t group_of_tag(std::string_view tag, std::string_view owner) {
  constexpr std::string_view kTag = "tcmu_tag=";
  constexpr std::string_view kClient = ",rbd_client=";
  if (!tag.starts_with(kTag)) {
    return -1;
  }
  tag.remove_prefix(kTag.size());
  uint16_t group = 0;
  const auto [end, error] = std::from_chars(tag.data(), tag.data() + tag.size(), group);
  if (error != std::errc()) {
    return -1;
  }
  tag.remove_prefix(static_cast<size_t>(end - tag.data()));
  if (!tag.starts_with(kClient)) {
    return -1;
  }
  tag.remove_prefix(kClient.size());
  return tag == owner && !owner.empty() ? group : -1;
}

}  // namespace tcmud::rbd
