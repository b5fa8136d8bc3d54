// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr uint8_t kProtectionInformation = 0xC0;  // FMTPINFO
constexpr uint8_t kLongList = 0x20;
constexpr uint8_t kFormatData = 0x10;  // FMTDATA
constexpr uint8_t kAboutAList = 0x0F;  // CMPLST, DEFECT LIST FORMAT

// Byte 1 of the parameter list header.
constexpr uint8_t kOptionsValid = 0x80;  // FOV
constexpr uint8_t kOptions = 0x78;       // DPRY, DCRT, STPF, IP
constexpr uint8_t kInitializationPattern = 0x08;
constexpr uint8_t kImmediate = 0x02;

constexpr size_t kPatternHeader = 4;

Outcome list_too_short() {
  // The CDB has no length of its own to point at: FMTDATA says that there is a list.
  return illegal_cdb(asc::kParameterListLengthError, 1, 4);
}

// SBC-4 "Initialization pattern descriptor", at `at` of the list.
Outcome decode_pattern(const Context& c, size_t at, Pattern& pattern) {
  const std::span<const uint8_t> list = c.command.parameters;
  if (list.size() < at + kPatternHeader) {
    return list_too_short();
  }
  if ((list[at] & 0x20) != 0) {  // SI
    return invalid_parameter(at, 5);
  }
  const uint8_t type = list[at + 1];
  const uint16_t length = load_be16(&list[at + 2]);
  if (type > 1) {
    return invalid_parameter(at + 1);
  }
  if (type == 0 ? length != 0 : length == 0 || length > c.lun.block_size) {
    return invalid_parameter(at + 2);
  }
  if (list.size() < at + kPatternHeader + length) {
    return list_too_short();
  }
  pattern = {static_cast<uint16_t>(at + kPatternHeader), length};
  return good();
}

Outcome decode_list(const Context& c, FormatRequest& format) {
  const std::span<const uint8_t> list = c.command.parameters;
  const bool is_long = (c.cdb()[1] & kLongList) != 0;
  const size_t header = is_long ? 8 : 4;
  if (list.size() < header) {
    return list_too_short();
  }
  if ((list[0] & 0x07) != 0) {  // PROTECTION FIELD USAGE
    return invalid_parameter(0, 2);
  }
  const uint8_t options = list[1];
  if ((options & kOptionsValid) == 0 && (options & kOptions) != 0) {
    return invalid_parameter(1, 7);
  }
  if (is_long && list[3] != 0) {  // P_I_INFORMATION, PROTECTION INTERVAL EXPONENT
    return invalid_parameter(3);
  }
  if (is_long ? load_be32(&list[4]) != 0 : load_be16(&list[2]) != 0) {  // DEFECT LIST LENGTH
    return invalid_parameter(is_long ? 4 : 2);
  }
  format.immediate = (options & kImmediate) != 0;
  return (options & kInitializationPattern) == 0 ? good()
                                                 : decode_pattern(c, header, format.pattern);
}

}  // namespace

Outcome format_unit(const Context& c) {
  const uint8_t flags = c.cdb()[1];
  if ((flags & kProtectionInformation) != 0) {
    return invalid_field(1, 7);
  }
  if ((c.cdb()[4] & 0x03) != 0) {  // FFMT
    return invalid_field(4, 1);
  }
  FormatRequest format;
  if ((flags & kFormatData) != 0) {
    if (Outcome bad = decode_list(c, format); bad.status != Status::kGood) {
      return bad;
    }
  } else if ((flags & kLongList) != 0) {
    return invalid_field(1, 5);
  } else if ((flags & kAboutAList) != 0) {
    return invalid_field(1, (flags & 0x08) != 0 ? 3 : 2);
  }
  Outcome outcome;
  outcome.kind = Outcome::Kind::kFormat;
  outcome.format = format;
  return outcome;
}

}  // namespace tcmud::scsi
