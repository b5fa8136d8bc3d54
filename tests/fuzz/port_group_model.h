// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "base/bytes.h"
#include "support/ticket.h"

namespace tcmud::test {

// Target port groups that may change explicitly, to any state that can be asked for.
class PortGroupModel {
 public:
  explicit PortGroupModel(std::map<uint16_t, uint8_t> states) : states_(std::move(states)) {}

  // SET TARGET PORT GROUPS (SPC-5): all of the list is done, or nothing of it.
  std::string set(std::span<const uint8_t> cdb, std::span<const uint8_t> list,
                  const Outcome& outcome) {
    const size_t length = load_be32(&cdb[6]);
    std::map<uint16_t, uint8_t> next = states_;
    std::map<uint16_t, uint8_t> named;
    bool valid = length <= list.size() && length % 4 == 0;
    for (size_t at = 4; valid && at + 4 <= length; at += 4) {
      const uint16_t group = load_be16(&list[at + 2]);
      const uint8_t state = list[at] & 0x0F;
      valid = state <= 3 && next.contains(group) && named.emplace(group, state).second;
      next[group] = state;
    }
    if (!outcome.good()) {
      return valid && cdb.back() == 0 && length <= 256 ? "not GOOD, and nothing is wrong with it"
                                                       : "";
    }
    if (!valid) {
      return "GOOD for a SET TARGET PORT GROUPS that can't be done";
    }
    changed_ |= states_ != next;
    states_ = next;
    return {};
  }

  // REPORT TARGET PORT GROUPS, in either format.
  [[nodiscard]] std::string report(std::span<const uint8_t> cdb, const Outcome& outcome) const {
    const auto& data = outcome.data_in;
    if (!outcome.good() || load_be32(&cdb[6]) < data.size() || data.size() < 8) {
      return {};
    }
    const size_t all = load_be32(&data[0]) + size_t{4};
    size_t told = 0;
    for (size_t at = cdb[1] >> 5 == 1 ? 8 : 4; at + 8 <= std::min(data.size(), all);
         at += 8 + size_t{4} * data[at + 7], ++told) {
      const auto found = states_.find(load_be16(&data[at + 2]));
      if (found == states_.end()) {
        return "a target port group that isn't there";
      }
      if ((data[at] & 0x0F) != found->second) {
        return "a target port group in another state";
      }
    }
    return told < states_.size() && data.size() >= all ? "a target port group is left out" : "";
  }

  [[nodiscard]] bool changed() const { return changed_; }

 private:
  std::map<uint16_t, uint8_t> states_;
  bool changed_ = false;
};

}  // namespace tcmud::test
