// SPDX-License-Identifier: Apache-2.0
#include "scsi/mode_pages.h"

namespace tcmud::scsi {
namespace {

// SBC-4 "Read-Write Error Recovery mode page": the backend's own recovery, of which nothing can be
// set.
void error_recovery(const Lun&, bool, DataWriter& data) {
  data.zeroes(10);
}

bool can_switch_write_cache(const Lun& lun) {
  return lun.has(kCanSelectMode) && lun.can_switch_write_cache;
}

// SBC-4 "Caching mode page".
void caching(const Lun& lun, bool defaults, DataWriter& data) {
  const bool write_cache =
      defaults && can_switch_write_cache(lun) ? lun.default_write_cache : lun.write_cache;
  data.put8(write_cache ? kWce : 0x00);
  data.zeroes(17);
}

uint8_t caching_changeable(const Lun& lun) {
  return can_switch_write_cache(lun) ? kWce : 0x00;
}

// SPC-5 "Control mode page".
void control(const Lun& lun, bool defaults, DataWriter& data) {
  data.put8(0x02);  // TST 0, D_SENSE 0, GLTSD: no log parameter is saved
  data.put8(0x10);  // QUEUE ALGORITHM MODIFIER: unrestricted reordering; QERR 0
  data.put8(lun.software_write_protect && !defaults ? kSwp : 0x00);  // UA_INTLCK_CTRL 0, SWP
  data.put8(0x40);     // TAS: the target core answers TASK ABORTED
  data.put16(0x0000);  // obsolete
  data.put16(0xFFFF);  // BUSY TIMEOUT PERIOD: unlimited
  data.put16(0x0000);  // EXTENDED SELF-TEST COMPLETION TIME
}

uint8_t control_changeable(const Lun& lun) {
  return lun.has(kCanSelectMode) ? kSwp : 0x00;
}

// SPC-5 "Control Extension mode page": TCMOS 0, SCSIP 0, IALUAE 0, no initial command priority, no
// maximum sense data length.
void control_extension(const Lun&, bool, DataWriter& data) {
  data.zeroes(28);
}

// SBC-4 "Informational Exceptions Control mode page".
void informational_exceptions(const Lun&, bool, DataWriter& data) {
  data.put8(0x08);  // DEXCPT: none is reported
  data.zeroes(9);   // MRIE 0
}

constexpr ModePage kPages[] = {
    {.code = 0x01, .length = 10, .write = error_recovery},
    {.code = kCachingPage,
     .length = 18,
     .write = caching,
     .changeable_byte = 2,
     .changeable = caching_changeable},
    {.code = kControlPage,
     .length = 10,
     .write = control,
     .changeable_byte = 4,
     .changeable = control_changeable},
    {.code = kControlPage, .subpage = 0x01, .length = 28, .write = control_extension},
    {.code = 0x1C, .length = 10, .write = informational_exceptions},
};
static_assert([] {
  for (const ModePage& page : kPages) {
    if (page.header() + page.length > kLongestModePage) {
      return false;
    }
  }
  return true;
}());

}  // namespace

std::span<const ModePage> mode_pages() {
  return kPages;
}

void put_mode_page(const Lun& lun, const ModePage& page, PageControl pc, DataWriter& data) {
  const size_t start = data.size();
  if (page.subpage == 0) {
    data.put8(page.code);  // PS 0, SPF 0
    data.put8(page.length);
  } else {
    data.put8(0x40 | page.code);  // PS 0, SPF
    data.put8(page.subpage);
    data.put16(page.length);
  }
  if (pc == PageControl::kChangeable) {
    data.zeroes(page.length);
    if (page.changeable != nullptr) {
      data.patch8(start + page.changeable_byte, page.changeable(lun));
    }
  } else {
    page.write(lun, pc == PageControl::kDefault, data);
  }
}

}  // namespace tcmud::scsi
