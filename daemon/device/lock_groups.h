// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include <tcmud/handler.h>

#include "scsi/target_port_groups.h"

// What target port groups have to do with the storage's lock: who has it is reached well, everybody
// else's ports less so. Pure functions.
namespace tcmud::device {

// Commands may come through it to us: one of its ports is enabled.
[[nodiscard]] bool is_ours(const scsi::TargetPortGroup& group);

// The group by which we are reached, to be told to other hosts; -1: none, or there are several.
[[nodiscard]] int32_t our_group(const std::vector<scsi::TargetPortGroup>& groups);

// The lock moves by SET TARGET PORT GROUPS alone: none of our groups changes implicitly. Where
// there are no groups of ours, it moves with the commands.
[[nodiscard]] bool moves_explicitly(const std::vector<scsi::TargetPortGroup>& groups);

// The changes that make the groups tell who has the lock. A group that doesn't support the state
// that would tell it best gets the next best; one that an administrator has put aside (unavailable,
// offline, in transition) stays so. None while nobody has it.
[[nodiscard]] std::vector<scsi::StateRequest> states_for_lock(
    const std::vector<scsi::TargetPortGroup>& groups, const tcmud_lock_status& status);

}  // namespace tcmud::device
