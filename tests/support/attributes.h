// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace tcmud::test {

struct DeviceSpec;

// Path below the device's configfs directory ("attrib/hw_block_size") to what reading it gives,
// without the newline.
using AttributeMap = std::map<std::string, std::string, std::less<>>;

// What a device has after it was enabled: kernel 6.12's attributes with its defaults.
[[nodiscard]] AttributeMap initial_attributes(const DeviceSpec& spec);

// What a target port group has after it was made and given an id, by the names of its files.
[[nodiscard]] AttributeMap initial_port_group(uint16_t id);

}  // namespace tcmud::test
