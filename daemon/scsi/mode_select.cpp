// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "scsi/commands.h"
#include "scsi/mode_pages.h"

namespace tcmud::scsi {
namespace {

constexpr size_t kShortDescriptor = 8;
constexpr size_t kLongDescriptor = 16;

Outcome check_flags(const Context& c) {
  const uint8_t flags = c.cdb()[1];
  if ((flags & 0x10) == 0) {  // PF
    return invalid_field(1, 4);
  }
  if ((flags & 0x02) != 0) {  // RTD
    return invalid_field(1, 1);
  }
  if ((flags & 0x01) != 0) {  // SP
    return invalid_field(1, 0);
  }
  return good();
}

// One mode parameter list on its way; `at` is what comes next.
struct List {
  const Context& c;
  std::span<const uint8_t> bytes;
  size_t at = 0;
  ModeChange change;
};

bool has(const List& list, size_t length) {
  return list.bytes.size() - list.at >= length;
}

// SBC-4 "Mode parameter block descriptors". Neither the number nor the length of blocks can be
// changed; 0 and the highest number stand for the present one.
Outcome check_block_descriptor(List& list, size_t length, size_t length_at, bool long_lba) {
  if (length == 0) {
    return good();
  }
  if (length != (long_lba ? kLongDescriptor : kShortDescriptor)) {
    return invalid_parameter(length_at);
  }
  if (!has(list, length)) {
    return parameter_list_length_error(list.c);
  }
  const Lun& lun = list.c.lun;
  const uint8_t* p = &list.bytes[list.at];
  const uint64_t blocks = long_lba ? load_be64(p) : load_be32(p);
  const uint64_t highest = long_lba ? UINT64_MAX : UINT32_MAX;
  if (blocks != 0 && blocks != highest && blocks != lun.blocks) {
    return invalid_parameter(list.at);
  }
  const size_t block_length = long_lba ? 12 : 5;
  if ((long_lba ? load_be32(p + 12) : load_be24(p + 5)) != lun.block_size) {
    return invalid_parameter(list.at + block_length);
  }
  list.at += length;
  return good();
}

const ModePage* find_page(uint8_t code, uint8_t subpage) {
  for (const ModePage& page : mode_pages()) {
    if (page.code == code && page.subpage == subpage) {
      return &page;
    }
  }
  return nullptr;
}

// Takes one page off the list: every bit that isn't changeable must be what it is now.
Outcome take_page(List& list) {
  if (!has(list, 2)) {
    return parameter_list_length_error(list.c);
  }
  const uint8_t* given = &list.bytes[list.at];
  const bool has_subpage = (given[0] & 0x40) != 0;  // SPF
  if (has_subpage && !has(list, 4)) {
    return parameter_list_length_error(list.c);
  }
  const ModePage* page = find_page(given[0] & 0x3F, has_subpage ? given[1] : 0);
  if (page == nullptr || (has_subpage && page->subpage == 0)) {
    return invalid_parameter(list.at, 5);
  }
  if ((has_subpage ? load_be16(given + 2) : given[1]) != page->length) {
    return invalid_parameter(list.at + (has_subpage ? 2 : 1));
  }
  const size_t length = size_t{page->header()} + page->length;
  if (!has(list, length)) {
    return parameter_list_length_error(list.c);
  }
  std::array<uint8_t, kLongestModePage> current;
  std::array<uint8_t, kLongestModePage> changeable;
  DataWriter current_writer(current);
  DataWriter changeable_writer(changeable);
  put_mode_page(list.c.lun, *page, PageControl::kCurrent, current_writer);
  put_mode_page(list.c.lun, *page, PageControl::kChangeable, changeable_writer);
  for (size_t i = page->header(); i < length; ++i) {
    const auto wrong = static_cast<uint8_t>((given[i] ^ current[i]) & ~changeable[i]);
    if (wrong != 0) {
      return invalid_parameter(list.at + i, static_cast<uint8_t>(std::bit_width(wrong) - 1));
    }
  }
  if (page->code == kCachingPage) {
    list.change.write_cache = (given[page->changeable_byte] & kWce) != 0;
  } else if (page->code == kControlPage && page->subpage == 0) {
    list.change.software_write_protect = (given[page->changeable_byte] & kSwp) != 0;
  }
  list.at += length;
  return good();
}

Outcome take_pages(List& list) {
  while (list.at < list.bytes.size()) {
    if (Outcome bad = take_page(list); bad.status != Status::kGood) {
      return bad;
    }
  }
  const Lun& lun = list.c.lun;
  Outcome outcome;
  if (list.change.write_cache != lun.write_cache ||
      list.change.software_write_protect != lun.software_write_protect) {
    outcome.kind = Outcome::Kind::kModeSelect;
    outcome.mode = list.change;
  }
  return outcome;
}

Outcome mode_select(const Context& c, size_t header) {
  if (Outcome bad = check_flags(c); bad.status != Status::kGood) {
    return bad;
  }
  std::span<const uint8_t> bytes;
  if (!parameter_list(c, bytes)) {
    return parameter_list_length_error(c);
  }
  if (bytes.empty()) {
    return good();
  }
  if (bytes.size() < header) {
    return parameter_list_length_error(c);
  }
  List list{c, bytes, header, {c.lun.write_cache, c.lun.software_write_protect}};
  const bool ten = header == 8;
  const size_t medium_type = ten ? 2 : 1;
  if (bytes[medium_type] != 0) {
    return invalid_parameter(medium_type);
  }
  const size_t length_at = ten ? 6 : 3;  // BLOCK DESCRIPTOR LENGTH
  const size_t length = ten ? load_be16(&bytes[length_at]) : bytes[length_at];
  const bool long_lba = ten && (bytes[4] & 0x01) != 0;  // LONGLBA
  if (Outcome bad = check_block_descriptor(list, length, length_at, long_lba);
      bad.status != Status::kGood) {
    return bad;
  }
  return take_pages(list);
}

}  // namespace

Outcome mode_select_6(const Context& c) {
  return mode_select(c, 4);
}

Outcome mode_select_10(const Context& c) {
  return mode_select(c, 8);
}

}  // namespace tcmud::scsi
