// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "support/fake_device.h"

namespace tcmud::test {

using Cdb = std::vector<uint8_t>;
using Bytes = std::vector<uint8_t>;

// CDBs as an initiator builds them (SPC-5 clause 6, SBC-4 clause 5). `flags` is byte 1 as it stands
// in the CDB: FUA is 08h, DPO 10h; UNMAP of WRITE SAME 08h, NDOB 01h; BYTCHK 1 of VERIFY 02h.
// Lengths are in blocks where LBAs are, else bytes.
namespace cdb {

Cdb test_unit_ready();
Cdb request_sense(uint8_t length = 252);
Cdb inquiry(uint16_t length = 255);
Cdb inquiry_vpd(uint8_t page, uint16_t length = 255);
Cdb mode_sense_6(uint8_t page, uint8_t length = 255);
Cdb mode_sense_10(uint8_t page, uint16_t length = 4096);
Cdb mode_select_6(uint8_t length);
Cdb mode_select_10(uint16_t length);
Cdb start_stop_unit(uint8_t byte_4);
Cdb read_capacity_10();
Cdb read_capacity_16(uint32_t length = 32);
Cdb read_6(uint32_t lba, uint8_t blocks);  // blocks 0: 256
Cdb read_10(uint32_t lba, uint16_t blocks, uint8_t flags = 0);
Cdb read_12(uint32_t lba, uint32_t blocks, uint8_t flags = 0);
Cdb read_16(uint64_t lba, uint32_t blocks, uint8_t flags = 0);
Cdb write_6(uint32_t lba, uint8_t blocks);  // blocks 0: 256
Cdb write_10(uint32_t lba, uint16_t blocks, uint8_t flags = 0);
Cdb write_12(uint32_t lba, uint32_t blocks, uint8_t flags = 0);
Cdb write_16(uint64_t lba, uint32_t blocks, uint8_t flags = 0);
Cdb write_and_verify_10(uint32_t lba, uint16_t blocks, uint8_t flags = 0);
Cdb write_and_verify_16(uint64_t lba, uint32_t blocks, uint8_t flags = 0);
Cdb verify_10(uint32_t lba, uint16_t blocks, uint8_t flags = 0);
Cdb verify_16(uint64_t lba, uint32_t blocks, uint8_t flags = 0);
Cdb synchronize_cache_10(uint32_t lba = 0, uint16_t blocks = 0);
Cdb synchronize_cache_16(uint64_t lba = 0, uint32_t blocks = 0);
Cdb write_same_10(uint32_t lba, uint16_t blocks, uint8_t flags = 0);
Cdb write_same_16(uint64_t lba, uint32_t blocks, uint8_t flags = 0);
Cdb compare_and_write(uint64_t lba, uint8_t blocks, uint8_t flags = 0);
Cdb unmap(uint16_t parameter_list_length);
Cdb get_lba_status(uint64_t lba, uint32_t length = 24);
Cdb report_supported_opcodes(uint32_t length = 4096);
Cdb report_target_port_groups(uint32_t length = 4096);

}  // namespace cdb

struct BlockRange {
  uint64_t lba;
  uint32_t blocks;
};

// UNMAP's parameter list (SBC-4 5.33.2).
[[nodiscard]] Bytes unmap_list(std::span<const BlockRange> ranges);

// `bytes` of repeatable noise; different seeds differ everywhere.
[[nodiscard]] Bytes pattern(uint64_t seed, size_t bytes);

// An initiator that waits for each command. The 16-byte forms.
class ScsiClient {
 public:
  explicit ScsiClient(FakeDevice& device)
      : device_(device), block_size_(device.spec().block_size) {}

  Outcome test_unit_ready() { return device_.run(cdb::test_unit_ready()); }
  Outcome inquiry() { return device_.run(cdb::inquiry(), {}, 255); }
  Outcome inquiry_vpd(uint8_t page) { return device_.run(cdb::inquiry_vpd(page), {}, 255); }
  Outcome read(uint64_t lba, uint32_t blocks, uint8_t flags = 0) {
    return start_read(lba, blocks, flags).wait();
  }
  // data is a multiple of the block size.
  Outcome write(uint64_t lba, std::span<const uint8_t> data, uint8_t flags = 0) {
    return start_write(lba, data, flags).wait();
  }
  Outcome flush() { return device_.run(cdb::synchronize_cache_16()); }
  Outcome unmap(std::span<const BlockRange> ranges);
  // One block of data; with NDOB none.
  Outcome write_same(uint64_t lba, uint32_t blocks, std::span<const uint8_t> block,
                     uint8_t flags = 0) {
    return device_.run(cdb::write_same_16(lba, blocks, flags), block);
  }
  Outcome compare_and_write(uint64_t lba, std::span<const uint8_t> expected,
                            std::span<const uint8_t> next);

  Ticket start_read(uint64_t lba, uint32_t blocks, uint8_t flags = 0) {
    return device_.submit(cdb::read_16(lba, blocks, flags), {}, size_t{blocks} * block_size_);
  }
  Ticket start_write(uint64_t lba, std::span<const uint8_t> data, uint8_t flags = 0) {
    return device_.submit(
        cdb::write_16(lba, static_cast<uint32_t>(data.size() / block_size_), flags), data);
  }

 private:
  FakeDevice& device_;
  uint32_t block_size_;
};

}  // namespace tcmud::test
