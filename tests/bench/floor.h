// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tcmud::bench {

// The speed floor: the least that a program can do between the kernel's event and its kick. One
// thread, no checks, no queue, no locks: preadv or pwritev straight on the ring's iovecs, answered
// in place and in order. A daemon that is not slower than the best of its variants spends nothing
// worth mentioning on being safe.
struct FloorPort {
  std::byte* map = nullptr;  // mailbox, ring, data area
  int event_fd = -1;  // blocking; a read of 4 bytes sleeps until the next event and fails or ends
                      // with the device
  int kick_fd = -1;   // a write of 4 bytes tells the kernel
};

struct FloorOptions {
  int file_fd = -1;  // the backing file
  uint64_t lun_bytes = 0;
  uint32_t block_size = 512;
  uint32_t kick_every = 0;           // completions per kick; 0: one kick whenever the ring is empty
  std::chrono::nanoseconds spin{0};  // how long to look at the ring before going to sleep
};

// The variants that the figures speak of: "sleep", "b8", "spin". False: no such variant.
bool set_floor_variant(const char* name, FloorOptions& options);

// Serves until the device goes.
void run_floor(const FloorPort& port, const FloorOptions& options);

}  // namespace tcmud::bench
