// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include <tcmud/handler.h>

#include "discard.h"
#include "status.h"
#include "sync_errors.h"
#include "system.h"

namespace tcmud::file {

// Every operation, waiting for it. Any number of threads at once.
class BlockingIo {
 public:
  // block_size: of the LUN, bytes.
  BlockingIo(const System& system, int fd, bool direct, DiscardModes modes, uint32_t block_size)
      : system_(system),
        fd_(fd),
        direct_(direct),
        block_size_(block_size),
        discarder_(system, fd, modes) {}

  [[nodiscard]] Outcome execute(const tcmud_request& request);

  [[nodiscard]] SyncErrors& sync_errors() { return sync_errors_; }

 private:
  Outcome write(const tcmud_request& request);
  Outcome write_zeroes(const tcmud_request& request);
  Outcome flush();

  const System& system_;
  const int fd_;
  const bool direct_;
  const uint32_t block_size_;
  Discarder discarder_;
  SyncErrors sync_errors_;
  // One sync at a time, or two could share one error and one of them would not see it.
  std::mutex flush_mutex_;
};

}  // namespace tcmud::file
