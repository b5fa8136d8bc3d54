// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

using Kind = SanitizeRequest::Kind;

constexpr size_t kHeader = 4;

Outcome check_reserved(const Context& c) {
  if ((c.cdb()[1] & 0x40) != 0) {  // ZNR
    return invalid_field(1, 6);
  }
  for (size_t i = 2; i < c.description.length.offset; ++i) {
    if (c.cdb()[i] != 0) {
      return invalid_field(i);
    }
  }
  return good();
}

Outcome sanitize(const Context& c, Kind kind) {
  const bool unrestricted_exit = (c.cdb()[1] & 0x20) != 0;  // AUSE
  if (unrestricted_exit && c.lun.sanitize_failure == SanitizeFailure::kRestricted) {
    return invalid_field(1, 5);
  }
  Outcome outcome;
  outcome.kind = Outcome::Kind::kSanitize;
  outcome.sanitize.kind = kind;
  outcome.sanitize.immediate = (c.cdb()[1] & 0x80) != 0;  // IMMED
  outcome.sanitize.unrestricted_exit = unrestricted_exit;
  return outcome;
}

// For the service actions that have no parameter list.
Outcome check_no_list(const Context& c) {
  if (Outcome bad = check_reserved(c); bad.status != Status::kGood) {
    return bad;
  }
  return load(c.cdb(), c.description.length) == 0 ? good()
                                                  : invalid_field(c.description.length.offset);
}

}  // namespace

Outcome sanitize_overwrite(const Context& c) {
  if (Outcome bad = check_reserved(c); bad.status != Status::kGood) {
    return bad;
  }
  const uint64_t length = load(c.cdb(), c.description.length);
  if (length <= kHeader || length > kHeader + c.lun.block_size) {
    return invalid_field(c.description.length.offset);
  }
  std::span<const uint8_t> list;
  if (!parameter_list(c, list)) {
    return parameter_list_length_error(c);
  }
  const uint8_t passes = list[0] & 0x1F;  // OVERWRITE COUNT
  const uint16_t pattern = load_be16(&list[2]);
  if ((list[0] & 0x60) != 0) {  // TEST
    return invalid_parameter(0, 6);
  }
  if (passes == 0) {
    return invalid_parameter(0, 4);
  }
  if (pattern == 0 || pattern > list.size() - kHeader) {  // INITIALIZATION PATTERN LENGTH
    return invalid_parameter(2);
  }
  Outcome outcome = sanitize(c, Kind::kOverwrite);
  if (outcome.status != Status::kGood) {
    return outcome;
  }
  outcome.sanitize.invert = (list[0] & 0x80) != 0;  // INVERT
  outcome.sanitize.passes = passes;
  outcome.sanitize.pattern = {kHeader, pattern};
  return outcome;
}

Outcome sanitize_block_erase(const Context& c) {
  Outcome bad = check_no_list(c);
  return bad.status != Status::kGood ? bad : sanitize(c, Kind::kBlockErase);
}

Outcome sanitize_exit_failure_mode(const Context& c) {
  if (Outcome bad = check_no_list(c); bad.status != Status::kGood) {
    return bad;
  }
  switch (c.lun.sanitize_failure) {
    case SanitizeFailure::kNone:
      return good();
    case SanitizeFailure::kRestricted:
      return invalid_field(1, 4);  // SERVICE ACTION
    case SanitizeFailure::kUnrestricted:
      break;
  }
  Outcome outcome;
  outcome.kind = Outcome::Kind::kSanitize;
  outcome.sanitize.kind = Kind::kExitFailureMode;
  return outcome;
}

}  // namespace tcmud::scsi
