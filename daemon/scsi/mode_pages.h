// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "scsi/data_writer.h"
#include "scsi/lun.h"

// The mode pages: what MODE SENSE tells and MODE SELECT is held against.
namespace tcmud::scsi {

enum class PageControl : uint8_t { kCurrent = 0, kChangeable = 1, kDefault = 2, kSaved = 3 };

inline constexpr size_t kLongestModePage = 32;  // with its header

struct ModePage {
  uint8_t code = 0;
  uint8_t subpage = 0;  // 0: page_0 format, else sub_page format
  uint8_t length = 0;   // bytes behind the header
  // The current values, or the default ones, behind the header.
  void (*write)(const Lun&, bool defaults, DataWriter&) = nullptr;
  // The one byte, counted from the page's first, in which bits may be changeable, and which.
  uint8_t changeable_byte = 0;
  uint8_t (*changeable)(const Lun&) = nullptr;

  [[nodiscard]] constexpr uint8_t header() const { return subpage == 0 ? 2 : 4; }
};

inline constexpr uint8_t kCachingPage = 0x08, kControlPage = 0x0A;
inline constexpr uint8_t kWce = 0x04;  // Caching page, byte 2
inline constexpr uint8_t kSwp = 0x08;  // Control page, byte 4

// Ascending by code and subpage, as pages are returned.
[[nodiscard]] std::span<const ModePage> mode_pages();

// The page with its header; PageControl::kSaved has none.
void put_mode_page(const Lun& lun, const ModePage& page, PageControl pc, DataWriter& data);

}  // namespace tcmud::scsi
