// SPDX-License-Identifier: Apache-2.0
#include "support/scsi_client.h"

#include "base/bytes.h"

namespace tcmud::test {
namespace {

// opcode, flags, LBA(4), group, length(2), control
Cdb ten(uint8_t opcode, uint8_t flags, uint32_t lba, uint16_t length) {
  Cdb cdb(10);
  cdb[0] = opcode;
  cdb[1] = flags;
  store_be32(&cdb[2], lba);
  store_be16(&cdb[7], length);
  return cdb;
}

// opcode, flags, LBA(4), length(4), group, control
Cdb twelve(uint8_t opcode, uint8_t flags, uint32_t lba, uint32_t length) {
  Cdb cdb(12);
  cdb[0] = opcode;
  cdb[1] = flags;
  store_be32(&cdb[2], lba);
  store_be32(&cdb[6], length);
  return cdb;
}

// opcode, flags, LBA(8), length(4), group, control
Cdb sixteen(uint8_t opcode, uint8_t flags, uint64_t lba, uint32_t length) {
  Cdb cdb(16);
  cdb[0] = opcode;
  cdb[1] = flags;
  store_be64(&cdb[2], lba);
  store_be32(&cdb[10], length);
  return cdb;
}

// opcode, LBA(21 bits), length, control
Cdb six(uint8_t opcode, uint32_t lba, uint8_t length) {
  return {opcode,
          static_cast<uint8_t>(lba >> 16 & 0x1f),
          static_cast<uint8_t>(lba >> 8),
          static_cast<uint8_t>(lba),
          length,
          0};
}

}  // namespace

namespace cdb {

Cdb test_unit_ready() {
  return Cdb(6);
}
Cdb request_sense(uint8_t length) {
  return {0x03, 0, 0, 0, length, 0};
}
Cdb inquiry(uint16_t length) {
  return {0x12, 0, 0, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0};
}
Cdb inquiry_vpd(uint8_t page, uint16_t length) {
  return {0x12, 1, page, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0};
}
Cdb mode_sense_6(uint8_t page, uint8_t length) {
  return {0x1a, 0, page, 0, length, 0};
}
Cdb mode_sense_10(uint8_t page, uint16_t length) {
  Cdb cdb(10);
  cdb[0] = 0x5a;
  cdb[2] = page;
  store_be16(&cdb[7], length);
  return cdb;
}
Cdb mode_select_6(uint8_t length) {
  return {0x15, 0x10, 0, 0, length, 0};
}
Cdb mode_select_10(uint16_t length) {
  return ten(0x55, 0x10, 0, length);
}
Cdb start_stop_unit(uint8_t byte_4) {
  return {0x1b, 0, 0, 0, byte_4, 0};
}
Cdb read_capacity_10() {
  return ten(0x25, 0, 0, 0);
}
Cdb read_capacity_16(uint32_t length) {
  return sixteen(0x9e, 0x10, 0, length);
}
Cdb read_6(uint32_t lba, uint8_t blocks) {
  return six(0x08, lba, blocks);
}
Cdb read_10(uint32_t lba, uint16_t blocks, uint8_t flags) {
  return ten(0x28, flags, lba, blocks);
}
Cdb read_12(uint32_t lba, uint32_t blocks, uint8_t flags) {
  return twelve(0xa8, flags, lba, blocks);
}
Cdb read_16(uint64_t lba, uint32_t blocks, uint8_t flags) {
  return sixteen(0x88, flags, lba, blocks);
}
Cdb write_6(uint32_t lba, uint8_t blocks) {
  return six(0x0a, lba, blocks);
}
Cdb write_10(uint32_t lba, uint16_t blocks, uint8_t flags) {
  return ten(0x2a, flags, lba, blocks);
}
Cdb write_12(uint32_t lba, uint32_t blocks, uint8_t flags) {
  return twelve(0xaa, flags, lba, blocks);
}
Cdb write_16(uint64_t lba, uint32_t blocks, uint8_t flags) {
  return sixteen(0x8a, flags, lba, blocks);
}
Cdb write_and_verify_10(uint32_t lba, uint16_t blocks, uint8_t flags) {
  return ten(0x2e, flags, lba, blocks);
}
Cdb write_and_verify_16(uint64_t lba, uint32_t blocks, uint8_t flags) {
  return sixteen(0x8e, flags, lba, blocks);
}
Cdb verify_10(uint32_t lba, uint16_t blocks, uint8_t flags) {
  return ten(0x2f, flags, lba, blocks);
}
Cdb verify_16(uint64_t lba, uint32_t blocks, uint8_t flags) {
  return sixteen(0x8f, flags, lba, blocks);
}
Cdb synchronize_cache_10(uint32_t lba, uint16_t blocks) {
  return ten(0x35, 0, lba, blocks);
}
Cdb synchronize_cache_16(uint64_t lba, uint32_t blocks) {
  return sixteen(0x91, 0, lba, blocks);
}
Cdb write_same_10(uint32_t lba, uint16_t blocks, uint8_t flags) {
  return ten(0x41, flags, lba, blocks);
}
Cdb write_same_16(uint64_t lba, uint32_t blocks, uint8_t flags) {
  return sixteen(0x93, flags, lba, blocks);
}
Cdb compare_and_write(uint64_t lba, uint8_t blocks, uint8_t flags) {
  return sixteen(0x89, flags, lba, blocks);
}
Cdb unmap(uint16_t parameter_list_length) {
  return ten(0x42, 0, 0, parameter_list_length);
}
Cdb get_lba_status(uint64_t lba, uint32_t length) {
  return sixteen(0x9e, 0x12, lba, length);
}
Cdb report_supported_opcodes(uint32_t length) {
  return twelve(0xa3, 0x0c, 0, length);
}
Cdb report_target_port_groups(uint32_t length) {
  return twelve(0xa3, 0x0a, 0, length);
}

}  // namespace cdb

Bytes unmap_list(std::span<const BlockRange> ranges) {
  Bytes list(8 + ranges.size() * 16);
  store_be16(&list[0], static_cast<uint16_t>(list.size() - 2));
  store_be16(&list[2], static_cast<uint16_t>(list.size() - 8));
  uint8_t* at = list.data() + 8;
  for (const BlockRange& range : ranges) {
    store_be64(at, range.lba);
    store_be32(at + 8, range.blocks);
    at += 16;
  }
  return list;
}

Bytes pattern(uint64_t seed, size_t bytes) {
  Bytes data(bytes);
  uint64_t state = seed * 0x9e3779b97f4a7c15U + 0x2545f4914f6cdd1dU;
  for (uint8_t& byte : data) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    byte = static_cast<uint8_t>(state >> 32);
  }
  return data;
}

Outcome ScsiClient::unmap(std::span<const BlockRange> ranges) {
  const Bytes list = unmap_list(ranges);
  return device_.run(cdb::unmap(static_cast<uint16_t>(list.size())), list);
}

Outcome ScsiClient::compare_and_write(uint64_t lba, std::span<const uint8_t> expected,
                                      std::span<const uint8_t> next) {
  Bytes both(expected.begin(), expected.end());
  both.insert(both.end(), next.begin(), next.end());
  return device_.run(
      cdb::compare_and_write(lba, static_cast<uint8_t>(expected.size() / block_size_)), both);
}

}  // namespace tcmud::test
