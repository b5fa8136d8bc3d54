// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>

#include <tcmud/handler.h>

#include "status.h"
#include "system.h"

namespace tcmud::file {

// How blocks can be given back.
enum class UnmapBy : uint8_t {
  kNothing,
  kPunchHole,  // fallocate; reads as zeroes afterwards, also on a block device
  kDiscard     // BLKDISCARD; reads as anything afterwards
};

struct DiscardModes {
  UnmapBy unmap = UnmapBy::kNothing;
};

// UNMAP and WRITE_ZEROES by whatever the file system or device accepts. Blocking; any number of
// threads at once.
class Discarder {
 public:
  Discarder(const System& system, int fd, DiscardModes modes)
      : system_(system), fd_(fd), modes_(modes) {}

  [[nodiscard]] Outcome unmap(const tcmud_request& request);

  // The range reads as zeroes afterwards. Without may_unmap it keeps its space: a later write
  // cannot run out of it.
  [[nodiscard]] Outcome write_zeroes(uint64_t offset, uint64_t length, bool may_unmap);

 private:
  int punch_hole(uint64_t offset, uint64_t length);
  int zero_range(uint64_t offset, uint64_t length);
  int reserve(uint64_t offset, uint64_t length);
  int write_zero_pages(uint64_t offset, uint64_t length);

  const System& system_;
  const int fd_;
  const DiscardModes modes_;
  // Learned from a refusal, so as not to ask again each time. Relaxed: each is a hint on its own.
  std::atomic<bool> no_zero_range_{false};
  std::atomic<bool> no_punch_hole_{false};
};

}  // namespace tcmud::file
