// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "device/dispatcher.h"
#include "device/status_map.h"

namespace tcmud::test {

// A dispatcher with a medium, on one thread and without a ring: requests of the handler are
// performed when and in what order the test says, so that every order can be had, and again.
class DispatcherBench {
 public:
  static constexpr uint32_t kBlock = 512;
  using Bytes = std::vector<uint8_t>;
  using Next = device::Dispatcher::Next;

  struct Command;
  struct Internal : device::InternalCommand {
    DispatcherBench* bench = nullptr;
    Command* command = nullptr;
  };

  struct Command {
    scsi::BlockRequest block;
    Bytes data;  // to the handler, or from it
    std::vector<iovec> iov;
    std::shared_ptr<Internal> internal;  // nullptr: an initiator's
    bool of_operation = false;           // a piece of a FORMAT UNIT or SANITIZE
    device::Slot* slot = nullptr;
    uint64_t number = 0;  // in the order of arrival; of the daemon's own, of getting a slot
    bool launched = false;
    bool disturbed = false;  // another one wrote to its blocks since it came
    bool answered = false;
    bool ended = false;
    kernel::Completion answer;

    [[nodiscard]] bool good() const { return answered && answer.status == 0; }
    [[nodiscard]] bool check(uint8_t key, uint8_t asc) const {
      return answered && answer.status == 2 && (answer.sense[2] & 0x0f) == key &&
             answer.sense[12] == asc;
    }
    [[nodiscard]] uint64_t information() const {
      return (uint64_t{answer.sense[3]} << 24) | (uint64_t{answer.sense[4]} << 16) |
             (uint64_t{answer.sense[5]} << 8) | answer.sense[6];
    }
    [[nodiscard]] bool writes() const {
      using scsi::BlockOp;
      return block.op == BlockOp::kWrite || block.op == BlockOp::kCompareAndWrite ||
             block.op == BlockOp::kOrWrite || block.op == BlockOp::kWriteAndVerify ||
             block.op == BlockOp::kWriteZeroes;
    }
    [[nodiscard]] bool exclusive() const {
      using scsi::BlockOp;
      return block.atomic || block.op == BlockOp::kCompareAndWrite ||
             block.op == BlockOp::kOrWrite || block.op == BlockOp::kWriteAndVerify;
    }
    [[nodiscard]] bool overlaps(const Command& other) const {
      return block.offset < other.block.offset + other.block.length &&
             other.block.offset < block.offset + block.length;
    }
  };

  DispatcherBench(uint64_t blocks, const tcmud_props& props)
      : medium(blocks * kBlock),
        slab_(*device::Slab::create(kSlots, 0)),
        scratch_(*device::ScratchPool::create()),
        dispatcher_(view(blocks, props), *slab_, *scratch_, true) {}

  static tcmud_props plain_props() {
    tcmud_props props{};
    props.flush = TCMUD_NATIVE;
    props.write_cache = 1;
    props.max_unmap_ranges = 4;
    return props;
  }

  // A command comes. Its data is scattered over pieces of odd lengths, as in the data area.
  std::shared_ptr<Command> start(const scsi::BlockRequest& block, Bytes data) {
    auto command = std::make_shared<Command>();
    command->block = block;
    command->data = std::move(data);
    command->number = ++arrivals_;
    scatter(*command);
    device::Slot* slot = slab_->take();
    command->slot = slot;
    slot->iov = command->iov;
    slot->data_length = command->data.size();
    slot->answer_length = 0;
    live.push_back(command);
    act(*slot, dispatcher_.begin(*slot, block));
    return command;
  }

  // A command as the ring gives it.
  std::shared_ptr<Command> start_cdb(const Bytes& cdb, Bytes data = {}) {
    auto command = std::make_shared<Command>();
    command->data = std::move(data);
    command->number = ++arrivals_;
    scatter(*command);
    device::Slot* slot = slab_->take();
    command->slot = slot;
    slot->iov = command->iov;
    slot->data_length = command->data.size();
    slot->cdb = {};
    std::copy(cdb.begin(), cdb.end(), slot->cdb.begin());
    slot->cdb_length = static_cast<uint8_t>(cdb.size());
    live.push_back(command);
    act(*slot, dispatcher_.start(*slot));
    return command;
  }

