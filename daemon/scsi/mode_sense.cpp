// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

enum class PageControl : uint8_t { kCurrent = 0, kChangeable = 1, kDefault = 2, kSaved = 3 };

constexpr uint8_t kAllPages = 0x3F;
constexpr uint8_t kAllSubpages = 0xFF;

// A mode page in page_0 format: what follows the page code and the page length.
struct Page {
  uint8_t code;
  uint8_t length;
  void (*write)(const Lun&, DataIn&);
};

// SBC-4 "Read-Write Error Recovery mode page": the backend's own recovery, of which nothing can be
// set.
void error_recovery(const Lun&, DataIn& data) {
  data.zeroes(10);
}

// SBC-4 "Caching mode page".
void caching(const Lun& lun, DataIn& data) {
  data.put8(lun.write_cache ? 0x04 : 0x00);  // WCE
  data.zeroes(17);
}

// SPC-5 "Control mode page".
void control(const Lun&, DataIn& data) {
  data.put8(0x02);     // TST 0, D_SENSE 0, GLTSD: no log parameter is saved
  data.put8(0x10);     // QUEUE ALGORITHM MODIFIER: unrestricted reordering; QERR 0
  data.put8(0x00);     // UA_INTLCK_CTRL 0, SWP 0
  data.put8(0x40);     // TAS: the target core answers TASK ABORTED
  data.put16(0x0000);  // obsolete
  data.put16(0xFFFF);  // BUSY TIMEOUT PERIOD: unlimited
  data.put16(0x0000);  // EXTENDED SELF-TEST COMPLETION TIME
}

// SBC-4 "Informational Exceptions Control mode page".
void informational_exceptions(const Lun&, DataIn& data) {
  data.put8(0x08);  // DEXCPT: none is reported
  data.zeroes(9);   // MRIE 0
}

// Ascending, as pages are returned.
constexpr Page kPages[] = {
    {0x01, 10, error_recovery},
    {0x08, 18, caching},
    {0x0A, 10, control},
    {0x1C, 10, informational_exceptions},
};

void put_page(const Context& c, const Page& page, PageControl pc, DataIn& data) {
  data.put8(page.code);  // PS 0, SPF 0
  data.put8(page.length);
  // MODE SELECT is not there, so no bit is changeable. Default values are the current ones for the
  // same reason.
  if (pc == PageControl::kChangeable) {
    data.zeroes(page.length);
  } else {
    page.write(c.lun, data);
  }
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
  return static_cast<uint8_t>((lun.read_only ? 0x80 : 0x00) |  // WP
                              (lun.can_fua ? 0x10 : 0x00));    // DPOFUA
}

// Checks PC, PAGE CODE and SUBPAGE CODE, the same in both CDB sizes.
Outcome check_page(const Context& c) {
  const uint8_t code = c.cdb()[2] & 0x3F;
  const uint8_t subpage = c.cdb()[3];
  const bool known =
      code == kAllPages || std::any_of(std::begin(kPages), std::end(kPages),
                                       [code](const Page& page) { return page.code == code; });
  if (!known) {
    return invalid_field(2, 5);
  }
  if (subpage != 0 && subpage != kAllSubpages) {  // no page has any
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
  for (const Page& page : kPages) {
    if (code == kAllPages || code == page.code) {
      put_page(c, page, pc, data);
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

// One page behind a header without block descriptors: Caching (WCE) or Control (SWP).
Outcome mode_select_6(const Context& c) {
  const std::span<const uint8_t> list = c.command.parameters;
  if (list.size() < 4 + 12 || list[3] != 0 || list.size() < size_t{4} + 2 + list[5]) {
    return illegal_cdb(asc::kParameterListLengthError, 4);
  }
  Outcome outcome;
  outcome.kind = Outcome::Kind::kModeSelect;
  outcome.mode = {c.lun.write_cache, c.lun.software_write_protect};
  if (list[4] == 0x08) {
    outcome.mode.write_cache = (list[6] & 0x04) != 0;
  } else if (list[4] == 0x0A) {
    outcome.mode.software_write_protect = (list[8] & 0x08) != 0;
  } else {
    return illegal_parameter(asc::kInvalidFieldInParameterList, 4);
  }
  return outcome;
}

}  // namespace tcmud::scsi
