// SPDX-License-Identifier: Apache-2.0
#include "device/port_groups.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/log.h"

namespace tcmud::device {
namespace {

using scsi::AccessState;
using scsi::TargetPort;
using scsi::TargetPortGroup;

constexpr std::string_view kDefaultGroup = "default_tg_pt_gp";

// How configfs spells alua_access_type.
constexpr std::string_view kImplicit = "Implicit", kExplicit = "Explicit",
                           kBoth = "Implicit and Explicit";

struct Support {
  std::string_view attribute;
  uint8_t bit;
};
constexpr Support kSupport[] = {
    {"alua_support_active_optimized", scsi::kSupportsActiveOptimized},
    {"alua_support_active_nonoptimized", scsi::kSupportsActiveNonOptimized},
    {"alua_support_standby", scsi::kSupportsStandby},
    {"alua_support_unavailable", scsi::kSupportsUnavailable},
    {"alua_support_lba_dependent", scsi::kSupportsLbaDependent},
    {"alua_support_offline", scsi::kSupportsOffline},
    {"alua_support_transitioning", scsi::kSupportsTransitioning},
};

template <typename Number>
std::optional<Number> parse(std::string_view digits) {
  Number number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc{} && stop == end ? std::optional(number) : std::nullopt;
}

// The directory of one group.
class Group {
 public:
  Group(kernel::DeviceDirectory& device, const std::string& name)
      : device_(device), root_("alua/" + name + "/") {}

  [[nodiscard]] Result<std::string> text(std::string_view attribute) const {
    return device_.read(root_ + std::string(attribute));
  }
  // 0 where there is no such attribute, or no number in it.
  [[nodiscard]] uint8_t number(std::string_view attribute) const {
    const auto read = text(attribute);
    return read ? parse<uint8_t>(*read).value_or(0) : uint8_t{0};
  }
  [[nodiscard]] Result<void> write(std::string_view attribute, std::string_view value) const {
    return device_.write(root_ + std::string(attribute), value);
  }

