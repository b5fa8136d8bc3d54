// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernel/abi.h"
#include "kernel/ring.h"

namespace tcmud::kernel {

// Where things lie in one UIO mapping: the mailbox's words as they were at attach, checked then,
// never read again.
struct Geometry {
  std::byte* base = nullptr;  // of the mailbox
  uint64_t map_size = 0;      // bytes
  uint32_t ring_offset = 0;   // of the ring, from the mailbox; a multiple of 64
  uint32_t ring_size = 0;     // bytes; a multiple of 8
  uint64_t data_offset = 0;   // of the data area, from the mailbox
};

// One load of a naturally aligned field that the kernel may write at any time. Relaxed: the acquire
// load of cmd_head orders it behind the kernel's writes; atomic, so that the compiler can't load it
// a second time.
template <class T>
[[nodiscard]] inline T load_shared(const std::byte* field) {
  return __atomic_load_n(reinterpret_cast<const T*>(field), __ATOMIC_RELAXED);
}

// Copies bytes that the kernel may write at any time. What is read from the copy afterwards can't
// come from the source.
inline void copy_shared(void* to, const std::byte* from, size_t bytes) {
  std::memcpy(to, from, bytes);
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

// An entry of operation CMD is never shorter: the answer is written over the request and needs this
// much.
inline constexpr uint32_t kMinCommandEntry = abi::kCommandSize;

// Decodes the CMD entry of `length` bytes (>= kMinCommandEntry, within the ring) at `offset` from
// the mailbox into everything of `command` but its id. What can't be trusted makes it `malformed`;
// see CommandEntry.
void decode_command(const Geometry& geometry, uint32_t offset, uint32_t length,
                    std::span<iovec> room, CommandEntry& command);

// Decodes the TMR entry of `length` bytes (>= 8) at `entry`. False: it says that it is longer than
// it is.
[[nodiscard]] bool decode_tmr(const std::byte* entry, uint32_t length, TmrEntry& tmr);

// Writes the answer into an entry of at least kMinCommandEntry bytes; len_op and cmd_id stay as
// they are.
void write_response(std::byte* entry, const Completion& completion, bool may_tell_read_length);

}  // namespace tcmud::kernel
