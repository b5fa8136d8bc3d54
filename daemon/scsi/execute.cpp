// SPDX-License-Identifier: Apache-2.0
#include "scsi/execute.h"

#include <algorithm>

#include "scsi/commands.h"
#include "scsi/context.h"

namespace tcmud::scsi {
namespace {

constexpr uint8_t kTestUnitReady = 0x00, kFormatUnit = 0x04, kSanitizeOpcode = 0x48;
constexpr uint8_t kAdditionalCdbLength = 32 - 8;

// Why find_command() has nothing: the operation code is unknown, its service action is, or the CDB
// ends before it. Whether an unknown service action is 20/00 or 24/00 the standards leave open.
// Initiators take 20/00 for "not there", and 24/00 for a command that is there. A way to SANITIZE
// that isn't there is the latter: with 20/00 they would take all of them for missing.
Outcome not_found(const Lun& lun, std::span<const uint8_t> cdb) {
  if (cdb.empty()) {
    return invalid_field(0);
  }
  if (find_opcode(cdb[0]).empty()) {
    return illegal_cdb(asc::kInvalidOperationCode, 0);
  }
  if (cdb.size() < service_action_end(cdb[0])) {
    return invalid_field(cdb.size());
  }
  if (cdb[0] == kSanitizeOpcode && lun.has(kCanSanitize)) {
    return invalid_field(1, 4);
  }
  return illegal_cdb(asc::kInvalidOperationCode, cdb[0] == kVariableLength ? 8 : 1);
}

// Of a medium that no FORMAT UNIT has brought in order nothing is read or written, nor is it ready;
// everything else goes on (SBC-4 "FORMAT UNIT command").
bool needs_format(const CommandDescription& description) {
  const bool on_medium = description.has(kWritesMedium) || description.lba.width != 0;
  return (on_medium && description.opcode != kFormatUnit &&
          description.opcode != kSanitizeOpcode) ||
         description.opcode == kTestUnitReady;
}

Sense write_refusal(const Lun& lun) {
  if (lun.read_only) {
    return {.key = SenseKey::kDataProtect, .code = asc::kWriteProtected};
  }
  if (lun.software_write_protect) {
    return {.key = SenseKey::kDataProtect, .code = asc::kSoftwareWriteProtected};
  }
  return {};
}

// The state of the LUN in which this command is not executed; NO SENSE where there is none.
Sense refusal(const Lun& lun, const CommandDescription& description) {
  // INQUIRY, REPORT LUNS and REQUEST SENSE again, by the same reasoning: they find out what is
  // going on (SBC-4 "FORMAT UNIT command", "Sanitize operations").
  if (!description.has(kIgnoresUnitAttention)) {
    if (lun.progress) {
      return {.key = SenseKey::kNotReady, .code = lun.progress_code, .progress = lun.progress};
    }
    if (lun.sanitize_failure != SanitizeFailure::kNone && description.opcode != kSanitizeOpcode) {
      return {.key = SenseKey::kMediumError, .code = asc::kSanitizeFailed};
    }
    if (lun.format_corrupt && needs_format(description)) {
      return {.key = SenseKey::kMediumError, .code = asc::kMediumFormatCorrupted};
    }
  }
  return description.has(kWritesMedium) ? write_refusal(lun) : Sense{};
}

// Almost always nothing is in the way, which is found out without building any sense data.
bool may_be_refused(const Lun& lun, const CommandDescription& description) {
  return lun.progress || lun.sanitize_failure != SanitizeFailure::kNone || lun.format_corrupt ||
         ((lun.read_only || lun.software_write_protect) && description.has(kWritesMedium));
}

}  // namespace

Outcome execute(const Lun& lun, const Command& command, std::span<uint8_t> response,
                std::span<Range> ranges) {
  const std::span<const uint8_t> cdb = command.cdb;
  const CommandDescription* description = find_command(cdb);
  if (description == nullptr) {
    return not_found(lun, cdb);
  }
  if (description->execute == nullptr || !is_supported(lun, *description)) {
    return illegal_cdb(asc::kInvalidOperationCode, 0);
  }
  if (cdb.size() < description->cdb_length) {
    return invalid_field(cdb.size());
  }
  const size_t control = description->control_byte();
  if ((cdb[control] & 0x04) != 0) {  // NACA
    return invalid_field(control, 2);
  }
  if (description->opcode == kVariableLength && cdb[7] != kAdditionalCdbLength) {
    return invalid_field(7);
  }
  if (may_be_refused(lun, *description)) {
    if (const Sense sense = refusal(lun, *description); sense.key != SenseKey::kNoSense) {
      return check_condition(sense);
    }
  }
  return description->execute({lun, command, *description, response, ranges});
}

bool writes(BlockOp op) {
  switch (op) {
    case BlockOp::kRead:
    case BlockOp::kFlush:
    case BlockOp::kVerify:
    case BlockOp::kVerifyData:
    case BlockOp::kPrefetch:
    case BlockOp::kLbaStatus:
      return false;
    case BlockOp::kWrite:
    case BlockOp::kUnmap:
    case BlockOp::kWriteSame:
    case BlockOp::kWriteZeroes:
    case BlockOp::kCompareAndWrite:
    case BlockOp::kWriteAndVerify:
    case BlockOp::kOrWrite:
      break;
  }
  return true;
}

Sense medium_refusal(const Lun& lun, bool writes) {
  if (lun.progress) {
    return {.key = SenseKey::kNotReady, .code = lun.progress_code, .progress = lun.progress};
  }
  if (lun.sanitize_failure != SanitizeFailure::kNone) {
    return {.key = SenseKey::kMediumError, .code = asc::kSanitizeFailed};
  }
  if (lun.format_corrupt) {
    return {.key = SenseKey::kMediumError, .code = asc::kMediumFormatCorrupted};
  }
  return writes ? write_refusal(lun) : Sense{};
}

size_t parameter_list_length(std::span<const uint8_t> cdb, uint64_t data_length) {
  const CommandDescription* description = find_command(cdb);
  if (description == nullptr || description->transfer != Transfer::kParameterList ||
      cdb.size() < description->cdb_length) {
    return 0;
  }
  // FORMAT UNIT: a header tells how long the list is, not the CDB.
  const uint64_t length =
      description->length.width != 0 ? load(cdb.data(), description->length) : data_length;
  return std::min({length, data_length, static_cast<uint64_t>(kMaxParameterList)});
}

bool ignores_unit_attention(std::span<const uint8_t> cdb) {
  const CommandDescription* description = find_command(cdb);
  return description != nullptr && description->has(kIgnoresUnitAttention);
}

}  // namespace tcmud::scsi
