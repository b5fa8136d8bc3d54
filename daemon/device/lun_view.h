// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "device/dispatcher.h"
#include "device/port_groups.h"
#include "kernel/kernel_port.h"

namespace tcmud::device {

// What configfs says about a LUN.
struct LunAttributes {
  uint32_t block_size = 512;     // bytes: attrib/hw_block_size
  uint64_t size = 0;             // bytes: attrib/dev_size
  uint32_t max_sectors = 0;      // logical blocks: attrib/hw_max_sectors
  uint32_t command_timeout = 0;  // s, 0 = none: attrib/cmd_time_out
  std::string serial{};          // wwn/vpd_unit_serial
  PortGroups port_groups{};      // alua/
};

// What does not change by itself; serial number and port groups are left to those below.
Result<LunAttributes> read_attributes(kernel::DeviceDirectory& directory);

// After how many seconds the kernel answers a command in our place; 0 = never.
uint32_t read_command_timeout(kernel::DeviceDirectory& directory);

// The serial number alone; "" where there is none yet.
std::string read_serial(kernel::DeviceDirectory& directory);

// What administrators and initiators have chosen.
struct Modes {
  bool write_through = false;           // the write cache is switched off, see View
  bool default_write_through = false;   // the administrator's choice alone
  bool third_party_copy = false;        // other LUNs of the daemon can be reached
  bool software_write_protect = false;  // SWP; until the LUN is closed, as a target forgets it
};

// What initiators are told, from all sides.
View make_view(const LunAttributes& attributes, const tcmud_props& props, const Modes& modes);

}  // namespace tcmud::device
