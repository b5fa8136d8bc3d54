// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"

// SPC-5 "Log parameters"; SBC-4 "Log parameters for direct access block devices".
namespace tcmud::scsi {
namespace {

constexpr uint8_t kAllSubpages = 0xFF;
constexpr uint8_t kSupportedPages = 0x00;
constexpr uint8_t kProvisioning = 0x0C;
constexpr uint8_t kTemperature = 0x0D;

constexpr uint8_t kNotSaved = 0x80;       // DS
constexpr uint8_t kSubpageFormat = 0x40;  // SPF
constexpr uint8_t kBinaryList = 0x03;     // FORMAT AND LINKING 11b

// `from` is the PARAMETER POINTER: parameters below it are left out.
void put_resource_count(uint16_t code, uint32_t count, uint16_t from, DataIn& data) {
  if (code >= from) {
    data.put16(code);
    data.put8(kBinaryList);
    data.put8(8);  // PARAMETER LENGTH
    data.put32(count);
    data.put32(0x01000000);  // SCOPE: this LUN alone
  }
}

// SBC-4 "Logical Block Provisioning log page".
void provisioning(const Lun& lun, uint16_t from, DataIn& data) {
  put_resource_count(0x0001, lun.resources->available, from, data);
  put_resource_count(0x0002, lun.resources->used, from, data);
}

void put_temperature(uint16_t code, uint16_t from, DataIn& data) {
  if (code >= from) {
    data.put16(code);
    data.put8(kBinaryList);
    data.put8(2);  // PARAMETER LENGTH
    data.put8(0);
    data.put8(0xFF);  // not available, no reference temperature
  }
}

// SPC-5 "Temperature log page". There is no sensor.
void temperature(const Lun&, uint16_t from, DataIn& data) {
  put_temperature(0x0000, from, data);
  put_temperature(0x0001, from, data);
}

struct Page {
  uint8_t code;
  uint16_t last;  // parameter code
  bool (*is_there)(const Lun&);
  void (*write)(const Lun&, uint16_t from, DataIn&);
};
constexpr Page kPages[] = {
    {kProvisioning, 0x0002,
     [](const Lun& lun) { return lun.can_unmap && lun.resources.has_value(); }, provisioning},
    {kTemperature, 0x0001, [](const Lun&) { return true; }, temperature},
};

void put_supported(const Lun& lun, bool subpages, DataIn& data) {
  const auto put = [&](uint8_t code, uint8_t subpage) {
    data.put8(code);
    if (subpages) {
      data.put8(subpage);
    }
  };
  put(kSupportedPages, 0);
  if (subpages) {
    put(kSupportedPages, kAllSubpages);
  }
  for (const Page& page : kPages) {
    if (page.is_there(lun)) {
      put(page.code, 0);
    }
  }
}

}  // namespace

Outcome log_sense(const Context& c) {
  const uint8_t* cdb = c.cdb();
  if ((cdb[1] & 0x03) != 0) {
    return invalid_field(1, (cdb[1] & 0x02) != 0 ? 1 : 0);  // PPC, SP
  }
  const uint8_t code = cdb[2] & 0x3F;
  const uint8_t subpage = cdb[3];
  const uint16_t from = load_be16(cdb + 5);
  const Page* found = nullptr;
  for (const Page& page : kPages) {
    if (page.code == code && page.is_there(c.lun)) {
      found = &page;
    }
  }
  if (found == nullptr && code != kSupportedPages) {
    return invalid_field(2, 5);
  }
  if (subpage != 0 && (found != nullptr || subpage != kAllSubpages)) {
    return invalid_field(3);
  }
  if (from > (found != nullptr ? found->last : 0)) {
    return invalid_field(5);
  }
  DataIn data(c);
  if (found != nullptr) {
    data.put8(kNotSaved | code);
    data.put8(0);
    data.put16(0);  // PAGE LENGTH
    found->write(c.lun, from, data);
  } else {
    data.put8(subpage != 0 ? kSubpageFormat | code : code);
    data.put8(subpage);
    data.put16(0);
    put_supported(c.lun, subpage != 0, data);
  }
  data.patch16(2, data.size() - 4);
  return data.reply();
}

}  // namespace tcmud::scsi
