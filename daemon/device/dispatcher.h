// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "copy/lun_copies.h"
#include "device/emulation.h"
#include "device/extent_locks.h"
#include "device/internal_command.h"
#include "device/long_operation.h"
#include "device/post_box.h"
#include "device/slab.h"
#include "device/view.h"
#include "kernel/ring.h"
#include "plugin/backend.h"
#include "scsi/execute.h"
#include "scsi/lun.h"

namespace tcmud::device {

// How a command is answered that needs the storage's lock while it is not ours.
enum class Lockless : uint8_t {
  kBusy,     // its initiator repeats it
  kStandby,  // its initiator has to ask for the lock first, by SET TARGET PORT GROUPS
};

// Turns one command of the ring into an answer or into requests to the handler, and the handler's
// statuses into answers.
//
// Runs on the holder of the loop role and nowhere else. It knows neither threads nor kicks: it is
// told of a command (start) and of the end of a request (resume), and says what is to be done next.
// What a handler can't do it composes of other requests: FUA of WRITE and FLUSH, WRITE SAME of
// WRITE_ZEROES or of WRITEs whose iovecs all point at the one block, long UNMAP lists of several;
// Emulation knows the rest. ExtentLocks keeps those that must look atomic apart from others. The
// daemon has commands of its own (InternalCommand) that go the same way.
class Dispatcher {
 public:
  enum class Next : uint8_t {
    kAnswered,  // `completion()` is the answer; the slot is free to be given back once it is sent
    kSubmit,    // slot.request is to be submitted
    kAnsweredAhead,  // `completion()` is the answer; then go_ahead()
    kDone,           // as kAnswered, but the answer was sent before
    kWait,           // take_released() will tell
    kMode,           // slot.mode is to be put in force, then mode_changed(slot.mode_ticket)
    kGroupStates,    // take_state_requests() are to be put in force, then
                     // group_states_set(slot.mode_ticket)
    kConfigfs,       // start_again() when configfs was read again, and the view says so
    kWays,           // start_again() when set_ways() was called
    kLock,  // release_lockless() or settle() when it is known what becomes of the lock; wanted now
  };

  // `lun` is how the log names it.
  Dispatcher(View view, Slab& slab, ScratchPool& scratch, bool has_read_length,
             std::string lun = {})
      : view_(std::move(view)),
        lun_told_(view_.lun),
        lun_(std::move(lun)),
        slab_(slab),
        has_read_length_(has_read_length),
        locks_(slab),
        scratch_(&scratch),
        emulation_(scratch) {}

  void set_view(View view);
  [[nodiscard]] const View& view() const { return view_; }
  void raise_capacity_changed() {
    capacity_changed_ = true;
    attention_ = true;
  }

  // A command that the ring gave; data buffer and CDB are in the slot.
  [[nodiscard]] Next start(Slot& slot);
  // After kConfigfs or kWays, when something was posted.
  [[nodiscard]] Next start_again(Slot& slot);
  // A block request of the command that the slot holds; what start() does with what it decoded.
  [[nodiscard]] Next begin(Slot& slot, const scsi::BlockRequest& block);
  // After kAnsweredAhead, once the answer was sent.
  [[nodiscard]] Next go_ahead(Slot& slot) {
    return is_operation(slot) ? lock_for_operation(slot) : launch(slot, slot.block);
  }
  // The command is answered and done with; before its slot is given back. True: others that waited
  // may go on now, see take_released().
  [[nodiscard]] bool end(Slot& slot) {
    if (special_ > 0) [[unlikely]] {
      return end_specially(slot);
    }
    slot.extent = {};
    return false;
  }
  // A command that waited and goes on now, with go_on(); nullptr: none. To be asked after kWait,
  // and where end() says so, before another command is started.
  [[nodiscard]] Slot* take_released();
  [[nodiscard]] Next go_on(Slot& slot);

  // Starts a request of the daemon's own; see InternalCommand. Of all that are there at once, those
  // beyond a part of the slots wait for one another, so that initiators always find some; and
  // where slots are short, one that waits gets the next. From a message to the loop, from done(),
  // or where the caller then says kWait.
  void start_internal(InternalCommand& command);
  // The LUN closes: those that have no slot yet, and those to come, end with NOT READY.
  void refuse_internal(bool refuse);
  // The command keeps its slot, and may keep others waiting, until finish() says how it ended.
  Next hold(Slot& slot);
  void finish(Slot& slot, const Verdict& verdict);

