// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcmud::bench {

// A fake UIO node as the bench hands it to a subject: three inherited descriptors and the size of
// the map. In the argument list: "<map fd>,<event fd>,<kick fd>,<bytes>", several joined by ':'.
struct InheritedNode {
  int map_fd = -1;
  int event_fd = -1;
  int kick_fd = -1;
  size_t map_bytes = 0;
};

[[nodiscard]] std::string to_argument(const std::vector<InheritedNode>& nodes);
// `text` with every "{n}" replaced by the number of the node: several LUNs don't share one backing
// file.
[[nodiscard]] std::string for_node(std::string_view text, size_t number);

// Empty: not such a list.
[[nodiscard]] std::vector<InheritedNode> parse_nodes(std::string_view argument);

}  // namespace tcmud::bench
