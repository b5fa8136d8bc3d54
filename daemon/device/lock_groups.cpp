// SPDX-License-Identifier: Apache-2.0
#include "device/lock_groups.h"

#include <algorithm>
#include <optional>

namespace tcmud::device {

using scsi::AccessState;
using scsi::StateRequest;
using scsi::TargetPortGroup;

namespace {

std::optional<AccessState> first_supported(const TargetPortGroup& group, AccessState best,
                                           AccessState next) {
  const auto supports = [&group](AccessState state) {
    switch (state) {
      case AccessState::kActiveOptimized:
        return (group.supported & scsi::kSupportsActiveOptimized) != 0;
      case AccessState::kActiveNonOptimized:
        return (group.supported & scsi::kSupportsActiveNonOptimized) != 0;
      default:
        return (group.supported & scsi::kSupportsStandby) != 0;
    }
  };
  for (const AccessState state : {best, next}) {
    if (supports(state)) {
      return state;
    }
  }
  return std::nullopt;
}

bool may_be_moved(const TargetPortGroup& group) {
  return (group.implicitly || group.explicitly) &&
         (group.state == AccessState::kActiveOptimized ||
          group.state == AccessState::kActiveNonOptimized || group.state == AccessState::kStandby);
}

}  // namespace

bool is_ours(const TargetPortGroup& group) {
  return std::any_of(group.ports.begin(), group.ports.end(),
                     [](const scsi::TargetPort& port) { return port.enabled; });
}

int32_t our_group(const std::vector<TargetPortGroup>& groups) {
  int32_t found = -1;
  for (const TargetPortGroup& group : groups) {
    if (!is_ours(group)) {
      continue;
    }
    if (found != -1) {
      return -1;
    }
    found = group.id;
  }
  return found;
}

bool moves_explicitly(const std::vector<TargetPortGroup>& groups) {
  bool any = false;
  for (const TargetPortGroup& group : groups) {
    if (!is_ours(group)) {
      continue;
    }
    if (group.implicitly || !group.explicitly) {
      return false;
    }
    any = true;
  }
  return any;
}

std::vector<StateRequest> states_for_lock(const std::vector<TargetPortGroup>& groups,
                                          const tcmud_lock_status& status) {
  std::vector<StateRequest> changes;
  if (status.state == TCMUD_LOCK_FREE) {
    return changes;
  }
  const bool ours = status.state != TCMUD_LOCK_FOREIGN;
  for (const TargetPortGroup& group : groups) {
    if (!may_be_moved(group)) {
      continue;
    }
    if (!ours && status.group < 0 && !is_ours(group)) {
      continue;  // it may be the holder's
    }
    const bool holds = ours ? is_ours(group) : group.id == status.group;
    // Through a group that moves explicitly only nothing would be done without the lock.
    const auto wanted =
        holds ? first_supported(group, AccessState::kActiveOptimized,
                                AccessState::kActiveNonOptimized)
        : group.implicitly
            ? first_supported(group, AccessState::kActiveNonOptimized, AccessState::kStandby)
            : first_supported(group, AccessState::kStandby, AccessState::kActiveNonOptimized);
    if (wanted && *wanted != group.state) {
      changes.push_back({group.id, *wanted});
    }
  }
  return changes;
}

}  // namespace tcmud::device