  // The daemon's own.
  std::shared_ptr<Command> start_internal(const scsi::BlockRequest& block, Bytes data,
                                          std::span<const scsi::Range> ranges = {}) {
    auto command = std::make_shared<Command>();
    command->block = block;
    command->data = std::move(data);
    scatter(*command);
    command->internal = std::make_shared<Internal>();
    Internal& internal = *command->internal;
    internal.block = block;
    internal.iov = command->iov;
    internal.ranges = ranges;
    internal.done = internal_done;
    internal.bench = this;
    internal.command = command.get();
    live.push_back(command);
    dispatcher_.start_internal(internal);
    run_released();
    return command;
  }

  // What a message to the loop is.
  template <class Message>
  void post(Message message) {
    message(dispatcher_);
    run_released();
  }

  // Performs one of the requests that the handler has.
  void complete(size_t which) {
    device::Slot* slot = submitted.at(which);
    submitted.erase(submitted.begin() + static_cast<long>(which));
    slot->info = TCMUD_NO_INFO;
    slot->status = perform(*command_of(*slot), slot->request.c);
    act(*slot, dispatcher_.resume(*slot));
  }

  void finish(std::mt19937_64& random) {
    while (!submitted.empty()) {
      complete(random() % submitted.size());
    }
    if (slab_->in_use() != 0 || !live.empty()) {
      throw std::logic_error("commands wait for ever");
    }
  }

  // Asked before each request; not TCMUD_OK: its answer. A WRITE that fails may have written a
  // part.
  std::function<int32_t(const Command&, const tcmud_request&)> verdict;
  std::function<void(Command&)> on_end;          // before its slot is given back
  std::function<void(const Command&)> on_write;  // a WRITE of it was performed
  std::vector<uint8_t> medium;
  std::vector<std::shared_ptr<Command>> live;
  std::vector<device::Slot*> submitted;
  uint64_t requests = 0;
  uint64_t longest_read = 0;

  static constexpr uint32_t kSlots = 64;
  [[nodiscard]] bool full() const { return slab_->full(); }
  device::Dispatcher& dispatcher() { return dispatcher_; }

 private:
  static void scatter(Command& command) {
    for (size_t at = 0, piece = 1536; at < command.data.size(); at += piece, piece += 1024) {
      command.iov.push_back({command.data.data() + at, std::min(piece, command.data.size() - at)});
    }
  }

  static void internal_done(device::InternalCommand& internal, device::Dispatcher&) {
    Command& command = *static_cast<Internal&>(internal).command;
    DispatcherBench& bench = *static_cast<Internal&>(internal).bench;
    if (command.answered) {
      throw std::logic_error("ended twice");
    }
    command.answered = command.ended = true;
    command.answer = device::make_completion(internal.verdict.status, internal.verdict.sense);
    const auto found =
        std::find_if(bench.live.begin(), bench.live.end(),
                     [&command](const auto& other) { return other.get() == &command; });
    const auto keep = *found;
    bench.live.erase(found);
    if (bench.on_end) {
      bench.on_end(command);
    }
  }

  static device::View view(uint64_t blocks, const tcmud_props& props) {
    auto lun = std::make_shared<scsi::Lun>();
    lun->blocks = blocks;
    lun->block_size = kBlock;
    lun->write_cache = props.write_cache != 0;
    lun->features = UINT32_MAX;
    lun->max_compare_and_write_blocks = 8;
    lun->max_atomic_blocks = 8;
    lun->can_unmap = props.unmap == TCMUD_NATIVE;
    lun->unmap_zeroes = props.unmap_zeroes != 0;
    return {.lun = std::move(lun), .props = props, .write_through = false};
  }

  std::shared_ptr<Command> command_of(const device::Slot& slot) {
    return *std::find_if(live.begin(), live.end(),
                         [&slot](const auto& command) { return command->slot == &slot; });
  }

  void act(device::Slot& slot, Next next) {
    switch (next) {
      case Next::kSubmit:
        submit(slot);
        break;
      case Next::kAnswered:
        answer(slot);
        end(slot);
        break;
      case Next::kAnsweredAhead:
        answer(slot);
        act(slot, dispatcher_.go_ahead(slot));
        break;
      case Next::kDone:
        end(slot);
        break;
      case Next::kWait:
        run_released();
        break;
      default:
        throw std::logic_error("no command of these asks for that");
    }
  }

  void answer(device::Slot& slot) {
    const auto command = command_of(slot);
    if (command->internal != nullptr || command->of_operation) {
      return;
    }
    if (command->answered) {
      throw std::logic_error("answered twice");
    }
    command->answered = true;
    command->answer = dispatcher_.completion();
  }

