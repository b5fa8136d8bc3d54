// SPDX-License-Identifier: Apache-2.0
#include "bench/inherited_node.h"

#include <charconv>

#include <fmt/core.h>

namespace tcmud::bench {

std::string to_argument(const std::vector<InheritedNode>& nodes) {
  std::string all;
  for (const InheritedNode& node : nodes) {
    all += fmt::format("{}{},{},{},{}", all.empty() ? "" : ":", node.map_fd, node.event_fd,
                       node.kick_fd, node.map_bytes);
  }
  return all;
}

std::string for_node(std::string_view text, size_t number) {
  static constexpr std::string_view kPlace = "{n}";
  std::string result(text);
  for (size_t at = result.find(kPlace); at != std::string::npos; at = result.find(kPlace, at)) {
    result.replace(at, kPlace.size(), std::to_string(number));
  }
  return result;
}

std::vector<InheritedNode> parse_nodes(std::string_view argument) {
  std::vector<InheritedNode> nodes;
  const char* at = argument.data();
  const char* const end = at + argument.size();
  const auto number = [&](auto& value, char separator) {
    const auto [rest, error] = std::from_chars(at, end, value);
    at = rest;
    if (error != std::errc{} || (at != end && *at != separator)) {
      return false;
    }
    at += at != end ? 1 : 0;
    return true;
  };
  while (at != end) {
    InheritedNode node;
    if (!number(node.map_fd, ',') || !number(node.event_fd, ',') || !number(node.kick_fd, ',') ||
        !number(node.map_bytes, ':')) {
      return {};
    }
    nodes.push_back(node);
  }
  return nodes;
}

}  // namespace tcmud::bench
