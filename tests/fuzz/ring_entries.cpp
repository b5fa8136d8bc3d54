// SPDX-License-Identifier: Apache-2.0
// Any bytes as mailbox and ring, and a script of what the daemon does with them meanwhile. Whatever
// they are: no access outside the map, no iovec outside the data area, no id handed out twice, an
// end to every loop, and a tail that only ever stands where next() had validated an entry's end.
#include <algorithm>
#include <array>
#include <bitset>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernel/ring.h"
#include "unit/kernel/ring_builder.h"

namespace {

using tcmud::kernel::CommandEntry;
using tcmud::kernel::Completion;
using tcmud::kernel::Ring;
using tcmud::kernel::TmrEntry;
using tcmud::kernel::test::RingBuilder;
namespace abi = tcmud::kernel::abi;

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

// The ends of entries that `length`s lead to from `from`, as a second opinion on where a tail may
// be.
std::vector<bool> boundaries(const RingBuilder& builder, uint32_t from, uint32_t to) {
  std::vector<bool> ends(builder.ring_size(), false);
  ends[from] = true;
  for (uint32_t at = from; at != to;) {
    const uint32_t length =
        builder.get_entry<uint32_t>(at, abi::kLengthOpAt) & ~uint32_t{abi::kOpMask};
    if (length < 8 || length > builder.ring_size() - at) {
      break;
    }
    at = (at + length) % builder.ring_size();
    if (ends[at]) {
      break;
    }
    ends[at] = true;
  }
  return ends;
}

class Run {
 public:
  Run(RingBuilder& builder, std::unique_ptr<Ring> ring)
      : builder_(builder), ring_(std::move(ring)) {}

  void script(const uint8_t* steps, size_t count) {
    const uint32_t start = builder_.tail();
    const auto ends = boundaries(builder_, start, builder_.get<uint32_t>(abi::kMailboxHeadAt));
    for (size_t i = 0; i < count; ++i) {
      switch (steps[i] % 4) {
        case 0:
        case 1:
          take();
          break;
        case 2:
          answer(steps[i] / 4);
          break;
        case 3:
          if (ring_->publish()) {
            require(ends[builder_.tail()]);
          }
          break;
      }
      require(ring_->live() == live_.size());
    }
    while (!live_.empty()) {
      answer(0);
    }
    ring_->publish();
    require(ends[builder_.tail()]);
  }

 private:
  void take() {
    std::array<iovec, 2> iov{};
    CommandEntry command;
    TmrEntry tmr;
    const auto what = ring_->next(iov, command, tmr);
    require((what == Ring::Next::kBroken) == ring_->broken());
    if (what != Ring::Next::kCommand) {
      return;
    }
    require(command.id != 0 && !is_live_[command.id]);
    is_live_[command.id] = true;
    live_.push_back(command.id);
    require((command.malformed != nullptr) == (command.cdb_length == 0));
    uint64_t total = 0;
    for (const iovec& piece : command.iov) {
      const auto* base = static_cast<const std::byte*>(piece.iov_base);
      const auto room = builder_.map().last(builder_.map().size() - builder_.data_offset());
      require(base >= room.data() && piece.iov_len > 0 && base < room.data() + room.size() &&
              piece.iov_len <= static_cast<size_t>(room.data() + room.size() - base));
      total += piece.iov_len;
    }
    require(total == command.data_length);
  }

  void answer(size_t which) {
    if (live_.empty()) {
      return;
    }
    const auto chosen = live_.begin() + static_cast<ptrdiff_t>(which % live_.size());
    Completion completion;
    completion.status = which % 2 == 0 ? 0 : 2;
    completion.has_read_length = true;
    completion.read_length = 1;
    require(ring_->complete(*chosen, completion) == !ring_->broken());
    is_live_[*chosen] = false;
    live_.erase(chosen);
  }

  RingBuilder& builder_;
  std::unique_ptr<Ring> ring_;
  std::vector<uint16_t> live_;
  std::bitset<65536> is_live_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 16) {
    return 0;
  }
  const uint8_t choice = data[0];
  const size_t script = std::min<size_t>(data[1], size - 2);
  const uint8_t* const steps = data + 2;
  const uint8_t* const image = steps + script;
  const size_t image_size = size - 2 - script;

  RingBuilder builder(1, 2, choice % 2 == 0 ? abi::kCapOutOfOrder | abi::kCapReadLength : 0);
  if (choice % 8 == 7) {
    // The mailbox too is anything: mostly that ends at once.
    std::memcpy(builder.map().data(), image, std::min(image_size, builder.map().size()));
    auto ring = Ring::attach(builder.map(), 1 + choice / 8);
    if (ring) {
      CommandEntry command;
      TmrEntry tmr;
      for (int i = 0; i < 100; ++i) {
        (*ring)->next({}, command, tmr);
      }
    }
    return 0;
  }
  // A good mailbox, with head and tail from the input.
  if (image_size < 4) {
    return 0;
  }
  uint16_t cursors[2];
  std::memcpy(cursors, image, sizeof cursors);
  const size_t ring_bytes = std::min<size_t>(image_size - 4, builder.ring_size());
  std::memcpy(builder.map().data() + RingBuilder::kRingAt, image + 4, ring_bytes);
  builder.put<uint32_t>(abi::kMailboxTailAt, cursors[0] % builder.ring_size() / 8 * 8);
  builder.set_head(cursors[1] % builder.ring_size() / 8 * 8);
  auto ring = Ring::attach(builder.map(), 1 + choice / 8);
  require(ring.has_value());
  Run(builder, std::move(*ring)).script(steps, script);
  return 0;
}
