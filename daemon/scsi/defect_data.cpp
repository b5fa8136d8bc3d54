// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr uint8_t kFormat = 0x07;      // DEFECT LIST FORMAT
constexpr uint8_t kRequests = 0x18;    // REQ_PLIST, REQ_GLIST
constexpr uint8_t kLastFormat = 0x05;  // the others are vendor specific and reserved

}  // namespace

Outcome read_defect_data_10(const Context& c) {
  const uint8_t flags = c.cdb()[2] & (kRequests | kFormat);
  if ((flags & kFormat) > kLastFormat) {
    return invalid_field(2, 2);
  }
  DataIn data(c);
  data.put8(0);
  data.put8(flags);  // PLISTV, GLISTV, DEFECT LIST FORMAT
  data.put16(0);     // DEFECT LIST LENGTH
  return data.reply();
}

Outcome read_defect_data_12(const Context& c) {
  const uint8_t flags = c.cdb()[1] & (kRequests | kFormat);
  if ((flags & kFormat) > kLastFormat) {
    return invalid_field(1, 2);
  }
  DataIn data(c);
  data.put8(0);
  data.put8(flags);
  data.put16(0);  // GENERATION CODE: not supported
  data.put32(0);  // DEFECT LIST LENGTH
  return data.reply();
}

}  // namespace tcmud::scsi
