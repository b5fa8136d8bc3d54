// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "kernel/abi.h"

namespace tcmud::kernel::test {

// A mailbox, a ring and a data area in plain memory, and the kernel's writing side of it as far as
// these tests need it: entries go where they are put, and nobody takes answers out but the test.
// Small, so that it wraps often.
class RingBuilder {
 public:
  struct Buffer {
    uint64_t offset;  // from the data area's start
    uint64_t length;
  };
  static constexpr uint32_t kRingAt = 128;
  static constexpr uint32_t kPage = 4096;

  // The ring takes `ring_bytes` + 3968, so that the data area begins on a page as the kernel's
  // does.
  explicit RingBuilder(uint32_t ring_pages = 1, uint32_t data_pages = 16,
                       uint16_t flags = abi::kCapOutOfOrder | abi::kCapReadLength | abi::kCapTmr)
      : ring_size_(ring_pages * kPage - kRingAt), size_((ring_pages + data_pages) * size_t{kPage}) {
    map_.reset(static_cast<std::byte*>(std::aligned_alloc(kPage, size_)));
    std::memset(map_.get(), 0, size_);
    put<uint16_t>(abi::kMailboxVersionAt, abi::kMailboxVersion);
    put<uint16_t>(abi::kMailboxFlagsAt, flags);
    put<uint32_t>(abi::kMailboxRingAt, kRingAt);
    put<uint32_t>(abi::kMailboxRingSizeAt, ring_size_);
  }

  [[nodiscard]] std::span<std::byte> map() const { return {map_.get(), size_}; }
  [[nodiscard]] std::byte* data() const { return map_.get() + data_offset(); }
  [[nodiscard]] uint32_t data_offset() const { return kRingAt + ring_size_; }
  [[nodiscard]] uint32_t ring_size() const { return ring_size_; }

  template <class T>
  void put(size_t at, T value) {
    std::memcpy(map_.get() + at, &value, sizeof value);
  }
  template <class T>
  [[nodiscard]] T get(size_t at) const {
    T value;
    std::memcpy(&value, map_.get() + at, sizeof value);
    return value;
  }
  // The same, from the start of the entry at ring offset `entry`.
  template <class T>
  void put_entry(uint32_t entry, size_t at, T value) {
    put<T>(kRingAt + entry + at, value);
  }
  template <class T>
  [[nodiscard]] T get_entry(uint32_t entry, size_t at) const {
    return get<T>(kRingAt + entry + at);
  }

  [[nodiscard]] uint32_t head() const { return head_; }
  [[nodiscard]] uint32_t tail() const {
    return __atomic_load_n(word(abi::kMailboxTailAt), __ATOMIC_ACQUIRE);
  }
  void set_head(uint32_t head) {
    head_ = head;
    __atomic_store_n(word(abi::kMailboxHeadAt), head, __ATOMIC_RELEASE);
  }

  static uint32_t command_length(size_t cdb_length, size_t iovecs) {
    const size_t body = std::max<size_t>(abi::kCommandSize, abi::kIovecsAt + 16 * iovecs);
    return static_cast<uint32_t>(body + (cdb_length + 7) / 8 * 8);
  }
  // Bytes between the head and the ring's end.
  [[nodiscard]] uint32_t room() const { return ring_size_ - head_; }

  // Each of these returns the entry's ring offset; the head moves behind it unless `publish` is
  // false.
  uint32_t add_command(uint16_t id, const std::vector<uint8_t>& cdb,
                       const std::vector<Buffer>& out = {}, const std::vector<Buffer>& in = {}) {
    const size_t iovecs = out.size() + in.size();
    const uint32_t length = command_length(cdb.size(), iovecs);
    const uint32_t entry = begin(length, abi::kOpCommand, id);
    put_entry<uint32_t>(entry, abi::kIovecCountAt, static_cast<uint32_t>(out.size()));
    put_entry<uint32_t>(entry, abi::kBidiIovecCountAt, static_cast<uint32_t>(in.size()));
    size_t at = abi::kIovecsAt;
    for (const auto* list : {&out, &in}) {
      for (const Buffer& buffer : *list) {
        put_entry<uint64_t>(entry, at, data_offset() + buffer.offset);
        put_entry<uint64_t>(entry, at + 8, buffer.length);
        at += 16;
      }
    }
    const size_t cdb_at = std::max<size_t>(abi::kCommandSize, abi::kIovecsAt + 16 * iovecs);
    put_entry<uint64_t>(entry, abi::kCdbOffsetAt, kRingAt + entry + cdb_at);
    std::memcpy(map_.get() + kRingAt + entry + cdb_at, cdb.data(), cdb.size());
    end(length);
    return entry;
  }
  uint32_t add_tmr(uint8_t type, const std::vector<uint16_t>& ids) {
    const auto length = static_cast<uint32_t>((abi::kTmrIdsAt + 2 * ids.size() + 7) / 8 * 8);
    const uint32_t entry = begin(length, abi::kOpTmr, 0);
    put_entry<uint8_t>(entry, abi::kTmrTypeAt, type);
    put_entry<uint32_t>(entry, abi::kTmrCountAt, static_cast<uint32_t>(ids.size()));
    for (size_t i = 0; i < ids.size(); ++i) {
      put_entry<uint16_t>(entry, abi::kTmrIdsAt + 2 * i, ids[i]);
    }
    end(length);
    return entry;
  }
  uint32_t add_pad() {
    const uint32_t length = room();
    const uint32_t entry = begin(length, abi::kOpPad, 0);
    end(length);
    return entry;
  }
  uint32_t add_unknown(uint8_t op, uint16_t id, uint32_t length = 16) {
    const uint32_t entry = begin(length, op, id);
    end(length);
    return entry;
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  [[nodiscard]] uint32_t* word(size_t at) const {
    return reinterpret_cast<uint32_t*>(map_.get() + at);
  }
  uint32_t begin(uint32_t length, uint32_t op, uint16_t id) {
    std::memset(map_.get() + kRingAt + head_, 0, length);
    put_entry<uint32_t>(head_, abi::kLengthOpAt, length | op);
    put_entry<uint16_t>(head_, abi::kIdAt, id);
    return head_;
  }
  void end(uint32_t length) { set_head((head_ + length) % ring_size_); }

  uint32_t ring_size_;
  size_t size_;
  uint32_t head_ = 0;
  std::unique_ptr<std::byte, Free> map_;
};

}  // namespace tcmud::kernel::test
