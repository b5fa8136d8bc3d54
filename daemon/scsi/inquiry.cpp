// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr size_t kStandardLength = 96;
// SPC-4. Initiators in the field take a VERSION that they don't know for a broken device
// (iscsi-test-cu does, for 07h, SPC-5); the version descriptors name the newer standards.
constexpr uint8_t kVersion = 0x06;
// SPC-5 "Version descriptor values"; each "no version claimed". The standards before the newest are
// named as well, because initiators look for them when they decide which fields and pages to
// believe.
constexpr uint16_t kVersionDescriptors[] = {
    0x00C0,  // SAM-6
    0x05C0,  // SPC-5
    0x0600,  // SBC-4
    0x0460,  // SPC-4
    0x04C0,  // SBC-3
};

std::string_view or_default(const std::string& value, std::string_view fallback) {
  return value.empty() ? fallback : std::string_view(value);
}

// SPC-5 "Standard INQUIRY data". The identity is what multipath.conf and SATP rules match.
Outcome standard_inquiry(const Context& c) {
  DataIn data(c);
  data.put8(0x00);                 // peripheral qualifier 0, direct access block device
  data.put8(0x00);                 // RMB 0
  data.put8(kVersion);             // VERSION
  data.put8(0x02);                 // NORMACA 0, HISUP 0, RESPONSE DATA FORMAT 2
  data.put8(kStandardLength - 5);  // ADDITIONAL LENGTH
  const bool copies = c.lun.has(kCanCopy) || c.lun.has(kCanUseTokens);
  data.put8(tpgs(c.lun) << 4 | (copies ? 0x08 : 0x00));  // TPGS, 3PC, PROTECT 0
  data.put8(0x00);                                       // ENCSERV 0, MULTIP 0
  data.put8(0x02);                                       // CMDQUE
  data.padded_text(or_default(c.lun.vendor, "LIO-ORG"), 8);
  data.padded_text(or_default(c.lun.product, "TCMU device"), 16);
  data.padded_text(or_default(c.lun.revision, "0002"), 4);
  data.zeroes(58 - data.size());
  for (const uint16_t descriptor : kVersionDescriptors) {
    data.put16(descriptor);
  }
  data.zeroes(kStandardLength - data.size());
  return data.reply();
}

}  // namespace

Outcome inquiry(const Context& c) {
  const uint8_t flags = c.cdb()[1];
  if ((flags & 0x02) != 0) {  // CMDDT
    return invalid_field(1, 1);
  }
  if ((flags & 0x01) != 0) {  // EVPD
    return vital_product_data(c);
  }
  if (c.cdb()[2] != 0) {  // PAGE CODE
    return invalid_field(2);
  }
  return standard_inquiry(c);
}

}  // namespace tcmud::scsi
