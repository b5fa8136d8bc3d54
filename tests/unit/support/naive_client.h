// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <sys/uio.h>

#include "kernel/uio_port.h"

namespace tcmud::test {

struct NaiveAnswer {
  uint8_t status = 0;
  uint8_t uflags = 0;
  uint32_t read_length = 0;
  std::vector<uint8_t> sense{};
};

// The simplest user space there is: reads the ring, answers as told, or as a RAM disk that knows
// READ(16), WRITE(16) and TEST UNIT READY. It trusts the kernel, and does wrong whatever a test
// asks for.
class NaiveClient {
 public:
  explicit NaiveClient(kernel::UioPort port) : port_(std::move(port)) {}
  ~NaiveClient() { stop(); }

  struct Entry {
    uint32_t offset = 0;  // in the ring
    uint32_t length = 0;
    uint8_t opcode = 0;
    uint16_t id = 0;
    std::vector<uint8_t> cdb;  // up to the end of the entry
    std::vector<iovec> data;   // addresses in our map; data-out, or data-in
    std::vector<iovec> bidi_in;
    uint8_t tmr_type = 0;
    std::vector<uint16_t> tmr_ids;
  };
  using Answer = NaiveAnswer;

  // The entries published since the last call, PADs included.
  std::vector<Entry> take();
  // The next command entry; there must be one.
  Entry take_command();

  // Writes an answer for `id` into the entry at `slot`.
  void write_answer(const Entry& slot, uint16_t id, const Answer& answer = {});
  void set_tail(uint32_t tail);  // store-release
  void pass(const Entry& entry) { set_tail((entry.offset + entry.length) % ring_size()); }
  void kick() { [[maybe_unused]] const bool alive = port_.kick(); }
  // Answers the command in its own slot, with everything that belongs to it.
  void complete(const Entry& entry, const Answer& answer = {});

  // The RAM disk: answers all that is there. `out_of_order`: the newest command first, in the
  // oldest slot.
  size_t serve(std::span<uint8_t> disk, bool out_of_order = false);
  // The RAM disk on a thread of its own, woken by events (EPOLLET, never read).
  void start(std::span<uint8_t> disk);
  void stop();

  [[nodiscard]] std::byte* map() { return port_.map.bytes().data(); }
  [[nodiscard]] kernel::UioPort& port() { return port_; }
  [[nodiscard]] uint32_t ring_size();
  void forget_position() { position_ = 0; }  // after reset_ring

 private:
  Answer run(const Entry& entry, std::span<uint8_t> disk);

  kernel::UioPort port_;
  uint32_t position_ = 0;
  std::deque<Entry> ahead_;  // taken by take_command(), not given out yet
  std::thread thread_;
  Fd stop_;
};

void fill(std::span<const iovec> data, std::span<const uint8_t> from);

}  // namespace tcmud::test
