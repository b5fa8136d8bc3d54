// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "support/race_mirror.h"
#include "support/shared_region.h"
#include "support/violations.h"

namespace tcmud::test {

// What a completed command leaves in its data blocks, and what the fake looks for before it hands
// them out again.
inline constexpr uint8_t kPoison = 0xa5;

// In which order free cmd_ids and data blocks are handed out.
enum class Reuse {
  kLowestFirst,  // as the kernel does: what has just been freed comes back at once
  kRoundRobin,  // as late as possible, so that a late write or a stale completion hits nothing live
                // and is noticed
};

// The data area: which block belongs to whom. One thread at a time.
class BlockArea {
 public:
  // `data` is the kernel's view of the area. Without `poison` a freed block keeps its bytes.
  BlockArea(std::byte* data, const Geometry& geometry, Reuse reuse, bool poison,
            Violations& violations);

  // All `count` blocks, ascending where the order of reuse allows, or none of them: false.
  // `bytes` is how much of them will be used.
  bool allocate(size_t count, uint64_t bytes, std::vector<uint32_t>& blocks);
  void free(std::vector<uint32_t>& blocks);

  // iovecs as an entry carries them: offsets from the start of the map, neighbours merged.
  void append_iovecs(std::span<const uint32_t> blocks, uint64_t bytes,
                     std::vector<iovec>& out) const;
  void scatter(std::span<const uint32_t> blocks, std::span<const uint8_t> from);
  void gather(std::span<const uint32_t> blocks, std::span<uint8_t> to) const;
  [[nodiscard]] uint8_t* block(uint32_t index) const;

  // Looks at every free block for writes that came too late.
  void verify_free();
  // From now on writes to free blocks are nobody's business.
  void stop_watching();
  [[nodiscard]] uint32_t in_use() const { return in_use_; }
  [[nodiscard]] uint64_t blocks_for(uint64_t bytes) const {
    return (bytes + block_bytes_ - 1) / block_bytes_;
  }

  // While the daemon's own view is known, blocks that are not in use are unreachable there
  // (SIGSEGV, EFAULT).
  void protect(std::byte* daemon_data);
  void forget_daemon_view() { daemon_data_ = nullptr; }
  RaceMirror& mirror() { return mirror_; }

 private:
  void verify(uint32_t index);
  [[nodiscard]] uint32_t next_free(uint32_t at) const;
  void set_access(uint32_t index, uint32_t pages, int protection);

  std::byte* data_;
  uint32_t block_bytes_;
  uint32_t max_blocks_;
  uint32_t data_offset_;
  Reuse reuse_;
  bool poison_;
  Violations& violations_;
  std::byte* daemon_data_ = nullptr;
  RaceMirror mirror_;

  std::vector<uint64_t> bitmap_;  // 1: in use
  std::vector<uint32_t>
      used_bytes_;  // per block: whole pages that its present or last owner could touch
  std::vector<uint32_t> poisoned_bytes_;  // per block: how much holds poison while it is free
  uint32_t threshold_ = 0;  // the kernel's dbi_thresh: only blocks below it are looked at
  uint32_t in_use_ = 0;
  uint32_t next_ = 0;  // where round robin goes on
};

}  // namespace tcmud::test