  void end(device::Slot& slot) {
    const auto command = command_of(slot);
    command->slot = nullptr;
    if (command->internal == nullptr) {
      command->ended = true;
      if (on_end && !command->of_operation) {
        on_end(*command);
      }
      live.erase(std::find(live.begin(), live.end(), command));
    }
    const bool releases = dispatcher_.end(slot);
    slab_->give_back(&slot);
    if (releases) {
      run_released();
    }
  }

  void run_released() {
    if (releasing_) {
      return;
    }
    releasing_ = true;
    while (device::Slot* slot = dispatcher_.take_released()) {
      if (slot->internal != nullptr && slot->wait == device::Slot::Wait::kInternal) {
        found_slot(*slot);
      }
      act(*slot, dispatcher_.go_on(*slot));
    }
    releasing_ = false;
  }

  // For a command of the daemon's own.
  void found_slot(device::Slot& slot) {
    if (slot.internal->done == internal_done) {
      Command& command = *static_cast<Internal*>(slot.internal)->command;
      command.slot = &slot;
      command.number = ++arrivals_;
      return;
    }
    auto command = std::make_shared<Command>();
    command->block = slot.internal->block;
    command->slot = &slot;
    command->number = ++arrivals_;
    command->of_operation = true;
    live.push_back(command);
  }

  // The rule of exclusion, where it can be seen: what the handler has at the same time.
  void submit(device::Slot& slot) {
    const auto command = command_of(slot);
    for (const auto& other : live) {
      if (other == command || other->slot == nullptr || !other->overlaps(*command) ||
          !touches(*command) || !touches(*other) ||
          (!other->exclusive() && !command->exclusive())) {
        continue;
      }
      if (other->launched) {
        throw std::logic_error("an exclusive command is not alone");
      }
      if (other->number < command->number) {
        throw std::logic_error("one that came later goes on first");
      }
    }
    if (command->of_operation) {
      for (const auto& other : live) {
        if (!other->of_operation && other->launched && touches(*other) &&
            other->overlaps(*command)) {
          throw std::logic_error("a FORMAT UNIT or SANITIZE is not alone");
        }
      }
    }
    command->launched = true;
    submitted.push_back(&slot);
  }

  static bool touches(const Command& command) {
    return command.block.op != scsi::BlockOp::kFlush &&
           command.block.op != scsi::BlockOp::kPrefetch &&
           command.block.op != scsi::BlockOp::kLbaStatus;
  }

  int32_t perform(const Command& command, const tcmud_request& request) {
    ++requests;
    const int32_t said = verdict ? verdict(command, request) : TCMUD_OK;
    uint64_t left = request.length;
    if (said != TCMUD_OK) {
      left = request.op == TCMUD_OP_WRITE ? left / 2 : 0;
    }
    if (request.op == TCMUD_OP_WRITE_ZEROES && said == TCMUD_OK) {
      std::fill_n(medium.begin() + static_cast<long>(request.offset), request.length, uint8_t{0});
    }
    if (request.op == TCMUD_OP_WRITE || request.op == TCMUD_OP_READ) {
      uint8_t* at = medium.data() + request.offset;
      uint64_t sum = 0;
      for (uint32_t i = 0; i < request.iovcnt; ++i) {
        const iovec& piece = request.iov[i];
        sum += piece.iov_len;
        const size_t n = std::min<uint64_t>(piece.iov_len, left);
        request.op == TCMUD_OP_READ ? std::memcpy(piece.iov_base, at, n)
                                    : std::memcpy(at, piece.iov_base, n);
        at += n;
        left -= n;
      }
      if (sum != request.length || request.offset + request.length > medium.size()) {
        throw std::logic_error("a request that is none");
      }
    }
    if (request.op == TCMUD_OP_READ) {
      longest_read = std::max(longest_read, request.length);
    }
    if (request.op == TCMUD_OP_WRITE) {
      for (const auto& other : live) {
        other->disturbed |= other.get() != &command && other->overlaps(command);
      }
      if (on_write) {
        on_write(command);
      }
    }
    return said;
  }

  std::unique_ptr<device::Slab> slab_;
  std::unique_ptr<device::ScratchPool> scratch_;
  device::Dispatcher dispatcher_;
  uint64_t arrivals_ = 0;
  bool releasing_ = false;
};

}  // namespace tcmud::test
