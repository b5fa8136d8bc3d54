// SPDX-License-Identifier: Apache-2.0
#include "bench/floor_scsi.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"

namespace tcmud::bench {
namespace {

constexpr FloorAnswer kGood{};
constexpr FloorAnswer kMediumError{0x02, 0x03, 0x11};
constexpr FloorAnswer kNoSuchCommand{0x02, 0x05, 0x20};
constexpr FloorAnswer kNoSuchField{0x02, 0x05, 0x24};

// The beginning of `data` goes into the buffer, the rest of the buffer is zeroed.
FloorAnswer give(const uint8_t* data, size_t bytes, const iovec* iov, uint32_t iov_count) {
  for (uint32_t i = 0; i < iov_count; ++i) {
    auto* to = static_cast<uint8_t*>(iov[i].iov_base);
    const size_t part = std::min(bytes, iov[i].iov_len);
    std::copy_n(data, part, to);
    std::fill(to + part, to + iov[i].iov_len, uint8_t{0});
    data += part;
    bytes -= part;
  }
  return kGood;
}

FloorAnswer inquiry(const uint8_t* cdb, const iovec* iov, uint32_t iov_count) {
  static constexpr char kText[] = "LIO-ORG TCMU floor      0001";
  if ((cdb[1] & 1) == 0) {
    std::array<uint8_t, 36> data{0x00, 0x00, 0x05, 0x02, 31};
    std::copy_n(kText, 28, data.begin() + 8);
    return give(data.data(), data.size(), iov, iov_count);
  }
  if (cdb[2] == 0x00) {
    static constexpr std::array<uint8_t, 6> kPages{0, 0, 0, 2, 0x00, 0x83};
    return give(kPages.data(), kPages.size(), iov, iov_count);
  }
  if (cdb[2] == 0x83) {
    std::array<uint8_t, 24> data{0, 0x83, 0, 20, 0x02, 0x01, 0, 16};
    std::copy_n(kText, 16, data.begin() + 8);
    return give(data.data(), data.size(), iov, iov_count);
  }
  return kNoSuchField;
}

FloorAnswer capacity_10(const iovec* iov, uint32_t iov_count, const FloorOptions& options) {
  std::array<uint8_t, 8> data{};
  const uint64_t last = options.lun_bytes / options.block_size - 1;
  store_be32(&data[0], static_cast<uint32_t>(std::min<uint64_t>(last, UINT32_MAX)));
  store_be32(&data[4], options.block_size);
  return give(data.data(), data.size(), iov, iov_count);
}

FloorAnswer capacity_16(const iovec* iov, uint32_t iov_count, const FloorOptions& options) {
  std::array<uint8_t, 32> data{};
  store_be64(&data[0], options.lun_bytes / options.block_size - 1);
  store_be32(&data[8], options.block_size);
  return give(data.data(), data.size(), iov, iov_count);
}

FloorAnswer transfer(bool is_read, uint64_t lba, iovec* iov, uint32_t iov_count,
                     const FloorOptions& options) {
  auto offset = static_cast<off_t>(lba * options.block_size);
  while (iov_count > 0) {
    const int part = static_cast<int>(std::min<uint32_t>(iov_count, 1024));
    ssize_t bytes = is_read ? ::preadv(options.file_fd, iov, part, offset)
                            : ::pwritev(options.file_fd, iov, part, offset);
    if (bytes <= 0) {
      return kMediumError;
    }
    offset += bytes;
    while (iov_count > 0 && static_cast<size_t>(bytes) >= iov->iov_len) {
      bytes -= static_cast<ssize_t>(iov->iov_len);
      ++iov;
      --iov_count;
    }
    if (bytes > 0) {
      iov->iov_base = static_cast<char*>(iov->iov_base) + bytes;
      iov->iov_len -= static_cast<size_t>(bytes);
    }
  }
  return kGood;
}

}  // namespace

FloorAnswer execute(const uint8_t* cdb, iovec* iov, uint32_t iov_count,
                    const FloorOptions& options) {
  const uint8_t opcode = cdb[0];
  switch (opcode) {
    case 0x28:  // READ(10), WRITE(10)
    case 0x2a:
      return transfer(opcode == 0x28, load_be32(cdb + 2), iov, iov_count, options);
    case 0xa8:  // READ(12), WRITE(12)
    case 0xaa:
      return transfer(opcode == 0xa8, load_be32(cdb + 2), iov, iov_count, options);
    case 0x88:  // READ(16), WRITE(16)
    case 0x8a:
      return transfer(opcode == 0x88, load_be64(cdb + 2), iov, iov_count, options);
    case 0x08:  // READ(6), WRITE(6)
    case 0x0a:
      return transfer(opcode == 0x08, load_be24(cdb + 1) & 0x1fffff, iov, iov_count, options);
    case 0x00:  // TEST UNIT READY
    case 0x1b:  // START STOP UNIT
    case 0x35:  // SYNCHRONIZE CACHE
    case 0x91:
      return kGood;
    case 0x12:
      return inquiry(cdb, iov, iov_count);
    case 0x25:
      return capacity_10(iov, iov_count, options);
    case 0x9e:
      return (cdb[1] & 0x1f) == 0x10 ? capacity_16(iov, iov_count, options) : kNoSuchField;
    case 0x1a: {  // MODE SENSE: the header alone
      static constexpr std::array<uint8_t, 4> kHeader{3, 0, 0, 0};
      return give(kHeader.data(), kHeader.size(), iov, iov_count);
    }
    case 0x5a: {
      static constexpr std::array<uint8_t, 8> kHeader{0, 6, 0, 0, 0, 0, 0, 0};
      return give(kHeader.data(), kHeader.size(), iov, iov_count);
    }
    default:
      return kNoSuchCommand;
  }
}

}  // namespace tcmud::bench
