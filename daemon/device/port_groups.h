// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernel/kernel_port.h"
#include "scsi/target_port_groups.h"

namespace tcmud::device {

// A LUN's target port groups as configfs has them.
struct PortGroups {
  std::vector<scsi::TargetPortGroup> groups;  // ascending by id
  std::vector<std::string> names;             // of their directories below alua/
  uint8_t implicit_transition_seconds = 0;    // the longest of any group; 0 = not told
};

// Reads alua/ and what the fabrics say of the ports that are members. None where the administrator
// has set up none: a LUN always has a group "default_tg_pt_gp", which counts once something in it
// was changed, or beside others (tcmu-runner never looks at it, and an initiator that meets a LUN
// again shall find no asymmetric access where there was none). A group that can't be read, or is
// not complete yet, is left out. Blocks; the LUN's strand.
PortGroups read_port_groups(kernel::KernelPort& kernel, kernel::DeviceDirectory& directory);

// STATUS CODE of REPORT TARGET PORT GROUPS, and what configfs takes for alua_access_status.
enum class Altered : uint8_t { kExplicitly = 1, kImplicitly = 2 };

// Puts states of groups in force, in this order, up to the first that fails. The kernel tells
// initiators by a unit attention condition. Blocks, as long as the group's trans_delay_msecs says;
// the LUN's strand.
Result<void> set_group_states(kernel::DeviceDirectory& directory, const PortGroups& groups,
                              std::span<const scsi::StateRequest> requests, Altered how);

}  // namespace tcmud::device
