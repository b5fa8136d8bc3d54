// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"
#include "scsi/mode_pages.h"

namespace tcmud::scsi {
namespace {

constexpr uint8_t kAllPages = 0x3F;
constexpr uint8_t kAllSubpages = 0xFF;

bool has_code(const ModePage& page, uint8_t code) {
  return code == kAllPages || code == page.code;
}

bool has_subpage(const ModePage& page, uint8_t subpage) {
  return subpage == kAllSubpages || subpage == page.subpage;
}

// SBC-4 "Mode parameter block descriptors": short LBA or long LBA. Returns its length in bytes.
uint8_t put_block_descriptor(const Lun& lun, bool long_lba, DataIn& data) {
  if (long_lba) {
    data.put64(lun.blocks);
    data.put32(0);
    data.put32(lun.block_size);
    return 16;
  }
  data.put32(std::min<uint64_t>(lun.blocks, UINT32_MAX));
  data.put8(0);
  data.put24(lun.block_size);
  return 8;
}

uint8_t device_specific_parameter(const Lun& lun) {
  const bool write_protected = lun.read_only || lun.software_write_protect;
  return static_cast<uint8_t>((write_protected ? 0x80 : 0x00) |  // WP
                              (lun.can_fua ? 0x10 : 0x00));      // DPOFUA
}

// Checks PC, PAGE CODE and SUBPAGE CODE, the same in both CDB sizes.
Outcome check_page(const Context& c) {
  const uint8_t code = c.cdb()[2] & 0x3F;
  const uint8_t subpage = c.cdb()[3];
  bool code_is_there = false;
  bool subpage_is_there = false;
  for (const ModePage& page : mode_pages()) {
    if (has_code(page, code)) {
      code_is_there = true;
      // Of all pages one subpage can't be asked for, but page_0 and all.
      subpage_is_there |= has_subpage(page, subpage) &&
                          (code != kAllPages || subpage == 0 || subpage == kAllSubpages);
    }
  }
  if (!code_is_there) {
    return invalid_field(2, 5);
  }
  if (!subpage_is_there) {
    return invalid_field(3);
  }
  if (static_cast<PageControl>(c.cdb()[2] >> 6) == PageControl::kSaved) {
    return illegal_cdb(asc::kSavingParametersNotSupported, 2, 7);
  }
  return good();
}

void put_pages(const Context& c, DataIn& data) {
  const auto pc = static_cast<PageControl>(c.cdb()[2] >> 6);
  const uint8_t code = c.cdb()[2] & 0x3F;
  for (const ModePage& page : mode_pages()) {
    if (has_code(page, code) && has_subpage(page, c.cdb()[3])) {
      put_mode_page(c.lun, page, pc, data);
    }
  }
}

}  // namespace

Outcome mode_sense_6(const Context& c) {
  if (Outcome bad = check_page(c); bad.status != Status::kGood) {
    return bad;
  }
  DataIn data(c);
  data.put8(0);  // MODE DATA LENGTH
  data.put8(0);  // MEDIUM TYPE
  data.put8(device_specific_parameter(c.lun));
  data.put8(0);                    // BLOCK DESCRIPTOR LENGTH
  if ((c.cdb()[1] & 0x08) == 0) {  // DBD
    data.patch8(3, put_block_descriptor(c.lun, false, data));
  }
  put_pages(c, data);
  data.patch8(0, data.size() - 1);
  return data.reply();
}

Outcome mode_sense_10(const Context& c) {
  if (Outcome bad = check_page(c); bad.status != Status::kGood) {
    return bad;
  }
  const bool descriptor = (c.cdb()[1] & 0x08) == 0;              // DBD
  const bool long_lba = descriptor && (c.cdb()[1] & 0x10) != 0;  // LLBAA
  DataIn data(c);
  data.put16(0);  // MODE DATA LENGTH
  data.put8(0);   // MEDIUM TYPE
  data.put8(device_specific_parameter(c.lun));
  data.put8(long_lba ? 0x01 : 0x00);  // LONGLBA
  data.put8(0);
  data.put16(0);  // BLOCK DESCRIPTOR LENGTH
  if (descriptor) {
    data.patch16(6, put_block_descriptor(c.lun, long_lba, data));
  }
  put_pages(c, data);
  data.patch16(0, data.size() - 2);
  return data.reply();
}

}  // namespace tcmud::scsi
