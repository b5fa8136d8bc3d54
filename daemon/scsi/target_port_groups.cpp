// SPDX-License-Identifier: Apache-2.0
#include "scsi/target_port_groups.h"

#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr size_t kStateHeader = 4;
constexpr size_t kStateDescriptor = 4;

// The bit that says that a group supports a state which can be asked for; 0 for all others. LBA
// dependent is never asked for (SPC-5 "SET TARGET PORT GROUPS"), and offline is a state of single
// ports, which the administrator alone gives and takes: nobody could ask through a port that is
// offline for it to come back.
uint8_t support_needed(AccessState state) {
  switch (state) {
    case AccessState::kActiveOptimized:
      return kSupportsActiveOptimized;
    case AccessState::kActiveNonOptimized:
      return kSupportsActiveNonOptimized;
    case AccessState::kStandby:
      return kSupportsStandby;
    case AccessState::kUnavailable:
      return kSupportsUnavailable;
    default:
      return 0;
  }
}

const TargetPortGroup* find_group(const Lun& lun, uint16_t id) {
  for (const TargetPortGroup& group : lun.target_port_groups) {
    if (group.id == id) {
      return &group;
    }
  }
  return nullptr;
}

StateRequest request_at(std::span<const uint8_t> list, size_t at) {
  return {load_be16(&list[at + 2]), static_cast<AccessState>(list[at] & 0x0F)};
}

bool named_before(std::span<const uint8_t> list, size_t at) {
  for (size_t before = kStateHeader; before < at; before += kStateDescriptor) {
    if (load_be16(&list[before + 2]) == load_be16(&list[at + 2])) {
      return true;
    }
  }
  return false;
}

bool is_enabled(const TargetPortGroup& group) {
  for (const TargetPort& port : group.ports) {
    if (port.enabled) {
      return true;
    }
  }
  return false;
}

uint8_t access_type(const TargetPortGroup& group) {
  return static_cast<uint8_t>((group.implicitly ? 1 : 0) | (group.explicitly ? 2 : 0));
}

}  // namespace

uint8_t tpgs(const Lun& lun) {
  uint8_t enabled = 0;
  uint8_t all = 0;
  bool any_enabled = false;
  for (const TargetPortGroup& group : lun.target_port_groups) {
    all |= access_type(group);
    if (is_enabled(group)) {
      any_enabled = true;
      enabled |= access_type(group);
    }
  }
  return any_enabled ? enabled : all;
}

CommandPath command_path(const Lun& lun) {
  CommandPath path;
  bool first = true;
  for (const TargetPortGroup& group : lun.target_port_groups) {
    for (const TargetPort& port : group.ports) {
      if (!port.enabled) {
        continue;
      }
      if (first) {
        path = {&group, &port, &port};
        first = false;
        continue;
      }
      path.port = nullptr;
      path.group = path.group == &group ? path.group : nullptr;
      const bool same = path.target != nullptr && path.target->target == port.target &&
                        path.target->protocol == port.protocol;
      path.target = same ? path.target : nullptr;
    }
  }
  return path;
}

Outcome report_target_port_groups(const Context& c) {
  const uint8_t format = c.cdb()[1] >> 5;  // PARAMETER DATA FORMAT
  if (format > 1) {
    return invalid_field(1, 7);
  }
  DataIn data(c);
  data.put32(0);  // RETURN DATA LENGTH
  if (format == 1) {
    data.put8(0x10);  // FORMAT TYPE: extended header
    data.put8(c.lun.implicit_transition_seconds);
    data.put16(0);
  }
  for (const TargetPortGroup& group : c.lun.target_port_groups) {
    data.put8((group.preferred ? 0x80 : 0x00) | static_cast<uint8_t>(group.state));
    data.put8(group.supported);
    data.put16(group.id);
    data.put8(0);
    data.put8(group.status);
    data.put8(0);  // vendor specific
    data.put8(group.ports.size());
    for (const TargetPort& port : group.ports) {
      data.put16(0);
      data.put16(port.relative_id);
    }
  }
  data.patch32(0, data.size() - 4);
  return data.reply();
}

// Everything is looked at before anything is done: there is no such thing as half a transition.
Outcome set_target_port_groups(const Context& c) {
  std::span<const uint8_t> list;
  if (!parameter_list(c, list) || list.size() % kStateDescriptor != 0) {
    return parameter_list_length_error(c);
  }
  bool transitioning = false;
  bool changes = false;
  for (size_t at = kStateHeader; at < list.size(); at += kStateDescriptor) {
    const StateRequest request = request_at(list, at);
    const uint8_t needed = support_needed(request.state);
    if (needed == 0) {
      return invalid_parameter(at, 3);
    }
    const TargetPortGroup* group = find_group(c.lun, request.group);
    if (group == nullptr || !group->explicitly || named_before(list, at)) {
      return invalid_parameter(at + 2);
    }
    if ((group->supported & needed) == 0) {
      return invalid_parameter(at, 3);
    }
    transitioning |= group->state == AccessState::kTransitioning;
    changes |= group->state != request.state;
  }
  if (transitioning) {
    return check_condition(
        {.key = SenseKey::kNotReady, .code = asc::kAsymmetricAccessStateTransition});
  }
  Outcome outcome;
  if (changes) {
    outcome.kind = Outcome::Kind::kSetTargetPortGroups;
  }
  return outcome;
}

std::vector<StateRequest> requested_states(const Lun& lun, std::span<const uint8_t> list) {
  std::vector<StateRequest> requests;
  for (size_t at = kStateHeader; at + kStateDescriptor <= list.size(); at += kStateDescriptor) {
    const StateRequest request = request_at(list, at);
    const TargetPortGroup* group = find_group(lun, request.group);
    if (group != nullptr && group->state != request.state) {
      requests.push_back(request);
    }
  }
  return requests;
}

}  // namespace tcmud::scsi
