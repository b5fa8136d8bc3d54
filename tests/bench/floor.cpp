// SPDX-License-Identifier: Apache-2.0
#include "bench/floor.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "bench/floor_scsi.h"
#include "support/ring_layout.h"

namespace tcmud::bench {
namespace {

namespace layout = test::layout;
using Clock = std::chrono::steady_clock;

class Floor {
 public:
  Floor(const FloorPort& port, const FloorOptions& options) : port_(port), options_(options) {
    layout::Mailbox mailbox;
    std::memcpy(&mailbox, port.map, sizeof mailbox);
    ring_ = port.map + mailbox.cmdr_off;
    ring_size_ = mailbox.cmdr_size;
    tail_ = mailbox.cmd_tail;
  }

  void run() {
    do {
      sweep();
    } while (spin() || sleep());
  }

 private:
  [[nodiscard]] bool empty() const {
    // Pairs with the kernel's store-release of cmd_head.
    return tail_ == word(offsetof(layout::Mailbox, cmd_head)).load(std::memory_order_acquire);
  }

  void sweep() {
    uint32_t unkicked = 0;
    while (!empty()) {
      const uint32_t length = serve(ring_ + tail_);
      tail_ = tail_ + length == ring_size_ ? 0 : tail_ + length;
      if (++unkicked == options_.kick_every) {
        kick();
        unkicked = 0;
      }
    }
    if (unkicked > 0) {
      kick();
    }
  }

  // The entry's length.
  uint32_t serve(std::byte* at) {
    const auto& request = *reinterpret_cast<layout::CommandRequest*>(at);
    const uint32_t length = request.header.len_op & ~layout::kOpMask;
    if ((request.header.len_op & layout::kOpMask) != layout::kOpCommand) {
      return length;
    }
    iovecs_.resize(request.iov_cnt);
    const auto* iov = reinterpret_cast<const iovec*>(at + sizeof request);
    for (uint32_t i = 0; i < request.iov_cnt; ++i) {
      iovecs_[i] = {port_.map + reinterpret_cast<uintptr_t>(iov[i].iov_base), iov[i].iov_len};
    }
    const auto* cdb = reinterpret_cast<const uint8_t*>(port_.map + request.cdb_off);
    const FloorAnswer answer = execute(cdb, iovecs_.data(), request.iov_cnt, options_);
    auto& response = *reinterpret_cast<layout::CommandResponse*>(at);
    response.scsi_status = answer.status;
    if (answer.status != 0) {
      std::memset(response.sense, 0, sizeof response.sense);
      response.sense[0] = 0x70;
      response.sense[2] = answer.sense_key;
      response.sense[7] = 10;
      response.sense[12] = answer.asc;
    }
    return length;
  }

  void kick() {
    // Pairs with the kernel's read of cmd_tail: answers and data-in come before it.
    word(offsetof(layout::Mailbox, cmd_tail)).store(tail_, std::memory_order_release);
    const int32_t value = 1;
    [[maybe_unused]] const auto written = ::write(port_.kick_fd, &value, sizeof value);
  }

  [[nodiscard]] bool spin() const {
    if (options_.spin.count() == 0) {
      return false;
    }
    const auto end = Clock::now() + options_.spin;
    do {
      for (int i = 0; i < 16; ++i) {
        if (!empty()) {
          return true;
        }
        __builtin_ia32_pause();
      }
    } while (Clock::now() < end);
    return false;
  }

  [[nodiscard]] bool sleep() const {
    int32_t events = 0;
    ssize_t bytes = 0;
    do {
      bytes = ::read(port_.event_fd, &events, sizeof events);
    } while (bytes < 0 && errno == EINTR);
    return bytes == sizeof events;
  }

  [[nodiscard]] std::atomic_ref<uint32_t> word(size_t offset) const {
    return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(port_.map + offset));
  }

  const FloorPort port_;
  const FloorOptions options_;
  std::byte* ring_ = nullptr;
  uint32_t ring_size_ = 0;
  uint32_t tail_ = 0;
  std::vector<iovec> iovecs_;
};

}  // namespace

bool set_floor_variant(const char* name, FloorOptions& options) {
  const std::string_view variant = name;
  if (variant == "sleep") {
    return true;
  }
  if (variant != "b8" && variant != "spin") {
    return false;
  }
  options.kick_every = 8;
  if (variant == "spin") {
    options.spin = std::chrono::microseconds(50);
  }
  return true;
}

void run_floor(const FloorPort& port, const FloorOptions& options) {
  Floor(port, options).run();
}

}  // namespace tcmud::bench
