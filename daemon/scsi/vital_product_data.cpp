// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"
#include "scsi/designator.h"
#include "scsi/third_party_copy_page.h"

// INQUIRY with EVPD: SPC-5 "Vital product data parameters", SBC-4 "VPD parameters for direct access
// block devices".
namespace tcmud::scsi {
namespace {

// The longest serial that a T10 vendor ID designator of 255 bytes can carry behind the vendor and
// before its NUL.
constexpr size_t kMaxSerial = 255 - 8 - 1;

std::string_view serial_of(const Lun& lun) {
  return std::string_view(lun.serial).substr(0, kMaxSerial);
}

// An iSCSI name has no more (RFC 7143, 4.2.7), and no other one is longer.
constexpr size_t kMaxTargetName = 223;
constexpr uint8_t kPort = 1, kDevice = 2;  // ASSOCIATION: target port, target device

// SPC-5 "Unit Serial Number VPD page": spaces where there is no serial number.
void unit_serial_number(const Lun& lun, DataIn& data) {
  const std::string_view serial = serial_of(lun);
  data.text(serial.empty() ? "    " : serial);
}

// Left out where there is none, see naa_of().
void naa_designator(std::string_view serial, DataIn& data) {
  const auto naa = naa_of(serial);
  if (!naa) {
    return;
  }
  data.put8(0x01);  // CODE SET: binary
  data.put8(0x03);  // PIV 0, ASSOCIATION: logical unit, DESIGNATOR TYPE: NAA
  data.put8(0x00);
  data.put8(naa->size());
  data.bytes(*naa);
}

// T10 vendor ID based, as tcmu-runner makes it, the NUL at its end included.
void t10_designator(std::string_view serial, DataIn& data) {
  if (serial.empty()) {
    return;
  }
  data.put8(0x02);  // CODE SET: ASCII
  data.put8(0x01);  // PIV 0, ASSOCIATION: logical unit, DESIGNATOR TYPE: T10 vendor ID based
  data.put8(0x00);
  data.put8(8 + serial.size() + 1);
  data.text("LIO-ORG ");
  data.text(serial);
  data.put8(0x00);
}

// SCSI name string: name and suffix, NUL at its end, and NULs to a multiple of four bytes.
void name_designator(const TargetPort& port, uint8_t association, std::string_view suffix,
                     DataIn& data) {
  const std::string_view name = std::string_view(port.target).substr(0, kMaxTargetName);
  const size_t written = name.size() + suffix.size();
  const size_t length = (written / 4 + 1) * 4;
  data.put8(port.protocol << 4 | 0x03);       // PROTOCOL IDENTIFIER, CODE SET: UTF-8
  data.put8(0x80 | association << 4 | 0x08);  // PIV
  data.put8(0x00);
  data.put8(length);
  data.text(name);
  data.text(suffix);
  data.zeroes(length - written);
}

// Without PIV where the ways by which the command may have come have no protocol in common.
void number_designator(const TargetPort* port, uint8_t type, uint16_t number, DataIn& data) {
  data.put8((port != nullptr ? port->protocol << 4 : 0) | 0x01);  // CODE SET: binary
  data.put8((port != nullptr ? 0x80 : 0x00) | kPort << 4 | type);
  data.put8(0x00);
  data.put8(4);
  data.put16(0);
  data.put16(number);
}

// ",t,0x0001", which makes the name of an iSCSI target that of one of its ports.
std::array<char, 9> port_suffix(uint16_t tag) {
  std::array<char, 9> suffix{',', 't', ',', '0', 'x'};
  for (size_t i = 0; i < 4; ++i) {
    suffix[5 + i] = "0123456789abcdef"[tag >> (12 - 4 * i) & 0xF];
  }
  return suffix;
}

// The way by which the command came, as tcmu-runner tells it: multipath finds by it which of the
// groups of REPORT TARGET PORT GROUPS a path belongs to. A designator of a target port has to be
// that of the port in use, and the kernel doesn't say which one it is. So what differs between the
// ports that are enabled here isn't told; as a rule there is one (a gateway enables its own portal
// group and no other gateway's).
void path_designators(const Lun& lun, DataIn& data) {
  const CommandPath path = command_path(lun);
  if (path.port != nullptr) {
    number_designator(path.target, 0x04, path.port->relative_id, data);
  }
  if (path.group != nullptr) {
    number_designator(path.target, 0x05, path.group->id, data);
  }
  if (path.port != nullptr) {
    const auto suffix = port_suffix(path.port->tag);
    name_designator(*path.port, kPort, {suffix.data(), suffix.size()}, data);
  }
  if (path.target != nullptr) {
    name_designator(*path.target, kDevice, {}, data);
  }
}

void device_identification(const Lun& lun, DataIn& data) {
  t10_designator(serial_of(lun), data);
  naa_designator(lun.serial, data);
  path_designators(lun, data);
}

// SPC-5 "Extended INQUIRY Data VPD page". What isn't named is 0.
void extended_inquiry(const Lun& lun, DataIn& data) {
  data.put8(0x00);  // no protection information
  data.put8(0x01);  // SIMPSUP: the target core passes no other task attribute on
  // V_SUP: a volatile cache.
  data.put8(lun.write_cache || lun.can_switch_write_cache ? 0x01 : 0x00);
  data.zeroes(57);
}

void third_party_copy(const Lun& lun, DataIn& data) {
  third_party_copy_page(lun, data);
}

// SBC-4 "Block Limits VPD page".
void block_limits(const Lun& lun, DataIn& data) {
  data.put8(0x01);  // WSNZ: WRITE SAME of zero blocks is refused, as LIO and tcmu-runner do
  data.put8(lun.has(kCanCompareAndWrite) ? lun.max_compare_and_write_blocks : 0);
  data.put16(0x00);  // OPTIMAL TRANSFER LENGTH GRANULARITY
  data.put32(lun.max_transfer_blocks);
  data.put32(lun.optimal_transfer_blocks);
  data.put32(0);  // MAXIMUM PREFETCH LENGTH
  if (lun.can_unmap) {
    data.put32(unmap_block_limit(lun));
    data.put32(unmap_descriptor_limit(lun));
    data.put32(lun.unmap_granularity_blocks);
    const bool aligned = lun.unmap_granularity_blocks != 0;
    data.put32(aligned ? 0x80000000u | lun.unmap_alignment_blocks : 0u);  // UGAVALID
  } else {
    data.zeroes(16);
  }
  data.put64(lun.max_write_same_blocks);
  if (lun.has(kCanWriteAtomic)) {
    data.put32(lun.max_atomic_blocks);
    data.put32(lun.atomic_alignment_blocks);
    data.put32(lun.atomic_granularity_blocks);
  } else {
    data.zeroes(12);
  }
  data.zeroes(8);  // no atomic writes with a boundary
}

// SBC-4 "Block Device Characteristics VPD page".
void block_device_characteristics(const Lun& lun, DataIn& data) {
  data.put16(lun.rotational ? 0x0000
                            : 0x0001);  // MEDIUM ROTATION RATE: not reported, or non-rotating
  data.put8(0x00);                      // PRODUCT TYPE
  data.put8(lun.has(kCanSanitize) ? 0x40 : 0x00);  // WABEREQ: reads succeed after a block erase
  data.zeroes(56);
}

// SBC-4 "Logical Block Provisioning VPD page".
void logical_block_provisioning(const Lun& lun, DataIn& data) {
  data.put8(lun.threshold_exponent);
  uint8_t flags = 0;
  if (lun.can_unmap) {
    flags |= 0xE0;  // LBPU, LBPWS, LBPWS10
    if (lun.unmap_zeroes) {
      flags |= 0x04;  // LBPRZ 001b
    }
  }
  data.put8(flags);  // ANC_SUP 0, DP 0
  // PROVISIONING TYPE: a thin LUN must have a command that unmaps. 0 where the handler doesn't say
  // what it is.
  data.put8(lun.can_unmap && lun.thin ? 0x02 : 0x00);
  data.put8(0x00);  // THRESHOLD PERCENTAGE
}

// SBC-4 "Block Limits Extension VPD page": no streams, no scattered writes.
void block_limits_extension(const Lun&, DataIn& data) {
  data.zeroes(28);
}

bool can_copy(const Lun& lun) {
  return lun.has(kCanCopy) || lun.has(kCanUseTokens);
}

void supported_pages(const Lun& lun, DataIn& data);

struct Page {
  uint8_t code;
  void (*write)(const Lun&, DataIn&);
  bool (*is_there)(const Lun&) = nullptr;  // nullptr: on every LUN

  [[nodiscard]] bool on(const Lun& lun) const { return is_there == nullptr || is_there(lun); }
};
// Ascending, as page 00h has to list them.
constexpr Page kPages[] = {
    {0x00, supported_pages},
    {0x80, unit_serial_number},
    {0x83, device_identification},
    {0x86, extended_inquiry},
    {0x8F, third_party_copy, can_copy},
    {0xB0, block_limits},
    {0xB1, block_device_characteristics},
    {0xB2, logical_block_provisioning},
    {0xB7, block_limits_extension},
};

void supported_pages(const Lun& lun, DataIn& data) {
  for (const Page& page : kPages) {
    if (page.on(lun)) {
      data.put8(page.code);
    }
  }
}

}  // namespace

Outcome vital_product_data(const Context& c) {
  const uint8_t code = c.cdb()[2];
  for (const Page& page : kPages) {
    if (page.code == code && page.on(c.lun)) {
      DataIn data(c);
      data.put8(0x00);  // peripheral qualifier and device type
      data.put8(code);
      data.put16(0);  // PAGE LENGTH
      page.write(c.lun, data);
      data.patch16(2, data.size() - 4);
      return data.reply();
    }
  }
  return invalid_field(2);
}

}  // namespace tcmud::scsi
