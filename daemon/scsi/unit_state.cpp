// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

// TEST UNIT READY, REQUEST SENSE, START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL.
namespace tcmud::scsi {

Outcome test_unit_ready(const Context&) {
  return good();
}

Outcome request_sense(const Context& c) {
  Sense sense;
  if (c.command.pending_sense != nullptr) {
    sense = *c.command.pending_sense;
  } else if (c.lun.progress) {
    sense = {.key = SenseKey::kNotReady, .code = c.lun.progress_code, .progress = c.lun.progress};
  }
  std::array<uint8_t, kMaxDescriptorSenseLength> encoded;
  const bool descriptor = (c.cdb()[1] & 0x01) != 0;
  const size_t length =
      descriptor ? encode_descriptor(sense, encoded) : encode_fixed(sense, encoded);
  DataIn data(c);
  data.bytes(std::span(encoded).first(length));
  return data.reply();
}

Outcome start_stop_unit(const Context& c) {
  const uint8_t flags = c.cdb()[4];
  if ((flags & 0xF0) != 0) {  // POWER CONDITION
    return invalid_field(4, 7);
  }
  if ((flags & 0x02) != 0) {  // LOEJ: nothing can be ejected
    return invalid_field(4, 1);
  }
  if ((flags & 0x01) == 0) {  // START
    return invalid_field(4, 0);
  }
  return good();
}

Outcome prevent_allow_medium_removal(const Context& c) {
  if ((c.cdb()[4] & 0x02) != 0) {  // PREVENT
    return invalid_field(4, 1);
  }
  return good();
}

}  // namespace tcmud::scsi
