// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace tcmud::kernel::test {

using Bytes = std::vector<std::byte>;

inline void append(Bytes& bytes, const void* data, size_t length) {
  const size_t at = bytes.size();
  bytes.resize(at + length);
  if (length != 0) {
    std::memcpy(&bytes[at], data, length);
  }
}

// A generic netlink message, attribute by attribute.
class MessageBuilder {
 public:
  explicit MessageBuilder(uint8_t command) {
    const genlmsghdr header = {command, 2, 0};
    append(bytes_, &header, sizeof header);
  }
  MessageBuilder& raw(uint16_t type, const void* data, size_t length) {
    const nlattr header = {static_cast<uint16_t>(sizeof(nlattr) + length), type};
    append(bytes_, &header, sizeof header);
    append(bytes_, data, length);
    bytes_.resize(NLA_ALIGN(bytes_.size()));
    return *this;
  }
  template <std::integral T>
  MessageBuilder& number(uint16_t type, T value) {
    return raw(type, &value, sizeof value);
  }
  MessageBuilder& string(uint16_t type, std::string_view text) {
    Bytes with_nul;
    append(with_nul, text.data(), text.size());
    with_nul.push_back(std::byte{0});
    return raw(type, with_nul.data(), with_nul.size());
  }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// The netlink message around it.
inline Bytes datagram(uint16_t family, const Bytes& payload) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + payload.size());
  header.nlmsg_type = family;
  Bytes bytes;
  append(bytes, &header, sizeof header);
  append(bytes, payload.data(), payload.size());
  bytes.resize(NLMSG_ALIGN(bytes.size()));
  return bytes;
}

}  // namespace tcmud::kernel::test
