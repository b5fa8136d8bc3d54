// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

enum ReportingOptions : uint8_t {
  kAllCommands = 0,
  kOpcode = 1,                    // an operation code that has no service actions
  kOpcodeAndServiceAction = 2,    // one that has
  kOpcodeMaybeServiceAction = 3,  // either; a service action must be 0 for one that has none
};

constexpr uint8_t kNotSupported = 1;
constexpr uint8_t kSupportedAsStandard = 3;
constexpr uint8_t kSupportedAsVendor = 5;

// SPC-5 "Command timeouts descriptor": zero, no timeout is named.
void put_timeouts(DataIn& data) {
  data.put16(0x000A);
  data.zeroes(10);
}

Outcome all_commands(const Context& c, bool timeouts) {
  DataIn data(c);
  data.put32(0);  // COMMAND DATA LENGTH
  for (const CommandDescription& d : command_table()) {
    if (!is_supported(c.lun, d) || d.has(kBelongsToProtection)) {
      continue;
    }
    data.put8(d.opcode);
    data.put8(0);
    data.put16(d.has_service_action() ? d.service_action : 0);
    data.put8(0);
    data.put8((timeouts ? 0x02 : 0x00) | (d.has_service_action() ? 0x01 : 0x00));  // CTDP, SERVACTV
    data.put16(d.cdb_length);
    if (timeouts) {
      put_timeouts(data);
    }
  }
  data.patch32(0, data.size() - 4);
  return data.reply();
}

Outcome one_command(const Context& c, const CommandDescription* found, bool timeouts) {
  DataIn data(c);
  data.put8(0);
  if (found == nullptr || !is_supported(c.lun, *found)) {
    data.put8(kNotSupported);
    data.put16(0);
    return data.reply();
  }
  const uint8_t support =
      found->has(kBelongsToProtection) ? kSupportedAsVendor : kSupportedAsStandard;
  data.put8((timeouts ? 0x80 : 0x00) | support);  // CTDP, SUPPORT
  data.put16(found->cdb_length);
  CdbUsage usage = found->usage;
  if (!c.lun.can_fua && (found->has(kHasDpoFua) || found->has(kHasDpo))) {
    // As MODE SENSE says: not supported.
    usage[found->flags_byte()] &= found->has(kHasDpo) ? 0xEF : 0xE7;
  }
  data.bytes(std::span(usage).first(found->cdb_length));
  if (timeouts) {
    put_timeouts(data);
  }
  return data.reply();
}

}  // namespace

Outcome report_supported_operation_codes(const Context& c) {
  const uint8_t* cdb = c.cdb();
  const bool timeouts = (cdb[2] & 0x80) != 0;  // RCTD
  const uint8_t options = cdb[2] & 0x07;
  const uint16_t service_action = load_be16(cdb + 4);
  if (options == kAllCommands) {
    return all_commands(c, timeouts);
  }

  const std::span<const CommandDescription> entries = find_opcode(cdb[3]);
  const bool has_service_actions = !entries.empty() && entries[0].has_service_action();
  const CommandDescription* found = nullptr;
  for (const CommandDescription& d : entries) {
    if (!d.has_service_action() ? options != kOpcodeMaybeServiceAction || service_action == 0
                                : d.service_action == service_action) {
      found = &d;
    }
  }
  switch (options) {
    case kOpcode:
      if (has_service_actions) {
        return invalid_field(2, 2);
      }
      break;
    case kOpcodeAndServiceAction:
      if (!entries.empty() && !has_service_actions) {
        return invalid_field(2, 2);
      }
      break;
    case kOpcodeMaybeServiceAction:
      break;
    default:
      return invalid_field(2, 2);
  }
  return one_command(c, found, timeouts);
}

Outcome report_supported_task_management_functions(const Context& c) {
  const bool extended = (c.cdb()[2] & 0x80) != 0;  // REPD
  DataIn data(c);
  data.put8(0x88);  // ATS: ABORT TASK, LURS: LOGICAL UNIT RESET
  data.put8(0x00);  // ITNRS 0
  data.put8(0x00);
  data.put8(extended ? 0x0C : 0x00);  // REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS DATA LENGTH
  if (extended) {
    data.zeroes(12);  // TMFTMOV 0: no timeout is named
  }
  return data.reply();
}

}  // namespace tcmud::scsi
