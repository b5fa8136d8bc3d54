// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "bench/inherited_node.h"
#include "support/kernel_ring.h"
#include "support/shared_region.h"
#include "support/uio_channel.h"
#include "support/violations.h"

namespace tcmud::bench {

struct LoadOptions {
  bool write = false;
  uint32_t bytes = 4096;  // of each command; a multiple of 4096
  uint32_t depth = 1;     // commands outstanding
  uint64_t lun_bytes = 0;
  // Every 4 KiB of the backing file begin with their own number (64 bit, native); reads are held
  // against that, and writes keep it so: a subject that cheats or errs is found out.
  bool verify = true;
};

// The number that 4 KiB of the LUN begin with.
[[nodiscard]] constexpr uint64_t stamp(uint64_t lun_offset) {
  return lun_offset / 4096;
}

// One device under random load: kernel and initiator in one, driven by the caller's thread. Ends
// the process when the subject breaks a rule of the ring or answers wrongly.
class LoadedNode final : private test::Initiator {
 public:
  LoadedNode(const LoadOptions& options, uint64_t seed);

  // For the subject; the descriptors are inheritable, and ours until release_inherited().
  [[nodiscard]] InheritedNode inherited() const;
  void release_inherited();

  void ask_ready();  // TEST UNIT READY
  [[nodiscard]] bool is_ready() const { return ready_; }
  // A WRITE of the LUN's first blocks, of what they hold, and SYNCHRONIZE CACHE: storage that
  // writes under a lock gets it then, and answers BUSY meanwhile; a cache learns that it is
  // flushed.
  void ask_write();
  [[nodiscard]] bool is_written() const { return written_; }
  // Whether a WRITE of ask_write() came back as BUSY: to be asked again.
  [[nodiscard]] bool take_busy() { return std::exchange(busy_, false); }
  void start();  // fills the queue
  void stop() { running_ = false; }

  // Takes kicks, completes, asks for more. False: nobody has kicked.
  bool turn();
  [[nodiscard]] int kick_poll_fd() const { return channel_.kick_poll_fd(); }
  [[nodiscard]] bool subject_gone() const { return channel_.closed_by_daemon(); }
  [[nodiscard]] bool idle() const { return ring_.in_flight() == 0; }
  [[nodiscard]] uint64_t completed() const { return completed_; }

 private:
  struct Slot {
    std::vector<uint8_t> buffer;
    uint64_t offset = 0;
  };

  void answered(test::CommandTag tag, const test::RingAnswer& answer) override;
  void ask_flush();
  void submit(uint32_t slot);
  void submit_command(test::CommandTag tag, Slot& slot, bool write);
  void check(const Slot& slot) const;
  void notify();
  uint64_t random();

  const LoadOptions options_;
  test::Violations violations_;
  test::SharedRegion region_;
  test::KernelRing ring_;
  test::UioChannel channel_;
  Fd event_fd_;
  Fd kick_fd_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> finished_;
  uint64_t random_state_;
  uint64_t completed_ = 0;
  bool ready_ = false;
  bool written_ = false;
  bool busy_ = false;
  bool running_ = true;
};

}  // namespace tcmud::bench
