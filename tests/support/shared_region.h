// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/fd.h"
#include "base/mapping.h"

namespace tcmud::test {

inline constexpr uint32_t kPageSize = 4096;
inline constexpr uint32_t kMailboxSize = 128;  // cmdr_off of every kernel so far

// The shape of a device's shared memory: what configfs calls cmd_ring_size_mb, max_data_area_mb and
// data_pages_per_blk.
struct Geometry {
  uint32_t ring_bytes = 1U << 20;        // mailbox and ring; any multiple of 4096, for short rings
  uint64_t data_area_bytes = 16U << 20;  // multiple of 4096
  uint32_t pages_per_block = 1;          // pages of 4096 bytes
  uint16_t mailbox_flags = 0xf;          // TCMU_MAILBOX_FLAG_CAP_*

  [[nodiscard]] uint32_t command_ring_size() const { return ring_bytes - kMailboxSize; }
  [[nodiscard]] uint32_t block_bytes() const { return pages_per_block * kPageSize; }
  [[nodiscard]] uint32_t blocks() const {
    return static_cast<uint32_t>(data_area_bytes / block_bytes());
  }
  [[nodiscard]] uint64_t map_bytes() const { return ring_bytes + data_area_bytes; }
};

// The memory behind a UIO node: a sparse memfd, mapped here as the kernel sees it. Maps for the
// daemon are separate, so that the two sides share bytes and nothing else. Throws std::system_error
// when the machine is out of memory or fds.
class SharedRegion {
 public:
  explicit SharedRegion(const Geometry& geometry);

  [[nodiscard]] std::byte* base() const { return kernel_view_.bytes().data(); }
  [[nodiscard]] std::byte* data() const { return base() + geometry_.ring_bytes; }
  [[nodiscard]] const Geometry& geometry() const { return geometry_; }
  [[nodiscard]] int fd() const { return memfd_.get(); }
  [[nodiscard]] Mapping map_for_daemon() const;

 private:
  Geometry geometry_;
  Fd memfd_;
  Mapping kernel_view_;
};

// A shared mapping of all `bytes` of `fd`. Throws std::system_error.
[[nodiscard]] Mapping map_shared(int fd, size_t bytes);

}  // namespace tcmud::test
