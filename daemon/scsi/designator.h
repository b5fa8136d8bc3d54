// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tcmud::scsi {

using NaaDesignator = std::array<uint8_t, 16>;

// NAA IEEE Registered Extended (SPC-5), as tcmu-runner and LIO make it, so that initiators find a
// LUN again: NAA 6, company 001405h, then the first 25 hexadecimal digits of the serial, whatever
// stands between them, filled up with zeroes. None where the serial has no such digit: LUNs that
// can't be told apart must not look the same.
[[nodiscard]] std::optional<NaaDesignator> naa_of(std::string_view serial);

}  // namespace tcmud::scsi
