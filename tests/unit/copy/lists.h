// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "base/bytes.h"

// Parameter lists of third-party copy commands, as an initiator builds them (SPC-4, SBC-4).
namespace tcmud::test {

struct CopySegment {
  uint16_t source, destination, blocks;
  uint64_t from, to;  // LBAs
};

inline std::vector<uint8_t> cscd(std::span<const uint8_t> naa, uint32_t block_size) {
  std::vector<uint8_t> d(32);
  d[0] = 0xE4;
  d[4] = 0x01;
  d[5] = 0x03;
  d[7] = static_cast<uint8_t>(naa.size());
  std::copy(naa.begin(), naa.end(), d.begin() + 8);
  store_be24(&d[29], block_size);
  return d;
}

// EXTENDED COPY (LID1).
inline std::vector<uint8_t> xcopy_list(uint8_t list_identifier, uint8_t usage,
                                       const std::vector<std::vector<uint8_t>>& cscds,
                                       const std::vector<CopySegment>& segments) {
  std::vector<uint8_t> list(16);
  list[0] = list_identifier;
  list[1] = static_cast<uint8_t>(usage << 3);
  store_be16(&list[2], static_cast<uint16_t>(32 * cscds.size()));
  store_be32(&list[8], static_cast<uint32_t>(28 * segments.size()));
  for (const auto& d : cscds) {
    list.insert(list.end(), d.begin(), d.end());
  }
  for (const CopySegment& s : segments) {
    std::vector<uint8_t> d(28);
    d[0] = 0x02;
    d[3] = 24;
    store_be16(&d[4], s.source);
    store_be16(&d[6], s.destination);
    store_be16(&d[10], s.blocks);
    store_be64(&d[12], s.from);
    store_be64(&d[20], s.to);
    list.insert(list.end(), d.begin(), d.end());
  }
  return list;
}

struct TokenRange {
  uint64_t lba;
  uint32_t blocks;
};

inline void append_ranges(std::vector<uint8_t>& list, const std::vector<TokenRange>& ranges) {
  store_be16(&list[list.size() - 2], static_cast<uint16_t>(16 * ranges.size()));
  for (const TokenRange& range : ranges) {
    std::vector<uint8_t> d(16);
    store_be64(&d[0], range.lba);
    store_be32(&d[8], range.blocks);
    list.insert(list.end(), d.begin(), d.end());
  }
  store_be16(&list[0], static_cast<uint16_t>(list.size() - 2));
}

// POPULATE TOKEN; timeout in seconds, 0 = the default.
inline std::vector<uint8_t> populate_list(const std::vector<TokenRange>& ranges,
                                          uint32_t timeout = 0) {
  std::vector<uint8_t> list(16);
  store_be32(&list[4], timeout);
  append_ranges(list, ranges);
  return list;
}

inline constexpr uint8_t kImmediate = 0x01, kDeleteToken = 0x02;

// WRITE USING TOKEN; `offset` in blocks.
inline std::vector<uint8_t> write_list(std::span<const uint8_t> token,
                                       const std::vector<TokenRange>& ranges, uint64_t offset = 0,
                                       uint8_t flags = 0) {
  std::vector<uint8_t> list(536);
  list[2] = flags;
  store_be64(&list[8], offset);
  std::copy(token.begin(), token.end(), list.begin() + 16);
  append_ranges(list, ranges);
  return list;
}

}  // namespace tcmud::test
