// SPDX-License-Identifier: Apache-2.0
// What the kernel's netlink messages say. A pure function of bytes.
#include "kernel/netlink_event.h"

#include <array>
#include <concepts>
#include <cstring>
#include <string_view>

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "kernel/abi.h"

namespace tcmud::kernel {
namespace {

using Bytes = std::span<const std::byte>;

// The attributes of one message, by type; absent ones have no data().
struct Attributes {
  std::array<Bytes, abi::kAttrMax + 1> by_type;
  bool sound = true;  // false: the list is cut off; what came before that counts

  [[nodiscard]] bool has(int type) const { return by_type[type].data() != nullptr; }

  template <std::integral T>
  [[nodiscard]] std::optional<T> number(int type) const {
    const Bytes payload = by_type[type];
    T value{};
    if (payload.data() == nullptr || payload.size() != sizeof value) {
      return std::nullopt;
    }
    std::memcpy(&value, payload.data(), sizeof value);
    return value;
  }

  // Up to its NUL, which must be there.
  [[nodiscard]] std::optional<std::string_view> string(int type) const {
    const Bytes payload = by_type[type];
    const void* end = payload.empty() ? nullptr : std::memchr(payload.data(), 0, payload.size());
    if (end == nullptr) {
      return std::nullopt;
    }
    const auto* begin = reinterpret_cast<const char*>(payload.data());
    return std::string_view(begin, static_cast<const char*>(end) - begin);
  }
};

// Unaligned bytes are fine. Of an attribute that comes twice the last one counts, those of unknown
// type are passed over.
Attributes parse_attributes(Bytes bytes) {
  Attributes attributes;
  while (!bytes.empty()) {
    nlattr header{};
    if (bytes.size() < sizeof header) {
      attributes.sound = false;
      break;
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) {
      attributes.sound = false;
      break;
    }
    const int type = header.nla_type & NLA_TYPE_MASK;
    if (type <= abi::kAttrMax) {
      attributes.by_type[type] = bytes.subspan(sizeof header, header.nla_len - sizeof header);
    }
    bytes = bytes.subspan(std::min<size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
  }
  return attributes;
}

Result<Change> parse_change(const Attributes& attributes) {
  const int given = int{attributes.has(abi::kAttrDevConfig)} +
                    int{attributes.has(abi::kAttrDevSize)} +
                    int{attributes.has(abi::kAttrWriteCache)};
  if (given != 1) {
    return fail(EINVAL, "it asks for {} changes, not one that is known", given);
  }
  if (auto text = attributes.string(abi::kAttrDevConfig)) {
    // What was set with echo brings its newline along.
    while (text->ends_with('\n')) {
      text->remove_suffix(1);
    }
    return ConfigChange{std::string(*text)};
  }
  if (const auto bytes = attributes.number<uint64_t>(abi::kAttrDevSize)) {
    return SizeChange{*bytes};
  }
  if (const auto enabled = attributes.number<uint8_t>(abi::kAttrWriteCache)) {
    return WriteCacheChange{*enabled != 0};
  }
  return fail(EINVAL, "the change that it asks for has no value");
}

Result<Event> parse_event(uint8_t command, const Attributes& attributes) {
  if (!attributes.sound) {
    return fail(EINVAL, "its attributes are cut off");
  }
  Event event;
  const auto name = attributes.string(abi::kAttrDevice);
  auto device = name ? parse_uio_name(*name) : std::nullopt;
  if (!device) {
    return fail(EINVAL, "it names no TCMU device but '{}'", name.value_or(""));
  }
  event.device = std::move(*device);
  const auto minor = attributes.number<uint32_t>(abi::kAttrMinor);
  const auto device_id = attributes.number<uint32_t>(abi::kAttrDeviceId);
  if (!minor || !device_id) {
    return fail(EINVAL, "it lacks the {} of {}", minor ? "id" : "minor", event.device.lun());
  }
  event.minor = *minor;
  event.device_id = *device_id;
  switch (command) {
    case abi::kCmdAdded:
      event.what = DeviceAdded{};
      return event;
    case abi::kCmdRemoved:
      event.what = DeviceRemoved{};
      return event;
    default: {
      auto change = parse_change(attributes);
      if (!change) {
        return fail(change.error().code, "{}, of {}", change.error().message, event.device.lun());
      }
      event.what = DeviceReconfigured{std::move(*change)};
      return event;
    }
  }
}

}  // namespace

std::optional<uint8_t> done_command(uint8_t command) {
  switch (command) {
    case abi::kCmdAdded:
      return abi::kCmdAddedDone;
    case abi::kCmdRemoved:
      return abi::kCmdRemovedDone;
    case abi::kCmdReconfigured:
      return abi::kCmdReconfiguredDone;
    default:
      return std::nullopt;
  }
}

tl::expected<Event, BadMessage> decode_event(std::span<const std::byte> message) {
  genlmsghdr header{};
  if (message.size() < sizeof header) {
    return tl::unexpected(BadMessage{{EINVAL, "it is too short for a header"}, 0, std::nullopt});
  }
  std::memcpy(&header, message.data(), sizeof header);
  const Attributes attributes = parse_attributes(
      message.subspan(std::min<size_t>(NLMSG_ALIGN(sizeof header), message.size())));
  const auto device_id = attributes.number<uint32_t>(abi::kAttrDeviceId);
  if (!done_command(header.cmd)) {
    return tl::unexpected(
        BadMessage{{EOPNOTSUPP, "it is no event that is known"}, header.cmd, device_id});
  }
  return parse_event(header.cmd, attributes).map_error([&](Error&& error) {
    return BadMessage{std::move(error), header.cmd, device_id};
  });
}

}  // namespace tcmud::kernel
