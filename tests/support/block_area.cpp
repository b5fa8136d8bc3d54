// SPDX-License-Identifier: Apache-2.0
#include "support/block_area.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include <fmt/core.h>
#include <sys/mman.h>

namespace tcmud::test {

BlockArea::BlockArea(std::byte* data, const Geometry& geometry, Reuse reuse, bool poison,
                     Violations& violations)
    : data_(data),
      block_bytes_(geometry.block_bytes()),
      max_blocks_(geometry.blocks()),
      data_offset_(geometry.ring_bytes),
      reuse_(reuse),
      poison_(poison),
      violations_(violations),
      bitmap_((max_blocks_ + 63) / 64),
      used_bytes_(max_blocks_),
      poisoned_bytes_(max_blocks_) {}

uint8_t* BlockArea::block(uint32_t index) const {
  return reinterpret_cast<uint8_t*>(data_) + static_cast<uint64_t>(index) * block_bytes_;
}

// The first zero bit at or after `at` and below the threshold, else the first one at all. There is
// one.
uint32_t BlockArea::next_free(uint32_t at) const {
  for (;;) {
    const uint64_t free_bits = ~bitmap_[at / 64] >> (at % 64);
    if (free_bits != 0) {
      at += static_cast<uint32_t>(std::countr_zero(free_bits));
    } else {
      at = (at / 64 + 1) * 64;
    }
    if (at < threshold_ && free_bits != 0) {
      return at;
    }
    if (at >= threshold_) {
      at = 0;
    }
  }
}

bool BlockArea::allocate(size_t count, uint64_t bytes, std::vector<uint32_t>& blocks) {
  if (max_blocks_ - in_use_ < count) {
    return false;
  }
  if (reuse_ == Reuse::kRoundRobin) {
    threshold_ = max_blocks_;
  } else if (threshold_ - in_use_ < count) {
    threshold_ = std::min<uint64_t>(max_blocks_, threshold_ + count);
  }
  uint32_t at = reuse_ == Reuse::kRoundRobin ? next_ : 0;
  for (size_t i = 0; i < count; ++i) {
    at = next_free(at);
    bitmap_[at / 64] |= uint64_t{1} << (at % 64);
    ++in_use_;
    verify(at);
    const uint64_t part = std::min<uint64_t>(block_bytes_, bytes);
    bytes -= part;
    used_bytes_[at] = static_cast<uint32_t>((part + kPageSize - 1) / kPageSize * kPageSize);
    set_access(at, used_bytes_[at] / kPageSize, PROT_READ | PROT_WRITE);
    blocks.push_back(at);
  }
  next_ = blocks.empty() ? next_ : (blocks.back() + 1) % max_blocks_;
  return true;
}

void BlockArea::free(std::vector<uint32_t>& blocks) {
  for (const uint32_t index : blocks) {
    bitmap_[index / 64] &= ~(uint64_t{1} << (index % 64));
    --in_use_;
    set_access(index, block_bytes_ / kPageSize, PROT_NONE);
    if (poison_) {
      std::memset(block(index), kPoison, used_bytes_[index]);
      mirror_.written(block(index), used_bytes_[index]);
      poisoned_bytes_[index] = std::max(poisoned_bytes_[index], used_bytes_[index]);
    }
  }
  blocks.clear();
}

void BlockArea::verify(uint32_t index) {
  const size_t bytes = poisoned_bytes_[index];
  const uint8_t* p = block(index);
  if (bytes == 0 || (p[0] == kPoison && std::memcmp(p, p + 1, bytes - 1) == 0)) {
    return;
  }
  const uint8_t* bad = std::find_if(p, p + bytes, [](uint8_t byte) { return byte != kPoison; });
  violations_.record(
      Violation::kLateWrite,
      fmt::format(
          "byte {:#x} of the data area (block {}) was written after its command had been completed",
          bad - reinterpret_cast<uint8_t*>(data_), index));
  std::memset(block(index), kPoison, bytes);
}

void BlockArea::verify_free() {
  for (uint32_t index = 0; index < max_blocks_; ++index) {
    if ((bitmap_[index / 64] >> (index % 64) & 1) == 0) {
      verify(index);
    }
  }
}

void BlockArea::stop_watching() {
  poison_ = false;
  std::ranges::fill(poisoned_bytes_, 0);
}

void BlockArea::append_iovecs(std::span<const uint32_t> blocks, uint64_t bytes,
                              std::vector<iovec>& out) const {
  const size_t first = out.size();
  uint32_t previous = 0;
  for (const uint32_t index : blocks) {
    const uint64_t part = std::min<uint64_t>(block_bytes_, bytes);
    bytes -= part;
    if (out.size() > first && index == previous + 1) {
      out.back().iov_len += part;
    } else {
      const uint64_t offset = data_offset_ + static_cast<uint64_t>(index) * block_bytes_;
      out.push_back({reinterpret_cast<void*>(offset), part});
    }
    previous = index;
  }
}

void BlockArea::scatter(std::span<const uint32_t> blocks, std::span<const uint8_t> from) {
  for (const uint32_t index : blocks) {
    const size_t part = std::min<size_t>(block_bytes_, from.size());
    std::memcpy(block(index), from.data(), part);
    mirror_.written(block(index), part);
    from = from.subspan(part);
  }
}

void BlockArea::gather(std::span<const uint32_t> blocks, std::span<uint8_t> to) const {
  for (const uint32_t index : blocks) {
    const size_t part = std::min<size_t>(block_bytes_, to.size());
    if (part == 0) {
      return;
    }
    mirror_.read(block(index), part);
    std::memcpy(to.data(), block(index), part);
    to = to.subspan(part);
  }
}

void BlockArea::protect(std::byte* daemon_data) {
  daemon_data_ = daemon_data;
  for (uint32_t index = 0; index < max_blocks_; ++index) {
    set_access(index, block_bytes_ / kPageSize, PROT_NONE);
    if ((bitmap_[index / 64] >> (index % 64) & 1) != 0) {
      set_access(index, used_bytes_[index] / kPageSize, PROT_READ | PROT_WRITE);
    }
  }
}

void BlockArea::set_access(uint32_t index, uint32_t pages, int protection) {
  if (daemon_data_ != nullptr) {
    ::mprotect(daemon_data_ + static_cast<uint64_t>(index) * block_bytes_,
               static_cast<size_t>(pages) * kPageSize, protection);
  }
}

}  // namespace tcmud::test
