// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include <tcmud/handler.h>

namespace tcmud::file {

// The kernel reports a failed write-back once per open file, to whichever sync comes first, and
// then forgets it. As one sync may cover the writes of many requests, its error belongs to more
// than the one that it was told to:
//  - to every flush that was asked for before that sync ended;
//  - where a FUA write was told, to the next flush too, as the lost data may be older than that
//  write. Whether an error is
//    of its sync or of the write itself nobody can tell, but for those that no sync ever has.
// Any thread.
class SyncErrors {
 public:
  // Taken when a flush is asked for.
  [[nodiscard]] uint64_t ticket() const { return failures_.load(std::memory_order_acquire); }

  // Whether a sync has failed since `ticket` was taken.
  [[nodiscard]] bool failed_since(uint64_t ticket) const {
    return failures_.load(std::memory_order_acquire) != ticket;
  }

  // What a FUA write has left for the next flush, or TCMUD_OK; forgets it.
  [[nodiscard]] int32_t take_left_by_fua() {
    return from_fua_.exchange(TCMUD_OK, std::memory_order_acq_rel);
  }

  void flush_failed() { failures_.fetch_add(1, std::memory_order_acq_rel); }
  void fua_failed(int32_t status) {
    switch (status) {
      case TCMUD_WRITE_PROTECTED:
      case TCMUD_NOT_SUPPORTED:
      case TCMUD_NO_RESOURCE:
      case TCMUD_BUSY:
      case TCMUD_ABORTED:
      case TCMUD_INTERNAL:
        return;
      default:
        from_fua_.store(status, std::memory_order_release);
    }
  }

 private:
  std::atomic<uint64_t> failures_{0};
  std::atomic<int32_t> from_fua_{TCMUD_OK};
};

}  // namespace tcmud::file
