// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// Asymmetric logical unit access (SPC-5 "Target port group access states"): which ports a LUN has,
// and how well it is reached through them.
namespace tcmud::scsi {

struct Lun;

// ASYMMETRIC ACCESS STATE. Also how configfs names them.
enum class AccessState : uint8_t {
  kActiveOptimized = 0x0,
  kActiveNonOptimized = 0x1,
  kStandby = 0x2,
  kUnavailable = 0x3,
  kLbaDependent = 0x4,
  kOffline = 0xE,  // of a port, not of a group
  kTransitioning = 0xF,
};

// The states that a group supports, as REPORT TARGET PORT GROUPS has them.
enum SupportedState : uint8_t {
  kSupportsActiveOptimized = 0x01,
  kSupportsActiveNonOptimized = 0x02,
  kSupportsStandby = 0x04,
  kSupportsUnavailable = 0x08,
  kSupportsLbaDependent = 0x10,
  kSupportsOffline = 0x40,
  kSupportsTransitioning = 0x80,
};

struct TargetPort {
  uint16_t relative_id = 0;  // RELATIVE TARGET PORT IDENTIFIER, 1 to FFFFh
  uint8_t protocol = 0;      // PROTOCOL IDENTIFIER (SPC-5), 0 to Fh
  bool enabled = false;      // commands may come through it; others are those of other nodes
  std::string target;        // name of its SCSI target device, "iqn...." for iSCSI
  uint16_t tag = 0;          // target portal group tag
};

struct TargetPortGroup {
  uint16_t id = 0;  // TARGET PORT GROUP
  AccessState state = AccessState::kActiveOptimized;
  bool preferred = false;
  uint8_t supported = 0;  // SupportedState
  uint8_t status = 0;     // STATUS CODE: 0 none, 1 changed by SET TARGET PORT GROUPS, 2 implicitly
  // How its state may change: without any request, and by SET TARGET PORT GROUPS.
  bool implicitly = false, explicitly = false;
  std::vector<TargetPort> ports;
};

// So that all of REPORT TARGET PORT GROUPS finds room (kMaxResponse). TARGET PORT COUNT has a byte.
inline constexpr size_t kMaxTargetPortGroups = 64;
inline constexpr size_t kMaxTargetPorts = 1024;  // of all groups together
inline constexpr size_t kMaxPortsOfGroup = 255;

// Standard INQUIRY data, TPGS: 0 none, 1 implicit, 2 explicit, 3 both. The groups that commands can
// come through count; if there is none, all of them.
[[nodiscard]] uint8_t tpgs(const Lun& lun);

// What is known of the way by which commands come; nullptr where they may come by several that
// differ in it. The kernel doesn't tell with a command.
struct CommandPath {
  const TargetPortGroup* group = nullptr;
  const TargetPort* port = nullptr;
  const TargetPort* target = nullptr;  // any port of the one SCSI target device
};
[[nodiscard]] CommandPath command_path(const Lun& lun);

struct StateRequest {
  uint16_t group = 0;
  AccessState state = AccessState::kActiveOptimized;

  bool operator==(const StateRequest&) const = default;
};

// What a SET TARGET PORT GROUPS parameter list asks for that isn't so by now, in its order. The
// list is one that led to Outcome::Kind::kSetTargetPortGroups.
[[nodiscard]] std::vector<StateRequest> requested_states(const Lun& lun,
                                                         std::span<const uint8_t> list);

}  // namespace tcmud::scsi
