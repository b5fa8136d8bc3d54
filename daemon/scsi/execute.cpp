// SPDX-License-Identifier: Apache-2.0
#include "scsi/execute.h"

#include <algorithm>

#include "scsi/commands.h"
#include "scsi/context.h"

namespace tcmud::scsi {
namespace {

// Why find_command() has nothing: the operation code is unknown, its service action is, or the CDB
// ends before it. Whether an unknown service action is 20/00 or 24/00 the standards leave open.
// Initiators take 20/00 for "not there", and 24/00 for a command that is there.
Outcome not_found(std::span<const uint8_t> cdb) {
  if (cdb.empty() || (cdb.size() == 1 && !find_opcode(cdb[0]).empty())) {
    return invalid_field(cdb.size());
  }
  return illegal_cdb(asc::kInvalidOperationCode, find_opcode(cdb[0]).empty() ? 0 : 1);
}

}  // namespace

Outcome execute(const Lun& lun, const Command& command, std::span<uint8_t> response,
                std::span<Range> ranges) {
  const std::span<const uint8_t> cdb = command.cdb;
  const CommandDescription* description = find_command(cdb);
  if (description == nullptr) {
    return not_found(cdb);
  }
  if (description->execute == nullptr || !is_supported(lun, *description)) {
    return illegal_cdb(asc::kInvalidOperationCode, 0);
  }
  if (cdb.size() < description->cdb_length) {
    return invalid_field(cdb.size());
  }
  const size_t control = description->cdb_length - 1u;
  if ((cdb[control] & 0x04) != 0) {  // NACA
    return invalid_field(control, 2);
  }
  if (lun.read_only && description->has(kWritesMedium)) {
    return check_condition({.key = SenseKey::kDataProtect, .code = asc::kWriteProtected});
  }
  return description->execute({lun, command, *description, response, ranges});
}

size_t parameter_list_length(std::span<const uint8_t> cdb, uint64_t data_length) {
  const CommandDescription* description = find_command(cdb);
  if (description == nullptr || description->transfer != Transfer::kParameterList ||
      cdb.size() < description->cdb_length) {
    return 0;
  }
  return std::min({load(cdb.data(), description->length), data_length,
                   static_cast<uint64_t>(kMaxParameterList)});
}

bool ignores_unit_attention(std::span<const uint8_t> cdb) {
  const CommandDescription* description = find_command(cdb);
  return description != nullptr && description->has(kIgnoresUnitAttention);
}

}  // namespace tcmud::scsi