  // A request of the FORMAT UNIT or SANITIZE under way has ended.
  void advance_operation();

  // What kMode asked for is in force: the view says so.
  void mode_changed(uint64_t ticket);
  // What kGroupStates gave is in force, or not all of it is; the view says what is.
  void group_states_set(uint64_t ticket, bool all);
  [[nodiscard]] std::vector<scsi::StateRequest> take_state_requests() {
    return std::move(state_requests_);
  }
  // Nobody puts modes or states in force any more: who asks, or waits, gets BUSY. Nobody reads
  // configfs, either: what is known of it has to do.
  void refuse_modes(bool refuse);

  // Third-party copies; the LUN's features say whether there are any. `posts` is this loop's.
  void set_copies(std::unique_ptr<copy::LunCopies> copies, std::shared_ptr<PostBox> posts);
  // What kWays asked for.
  void set_ways(std::shared_ptr<const copy::Ways> ways);
  // How long a copy may keep its initiator waiting, in ns; 0 = for ever.
  void set_copy_patience(uint64_t ns);
  // The LUN closes, or stops for a while: copies that it began end at once, tokens too, and to who
  // asks for more it is BUSY.
  void refuse_copies(bool refuse);
  // The initiators of these commands have given them up: copies among them end as soon as nothing
  // of theirs is under way any more.
  void cancel_copies(std::span<const uint16_t> command_ids);
  // The FORMAT UNIT or SANITIZE among them, which goes on without an initiator that waits for it:
  // completion() is its answer. nullptr: there is none, or it has its answer.
  [[nodiscard]] const Slot* answer_operation(std::span<const uint16_t> command_ids);

  // The lock that the handler wants. What waits for it is answered so; the caller then asks
  // take_released().
  void release_lockless(Lockless how);
  // The lock is ours. Whatever came before is answered BUSY instead of done, until
  // set_lock_enabled().
  void settle();
  // The ring is empty. True, once: nothing is left of what came before.
  [[nodiscard]] bool take_settled() { return settling_ && !settled_told_ && has_settled(); }
  void set_lock_enabled(bool enabled) {
    lock_enabled_ = enabled;
    settling_ = false;
  }
  // Nobody sees to the lock any more: who needs it gets BUSY at once.
  void refuse_lockless(bool refuse);

  // The slot's request ended with slot.status (and slot.info).
  [[nodiscard]] Next resume(Slot& slot);
  [[nodiscard]] const kernel::Completion& completion() const { return completion_; }

 private:
  Next execute(Slot& slot);
  Next reply(Slot& slot, const scsi::Outcome& outcome);
  Next answer_good(Slot& slot, uint64_t data_in);
  void tell_attention();
  Next begin_specially(Slot& slot, const scsi::BlockRequest& block);
  Next launch(Slot& slot, const scsi::BlockRequest& block);
  Next act(Slot& slot, Emulation::Step step);
  Next fail(Slot& slot);
  bool end_specially(Slot& slot);
  void release(Slot& slot, Slot::Wait how);
  Slot* take_internal();
  Next begin_internal(Slot& slot);
  void end_internal(Slot& slot);
  void end_refused(InternalCommand& command);
  void tell_ended();
  [[nodiscard]] Verdict refusal(const InternalCommand& command) const;
  Next begin_copy(Slot& slot, const scsi::Outcome& outcome, std::span<const uint8_t> list);
  Next answer_copy(Slot& slot, const copy::LunCopies::Answer& answer);
  Next begin_token(Slot& slot, uint32_t list_identifier, std::span<const uint8_t> list);
  Next make_token(Slot& slot);
  void guard();
  void before_launch(const Slot& slot, const scsi::BlockRequest& block);
  void defer(const kernel::Completion& completion);
  [[nodiscard]] bool lacks_lock(const Slot& slot) const;
  // Of what takes long and would fail in the middle: better not begun.
  [[nodiscard]] bool needs_lock_first() const { return view_.props.lock != 0 && !lock_enabled_; }
  bool has_settled();
  Next wait_for_lock(Slot& slot);
  Next answer_lockless(Slot& slot, Lockless how);
  Next begin_format(Slot& slot, const scsi::FormatRequest& format);
  Next begin_sanitize(Slot& slot, const scsi::SanitizeRequest& sanitize);
  Next begin_operation(Slot& slot, const LongOperation::Work& work, bool immediate);
  Next lock_for_operation(Slot& slot);
  void end_operation();
  void tell_medium_state();
  [[nodiscard]] bool is_operation(const Slot& slot) const {
    return operation_ != nullptr && &operation_->slot() == &slot;
  }
  Next begin_mode(Slot& slot, const scsi::ModeChange& mode);
  Next begin_group_states(Slot& slot, std::span<const uint8_t> list);
  Next ask_for_mode(Slot& slot);
  Next ask_strand(Slot& slot, Next how);
  Next mode_in_force(Slot& slot);
  void finish_mode(Slot::Wait how);
  Next begin_write_same(Slot& slot, const scsi::BlockRequest& block);
  void begin_zeroes(Slot& slot, const scsi::BlockRequest& block);
  void repeat(Slot& slot, const scsi::BlockRequest& block, const void* data, uint32_t data_size);
  void next_ranges(Slot& slot);
  void next_piece(Slot& slot);
  void zero_data_from(const Slot& slot, uint64_t offset);

