// SPDX-License-Identifier: Apache-2.0
// Random but sound traffic against a model of the kernel's side: every command is handed out once,
// as it was put in, and answered once with its own answer, in whatever order; the tail stands on
// the end of an entry at all times.
#include <deque>
#include <map>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "kernel/ring.h"
#include "unit/kernel/ring_builder.h"

namespace tcmud::kernel {
namespace {

using test::RingBuilder;

struct Step {
  uint8_t what;
  uint16_t which;
};

// What the kernel put in and has not taken back.
struct Entry {
  uint32_t offset;
  uint32_t length;
  uint32_t op;
  uint16_t id;
};

class Model {
 public:
  Model(bool out_of_order, uint32_t max_commands)
      : out_of_order_(out_of_order),
        builder_(1, 16, (out_of_order ? abi::kCapOutOfOrder : 0) | abi::kCapReadLength),
        ring_(std::move(*Ring::attach(builder_.map(), max_commands))) {}

  void run(const std::vector<Step>& steps) {
    for (const Step& step : steps) {
      switch (step.what % 8) {
        case 0:
        case 1:
          add_command(step.which);
          break;
        case 2:
          step.which % 4 == 0 ? add_unknown(step.which) : add_tmr(step.which);
          break;
        case 3:
        case 4:
          take();
          break;
        case 5:
        case 6:
          answer(step.which);
          break;
        case 7:
          publish();
          break;
      }
    }
    // In the end everything comes out.
    for (int i = 0; i < 1000 && !(entries_.empty() && live_.empty()); ++i) {
      take();
      answer(static_cast<uint16_t>(i));
      publish();
    }
    RC_ASSERT(entries_.empty());
    RC_ASSERT(owed_.empty());
    RC_ASSERT(builder_.tail() == builder_.head());
    RC_ASSERT(ring_->live() == 0U);
    RC_ASSERT(!ring_->has_work());
  }

 private:
  struct Command {
    std::vector<uint8_t> cdb;
    std::vector<RingBuilder::Buffer> buffers;
  };

  uint32_t used() const {
    return (builder_.head() + builder_.ring_size() - builder_.tail()) % builder_.ring_size();
  }
  // As the kernel: true if `length` fits, after a PAD where that has to be.
  bool make_room(uint32_t length) {
    const bool wraps = length > builder_.room();
    const uint32_t needed = wraps ? length + builder_.room() : length;
    if (used() + needed + 1 > builder_.ring_size()) {
      return false;
    }
    if (wraps) {
      const uint32_t room = builder_.room();
      entries_.push_back({builder_.add_pad(), room, abi::kOpPad, 0});
    }
    return true;
  }
  uint16_t lowest_free_id() const {
    uint16_t id = 1;
    while (owed_.contains(id)) {
      ++id;
    }
    return id;
  }

  void add_command(uint16_t which) {
    Command command;
    static constexpr uint8_t kOpcodes[] = {0x00, 0x28, 0x4d, 0x6a, 0x8a, 0xa8, 0xc1, 0xff, 0x7f};
    static constexpr uint8_t kLengths[] = {6, 10, 10, 12, 16, 12, 10, 10, 32};
    const size_t kind = which % 9;
    command.cdb.assign(kLengths[kind], static_cast<uint8_t>(which >> 8));
    command.cdb[0] = kOpcodes[kind];
    if (kind == 8) {
      command.cdb[7] = 24;
    }
    for (uint64_t i = 0; i < which / 9 % 7; ++i) {
      command.buffers.push_back({i * 8192, 4096});
    }
    const uint32_t length = RingBuilder::command_length(command.cdb.size(), command.buffers.size());
    if (!make_room(length)) {
      return;
    }
    const uint16_t id = lowest_free_id();
    const uint32_t offset = builder_.add_command(id, command.cdb, command.buffers);
    entries_.push_back({offset, length, abi::kOpCommand, id});
    untaken_.push_back(id);
    owed_.emplace(id, std::move(command));
  }
  void add_tmr(uint16_t which) {
    const std::vector<uint16_t> ids(which % 6, which);
    const uint32_t length = (32 + 2 * static_cast<uint32_t>(ids.size()) + 7) / 8 * 8;
    if (make_room(length)) {
      entries_.push_back({builder_.add_tmr(1, ids), length, abi::kOpTmr, 0});
      untaken_tmrs_.push_back(ids);
    }
  }
  void add_unknown(uint16_t which) {
    const uint32_t length = 8 + which % 16 * 8;
    if (make_room(length)) {
      const uint16_t id = lowest_free_id();
      const uint32_t op = 3 + which % 5;
      entries_.push_back(
          {builder_.add_unknown(static_cast<uint8_t>(op), id, length), length, op, id});
      owed_.emplace(id, Command{});
    }
  }