 private:
  kernel::DeviceDirectory& device_;
  const std::string root_;
};

// Takes what stands before the first separator off `text`, and the separator.
std::string_view split(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at == text.npos ? text.size() : at + 1);
  return head;
}

// A member "<fabric>/<target>/tpgt_<tag>/<lun>"; nullopt where its fabric doesn't know it (any
// more). The directory of a fabric is named in lower case, which its name isn't always (iSCSI).
std::optional<TargetPort> read_port(kernel::KernelPort& kernel, std::string_view member) {
  constexpr std::string_view kTag = "tpgt_";
  std::string fabric(split(member, '/'));
  std::transform(fabric.begin(), fabric.end(), fabric.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const std::string target(split(member, '/'));
  const std::string_view group = split(member, '/');
  const auto tag =
      group.starts_with(kTag) ? parse<uint16_t>(group.substr(kTag.size())) : std::nullopt;
  if (!tag) {
    return std::nullopt;
  }
  const std::string portal_group = fabric + "/" + target + "/" + std::string(group);
  const std::string lun = portal_group + "/lun/" + std::string(member);
  const auto number = kernel.read_fabric_attribute(lun + "/statistics/scsi_port/indx");
  const auto id = number ? parse<uint16_t>(*number) : std::nullopt;
  if (!id) {
    return std::nullopt;
  }
  const auto protocol = kernel.read_fabric_attribute(lun + "/statistics/scsi_transport/proto_id");
  // Fabrics that can't be disabled have no such file.
  const auto enabled = kernel.read_fabric_attribute(portal_group + "/enable");
  return TargetPort{.relative_id = *id,
                    .protocol = static_cast<uint8_t>(
                        (protocol ? parse<uint8_t>(*protocol).value_or(0) : uint8_t{0}) & 0xF),
                    .enabled = !enabled || *enabled != "0",
                    .target = target,
                    .tag = *tag};
}

std::vector<TargetPort> read_ports(kernel::KernelPort& kernel, std::string_view members) {
  std::vector<TargetPort> ports;
  while (!members.empty() && ports.size() < scsi::kMaxPortsOfGroup) {
    std::string_view member = split(members, '\n');
    while (member.starts_with('\0')) {  // the kernel ends each with one
      member.remove_prefix(1);
    }
    if (auto port = read_port(kernel, member)) {
      ports.push_back(std::move(*port));
    }
  }
  std::sort(ports.begin(), ports.end(),
            [](const TargetPort& a, const TargetPort& b) { return a.relative_id < b.relative_id; });
  return ports;
}

struct Read {
  TargetPortGroup group;
  std::string name;
  uint8_t transition_seconds = 0;
  bool as_made = false;  // nothing in it was changed since the kernel made it

  [[nodiscard]] bool is_default() const { return name == kDefaultGroup; }
};

std::optional<Read> read_group(kernel::KernelPort& kernel, kernel::DeviceDirectory& device,
                               const std::string& name) {
  const Group directory(device, name);
  const auto id_text = directory.text("tg_pt_gp_id");
  const auto id = id_text ? parse<uint16_t>(*id_text) : std::nullopt;
  const auto type = directory.text("alua_access_type");
  const auto members = directory.text("members");
  const auto state_text = directory.text("alua_access_state");
  const auto state = state_text ? parse<uint8_t>(*state_text) : std::nullopt;
  if (!id || !type || !members || !state) {
    return std::nullopt;  // a new one has no id before it is given one
  }
  Read read;
  read.name = name;
  read.transition_seconds = directory.number("implicit_trans_secs");
  TargetPortGroup& group = read.group;
  group.id = *id;
  group.state = static_cast<AccessState>(*state & 0xF);
  group.preferred = directory.number("preferred") != 0;
  group.implicitly = *type == kImplicit || *type == kBoth;
  group.explicitly = *type == kExplicit || *type == kBoth;
  const std::string status = directory.text("alua_access_status").value_or("");
  group.status = status.find("Explicit") != status.npos   ? 1
                 : status.find("Implicit") != status.npos ? 2
                                                          : 0;
  for (const Support& support : kSupport) {
    group.supported |= directory.number(support.attribute) != 0 ? support.bit : 0;
  }
  group.ports = read_ports(kernel, *members);
  read.as_made = *type == kBoth && group.status == 0 && !group.preferred;
  return read;
}

bool counts(const Read& read, bool others) {
  if (!read.is_default()) {
    return true;
  }
  const bool asymmetric = read.group.implicitly || read.group.explicitly;
  return !read.group.ports.empty() && (others || (asymmetric && !read.as_made));
}

}  // namespace

PortGroups read_port_groups(kernel::KernelPort& kernel, kernel::DeviceDirectory& directory) {
  PortGroups all;
  if (const auto supported = directory.read("attrib/alua_support");
      supported && *supported == "0") {
    return all;
  }
  std::vector<Read> found;
  const auto names = directory.list_port_groups();
  for (const std::string& name : names ? *names : std::vector<std::string>{}) {
    if (auto read = read_group(kernel, directory, name)) {
      found.push_back(std::move(*read));
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Read& a, const Read& b) { return a.group.id < b.group.id; });
  const bool others = std::any_of(found.begin(), found.end(), [](const Read& read) {
    return !read.is_default() && !read.group.ports.empty();
  });
  size_t ports = 0;
  for (Read& read : found) {
    if (!counts(read, others) || (!others && !read.is_default())) {
      continue;
    }
    ports += read.group.ports.size();
    if (all.groups.size() == scsi::kMaxTargetPortGroups || ports > scsi::kMaxTargetPorts) {
      log::warning(directory.device().lun(), "initiators are told of {} target port groups only",
                   all.groups.size());
      break;
    }
    all.implicit_transition_seconds =
        std::max(all.implicit_transition_seconds, read.transition_seconds);
    all.groups.push_back(std::move(read.group));
    all.names.push_back(std::move(read.name));
  }
  return all;
}

Result<void> set_group_states(kernel::DeviceDirectory& directory, const PortGroups& groups,
                              std::span<const scsi::StateRequest> requests, Altered how) {
  const std::string lun = directory.device().lun();
  for (const scsi::StateRequest& request : requests) {
    const auto found = std::find_if(
        groups.groups.begin(), groups.groups.end(),
        [&request](const TargetPortGroup& known) { return known.id == request.group; });
    if (found == groups.groups.end()) {
      return fail(ENOENT, "there is no target port group {}", request.group);
    }
    const std::string& name = groups.names[static_cast<size_t>(found - groups.groups.begin())];
    const Group group(directory, name);
    // The kernel lets nobody write the state of a group that changes explicitly only. Whoever reads
    // it meanwhile does so behind us on the strand.
    const bool only_explicit = !found->implicitly;
    if (only_explicit) {
      if (auto open = group.write("alua_access_type", "3"); !open) {
        return open;
      }
    }
    auto written =
        group.write("alua_access_state", std::to_string(static_cast<unsigned>(request.state)));
    if (written) {
      // The kernel takes it for an implicit change.
      const auto told =
          how == Altered::kExplicitly ? group.write("alua_access_status", "1") : Result<void>{};
      if (!told) {
        log::warning(lun, "target port group {}: {}", name, told.error().message);
      }
    }
    if (only_explicit) {
      if (const auto closed = group.write("alua_access_type", "2"); !closed) {
        log::error(lun, "target port group {} stays open to implicit changes: {}", name,
                   closed.error().message);
      }
    }
    if (!written) {
      return written;
    }
    log::info(lun, "{} set target port group {} to state {}",
              how == Altered::kExplicitly ? "an initiator" : "the lock's move", name,
              static_cast<unsigned>(request.state));
  }
  return {};
}

}  // namespace tcmud::device