  // What became of the medium, which only the loop knows: see scsi::Lun.
  struct MediumState {
    std::optional<uint16_t> progress;
    scsi::AdditionalSense progress_code = scsi::asc::kFormatInProgress;
    scsi::SanitizeFailure sanitize_failure = scsi::SanitizeFailure::kNone;
    bool format_corrupt = false;
  };

  View view_;                                  // with lun_told_, or with marked_lun_ in its place
  std::shared_ptr<const scsi::Lun> lun_told_;  // as the strand gave it
  MediumState medium_;
  std::shared_ptr<scsi::Lun> marked_lun_;  // a copy with medium_, while there is something to mark
  std::unique_ptr<LongOperation> operation_;
  std::string lun_;
  Slab& slab_;
  bool has_read_length_;
  bool attention_ = false;  // one of the two:
  bool capacity_changed_ = false;
  bool has_deferred_ = false;

  ExtentLocks locks_;
  ScratchPool* scratch_;
  Emulation emulation_;
  // Commands that may keep others waiting: exclusive, composed with scratch memory, answered ahead,
  // held, or the daemon's own. While there are none, no command costs more than the question.
  uint32_t special_ = 0;
  Slot* modes_first_ = nullptr;  // FIFO by next_completed: wait for the strand
  Slot* modes_last_ = nullptr;
  Slot* released_ = nullptr;  // by next_completed: wait for take_released()
  uint64_t last_mode_ticket_ = 0;
  bool refuse_modes_ = false;
  std::vector<scsi::StateRequest> state_requests_;  // of the command that said kGroupStates

  // FIFO by InternalCommand::next.
  struct InternalList {
    InternalCommand* first = nullptr;
    InternalCommand* last = nullptr;
    void push(InternalCommand& command);
    InternalCommand* pop();
  };
  InternalList internal_waiting_;  // for a slot
  InternalList internal_ended_;    // for take_released(), which calls done()
  uint32_t internal_running_ = 0;  // have a slot
  bool refuse_internal_ = false;

  Slot* lockless_ = nullptr;  // by next_completed: wait for the lock
  bool lock_enabled_ = false;
  bool settling_ = false;
  bool settled_told_ = false;
  bool refuse_lockless_ = false;

  std::unique_ptr<copy::LunCopies> copies_;
  std::shared_ptr<PostBox> posts_;
  bool refuse_copies_ = false;
  uint64_t ways_told_ = 0;  // how often
  bool guarding_ = false;   // tokens stand for data of this LUN; counted in special_

  kernel::Completion completion_;
  kernel::Completion deferred_;  // of a command that was answered before it failed
  std::array<uint8_t, scsi::kMaxResponse> response_;
  std::array<uint8_t, scsi::kMaxParameterList> parameters_;
  std::array<scsi::Range, scsi::kMaxUnmapDescriptors> ranges_;
};

}  // namespace tcmud::device
