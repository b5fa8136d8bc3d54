// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scsi/commands.h"

// CDB usage data of commands with an extent, which differ in operation code and flags only. The
// group number is not looked at.
namespace tcmud::scsi {

inline constexpr uint8_t kNaca = 0x04;  // CONTROL byte

inline constexpr Field kLba6{1, 3}, kLba10{2, 4}, kLba12{2, 4}, kLba16{2, 8}, kLba32{12, 8};
inline constexpr Field kLength6{4, 1}, kLength10{7, 2}, kLength12{6, 4}, kLength16{10, 4},
    kLength32{28, 4};

constexpr CdbUsage usage_10(uint8_t opcode, uint8_t flags) {
  return {opcode, flags, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, 0xFF, 0xFF, kNaca};
}

constexpr CdbUsage usage_12(uint8_t opcode, uint8_t flags) {
  return {opcode, flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca};
}

constexpr CdbUsage usage_16(uint8_t opcode, uint8_t flags) {
  return {opcode, flags, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
          0xFF,   0xFF,  0xFF, 0xFF, 0xFF, 0xFF, 0x00, kNaca};
}

// Bytes 20 to 27 are reference and application tags of protection information, which the medium
// doesn't have.
constexpr CdbUsage usage_32(uint8_t service_action, uint8_t flags) {
  return {kVariableLength,
          kNaca,
          0,
          0,
          0,
          0,
          0x00,
          0xFF,
          0x00,
          service_action,
          flags,
          0,
          0xFF,
          0xFF,
          0xFF,
          0xFF,
          0xFF,
          0xFF,
          0xFF,
          0xFF,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0,
          0xFF,
          0xFF,
          0xFF,
          0xFF};
}

}  // namespace tcmud::scsi
