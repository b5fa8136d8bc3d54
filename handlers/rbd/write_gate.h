// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

namespace tcmud::rbd {

// Lets writes, and reads where a cache may answer them, through while the lock is ours and enabled,
// and knows how many are under way.
//
// One order over both atomics decides: either a write sees that the gate is closed, or whoever
// closed it sees the write.
class WriteGate {
 public:
  // The LUN's loop. True: the write may go; leave() is owed.
  [[nodiscard]] bool enter() {
    under_way_.fetch_add(1, std::memory_order_seq_cst);
    if (open_.load(std::memory_order_seq_cst)) {
      return true;
    }
    leave();
    return false;
  }
  // Any thread, when nothing of the write can reach the storage any more.
  void leave() { under_way_.fetch_sub(1, std::memory_order_release); }

  void open() { open_.store(true, std::memory_order_seq_cst); }
  void close() { open_.store(false, std::memory_order_seq_cst); }
  [[nodiscard]] bool is_open() const { return open_.load(std::memory_order_acquire); }
  [[nodiscard]] uint64_t under_way() const { return under_way_.load(std::memory_order_seq_cst); }

 private:
  std::atomic<bool> open_{false};
  std::atomic<uint64_t> under_way_{0};
};

}  // namespace tcmud::rbd
