// SPDX-License-Identifier: Apache-2.0
#include "copy/ways.h"

#include <algorithm>

namespace tcmud::copy {

void Way::add(std::string lun, bool writable) {
  const auto at = std::lower_bound(
      reach.begin(), reach.end(), lun,
      [](const Reach& known, const std::string& wanted) { return known.lun < wanted; });
  if (at != reach.end() && at->lun == lun) {
    at->writable |= writable;
  } else {
    reach.insert(at, {.lun = std::move(lun), .writable = writable});
  }
}

const Way::Reach* Way::find(std::string_view lun) const {
  const auto at = std::lower_bound(
      reach.begin(), reach.end(), lun,
      [](const Reach& known, std::string_view wanted) { return known.lun < wanted; });
  return at != reach.end() && at->lun == lun ? &*at : nullptr;
}

std::optional<Objection> objection(const Ways& ways, std::string_view home, std::string_view other,
                                   bool writes) {
  if (home == other) {
    return std::nullopt;
  }
  bool reached = false;
  for (const Way& way : ways.ways) {
    if (way.find(home) == nullptr) {
      continue;
    }
    reached = true;
    const Way::Reach* there = way.find(other);
    if (there == nullptr || (writes && !there->writable)) {
      return Objection{.way = &way, .only_reads = there != nullptr};
    }
  }
  return reached ? std::nullopt : std::optional(Objection{});
}

}  // namespace tcmud::copy