  void take() {
    std::array<iovec, 3> iov{};
    CommandEntry command;
    TmrEntry tmr;
    switch (ring_->next(iov, command, tmr)) {
      case Ring::Next::kBroken:
        RC_FAIL(ring_->broken_reason());
        break;
      case Ring::Next::kEmpty:
        break;
      case Ring::Next::kTmr:
        RC_ASSERT(!untaken_tmrs_.empty());
        RC_ASSERT(tmr.command_ids == untaken_tmrs_.front());
        untaken_tmrs_.pop_front();
        break;
      case Ring::Next::kCommand: {
        RC_ASSERT(!untaken_.empty());
        RC_ASSERT(command.id == untaken_.front());
        untaken_.pop_front();
        RC_ASSERT(command.malformed == nullptr);
        const Command& put_in = owed_.at(command.id);
        RC_ASSERT(std::vector<uint8_t>(command.cdb.begin(),
                                       command.cdb.begin() + command.cdb_length) == put_in.cdb);
        RC_ASSERT(command.iov.size() == put_in.buffers.size());
        for (size_t i = 0; i < command.iov.size(); ++i) {
          const auto* base = static_cast<const std::byte*>(command.iov[i].iov_base);
          RC_ASSERT(static_cast<uint64_t>(base - builder_.data()) == put_in.buffers[i].offset);
          RC_ASSERT(command.iov[i].iov_len == put_in.buffers[i].length);
        }
        live_.push_back(command.id);
        break;
      }
    }
    RC_ASSERT(ring_->live() == live_.size());
  }

  void answer(uint16_t which) {
    if (live_.empty()) {
      return;
    }
    const auto chosen = live_.begin() + which % live_.size();
    Completion completion;
    completion.status = 2;
    completion.sense_length = kMaxSense;
    completion.sense.fill(static_cast<uint8_t>(*chosen));
    completion.has_read_length = true;
    completion.read_length = ++answers_;
    expected_[*chosen] = answers_;
    RC_ASSERT(ring_->complete(*chosen, completion));
    live_.erase(chosen);
  }

  void publish() {
    const uint32_t before = builder_.tail();
    const bool moved = ring_->publish();
    RC_ASSERT(moved == (builder_.tail() != before));
    while (!entries_.empty() && entries_.front().offset != builder_.tail()) {
      const Entry entry = entries_.front();
      entries_.pop_front();
      RC_ASSERT(builder_.get_entry<uint32_t>(entry.offset, abi::kLengthOpAt) ==
                (entry.length | entry.op));
      if (entry.op == abi::kOpPad || entry.op == abi::kOpTmr) {
        continue;
      }
      const auto id = builder_.get_entry<uint16_t>(entry.offset, abi::kIdAt);
      const auto flags = builder_.get_entry<uint8_t>(entry.offset, abi::kUserFlagsAt);
      RC_ASSERT(out_of_order_ || id == entry.id);
      if (entry.op == abi::kOpCommand) {
        RC_ASSERT(expected_.contains(id));
        RC_ASSERT(flags == abi::kUserFlagReadLength);
        RC_ASSERT(builder_.get_entry<uint32_t>(entry.offset, abi::kReadLengthAt) ==
                  expected_.at(id));
        RC_ASSERT(builder_.get_entry<uint8_t>(entry.offset, abi::kSenseAt + kMaxSense - 1) ==
                  static_cast<uint8_t>(id));
        expected_.erase(id);
      } else {
        RC_ASSERT(id == entry.id);
        RC_ASSERT(flags == abi::kUserFlagUnknownOp);
      }
      RC_ASSERT(owed_.erase(id) == 1U);
    }
    RC_ASSERT(!entries_.empty() || builder_.tail() == builder_.head());
  }

  bool out_of_order_;
  RingBuilder builder_;
  std::unique_ptr<Ring> ring_;
  std::deque<Entry> entries_;
  std::deque<uint16_t> untaken_;
  std::deque<std::vector<uint16_t>> untaken_tmrs_;
  std::map<uint16_t, Command> owed_;
  std::vector<uint16_t> live_;
  std::map<uint16_t, uint32_t> expected_;
  uint32_t answers_ = 0;
};

RC_GTEST_PROP(RingProperty, EveryCommandIsHandedOutAndAnsweredOnce, ()) {
  using Choices = std::vector<std::pair<uint8_t, uint16_t>>;
  // Long enough for the traffic to go round the ring many times.
  const auto choices = *rc::gen::scale(20.0, rc::gen::arbitrary<Choices>());
  std::vector<Step> steps;
  for (const auto& [what, which] : choices) {
    steps.push_back({what, which});
  }
  Model(*rc::gen::arbitrary<bool>(), *rc::gen::inRange<uint32_t>(1, 40)).run(steps);
}

}  // namespace
}  // namespace tcmud::kernel
