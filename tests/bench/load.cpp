// SPDX-License-Identifier: Apache-2.0
#include "bench/load.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/core.h>

#include "base/bytes.h"

namespace tcmud::bench {
namespace {

constexpr uint64_t kReadyTag = UINT64_MAX;
constexpr uint64_t kWriteTag = UINT64_MAX - 1;
constexpr uint64_t kFlushTag = UINT64_MAX - 2;

test::RingOptions ring_options(const LoadOptions& load) {
  test::RingOptions options;
  options.geometry.ring_bytes = 8U << 20;
  // Twice what can be outstanding: the area is never what limits.
  options.geometry.data_area_bytes =
      std::max<uint64_t>(16U << 20, uint64_t{2} * load.depth * load.bytes);
  options.poison = false;
  return options;
}

Fd inheritable(Fd fd) {
  ::fcntl(fd.get(), F_SETFD, 0);
  return fd;
}

}  // namespace

LoadedNode::LoadedNode(const LoadOptions& options, uint64_t seed)
    : options_(options),
      violations_(test::abort_on_violation),
      region_(ring_options(options).geometry),
      ring_(region_, ring_options(options), *this, violations_),
      event_fd_(inheritable(channel_.take_event_fd())),
      kick_fd_(inheritable(channel_.take_kick_fd())),
      slots_(options.depth),
      random_state_(seed * 0x9e3779b97f4a7c15U + 1) {
  ::fcntl(region_.fd(), F_SETFD, 0);
  for (Slot& slot : slots_) {
    slot.buffer.assign(options.bytes, 0x5c);
  }
}

InheritedNode LoadedNode::inherited() const {
  return {region_.fd(), event_fd_.get(), kick_fd_.get(), region_.geometry().map_bytes()};
}

void LoadedNode::release_inherited() {
  event_fd_.reset();
  kick_fd_.reset();
}

uint64_t LoadedNode::random() {
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return random_state_;
}

void LoadedNode::notify() {
  if (ring_.take_event()) {
    channel_.notify();
  }
}

void LoadedNode::ask_ready() {
  static constexpr std::array<uint8_t, 6> kTestUnitReady{};
  ring_.submit({.tag = kReadyTag, .cdb = kTestUnitReady, .data_out = {}, .data_in = {}}, {});
  notify();
}

void LoadedNode::ask_write() {
  slots_[0].offset = 0;
  submit_command(kWriteTag, slots_[0], true);
  notify();
}

void LoadedNode::ask_flush() {
  static constexpr std::array<uint8_t, 10> kSynchronizeCache{0x35};
  ring_.submit({.tag = kFlushTag, .cdb = kSynchronizeCache, .data_out = {}, .data_in = {}}, {});
  notify();
}

void LoadedNode::start() {
  for (uint32_t slot = 0; slot < options_.depth; ++slot) {
    submit(slot);
  }
  notify();
}

void LoadedNode::submit(uint32_t index) {
  Slot& slot = slots_[index];
  slot.offset = random() % (options_.lun_bytes / options_.bytes) * options_.bytes;
  submit_command(index, slot, options_.write);
}

void LoadedNode::submit_command(test::CommandTag tag, Slot& slot, bool write) {
  std::array<uint8_t, 16> cdb{};
  cdb[0] = write ? 0x8a : 0x88;
  store_be64(&cdb[2], slot.offset / 512);
  store_be32(&cdb[10], options_.bytes / 512);
  test::RingRequest request{.tag = tag, .cdb = cdb, .data_out = {}, .data_in = {}};
  if (write) {
    for (uint32_t at = 0; at < options_.bytes; at += 4096) {
      const uint64_t number = stamp(slot.offset + at);
      std::memcpy(&slot.buffer[at], &number, sizeof number);
    }
    request.data_out = slot.buffer;
  } else {
    request.data_in = slot.buffer;
  }
  ring_.submit(request, {});
}

bool LoadedNode::turn() {
  if (!channel_.take_kicks()) {
    return false;
  }
  ring_.handle_completions({});
  if (running_) {
    for (const uint32_t slot : finished_) {
      submit(slot);
    }
    notify();
  }
  finished_.clear();
  return true;
}

void LoadedNode::answered(test::CommandTag tag, const test::RingAnswer& answer) {
  if (tag == kWriteTag && answer.status == test::kStatusBusy) {
    busy_ = true;
    return;
  }
  if (answer.status != test::kStatusGood) {
    fmt::print(stderr, "the subject answered with status {:#04x}, sense {:02x}/{:02x}/{:02x}\n",
               answer.status, answer.sense[2], answer.sense[12], answer.sense[13]);
    std::exit(1);
  }
  if (tag == kReadyTag) {
    ready_ = true;
    return;
  }
  if (tag == kWriteTag) {
    ask_flush();
    return;
  }
  if (tag == kFlushTag) {
    written_ = true;
    return;
  }
  const auto index = static_cast<uint32_t>(tag);
  if (options_.verify && !options_.write) {
    check(slots_[index]);
  }
  ++completed_;
  finished_.push_back(index);
}

void LoadedNode::check(const Slot& slot) const {
  for (uint32_t at = 0; at < options_.bytes; at += 4096) {
    uint64_t number = 0;
    std::memcpy(&number, &slot.buffer[at], sizeof number);
    if (number != stamp(slot.offset + at)) {
      fmt::print(stderr, "wrong data: 4 KiB number {} came where {} was asked for\n", number,
                 stamp(slot.offset + at));
      std::exit(1);
    }
  }
}

}  // namespace tcmud::bench
