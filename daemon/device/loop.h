// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/mpsc_list.h"
#include "device/dispatcher.h"
#include "device/pacing.h"
#include "device/post_box.h"
#include "device/slab.h"
#include "kernel/ring.h"
#include "kernel/uio_port.h"
#include "plugin/backend.h"

namespace tcmud::device {

// What the loop asks of the rest of the LUN. Called by the holder of the loop role; must return at
// once.
class LoopOwner {
 public:
  // An initiator asks for something that configfs says, and what we know may be old: read it again,
  // then post set_view.
  virtual void configfs_wanted() = 0;
  // An EXTENDED COPY names another LUN, and it has to be known who reaches which: post set_ways.
  virtual void ways_wanted() = 0;
  // The ring makes no sense any more; nothing is taken from it until it was reset.
  virtual void ring_broken(const char* reason) = 0;
  // The kernel's side is gone without a REMOVED event.
  virtual void device_gone() = 0;
  // The handler completed a request that it does not have. Any thread.
  virtual void handler_misbehaved(int32_t status) = 0;
  // MODE SELECT: publish a view like that, then post mode_changed(ticket).
  virtual void mode_wanted(const scsi::ModeChange& mode, uint64_t ticket) = 0;
  // A command needs the storage's lock: get it, or say that it isn't to be had; post settle() or
  // release_lockless().
  virtual void lock_wanted() = 0;
  // After settle(): everything that the ring held is answered, or with the handler.
  virtual void settled() = 0;
  // SET TARGET PORT GROUPS: publish a view that says what came of it, then post
  // group_states_set(ticket).
  virtual void group_states_wanted(std::vector<scsi::StateRequest> requests, uint64_t ticket) = 0;

 protected:
  ~LoopOwner() = default;
};

// One LUN's way from ring to handler and back: everything between the kernel's wake-up and the
// kick.
//
// Threads: everything but execute(), posts(), stop_taking() and the completions of handlers runs on
// the holder of the loop role, one thread at a time. Invariants: a command is in exactly one place
// (the handler, `ready_`, `parked_`, `completed_`, waiting in the dispatcher, or answered); the
// ring's tail moves in kick() only; there is one kick per batch.
class Loop final : plugin::CompletionSink {
 public:
  Loop(kernel::Ring& ring, const kernel::UioPort& port, plugin::Backend& backend, Slab& slab,
       ScratchPool& scratch, View view, const std::string& lun, LoopOwner& owner);

  // Drains completions, takes commands (with a blocking handler until a request is ready), submits
  // (unless the handler blocks), answers, kicks. `hold`: answers that are not due yet may stay
  // unkicked, because the next turn comes soon. True: it did something, or there is more to do.
  bool turn(bool hold);

  // A blocking handler's next request, to be executed by the caller once it gave up the role;
  // nullptr: none.
  [[nodiscard]] Slot* take_ready();
  // Any thread, without the role: lets the blocking handler do a request that take_ready() gave.
  void execute(Slot& slot);

  // Is there anything for a turn?
  [[nodiscard]] bool has_work() const {
    return has_news() || ready_first_ != nullptr || (taking() && !slab_.full() && ring_.has_work());
  }
  // The part of it that other threads cause. Any thread.
  [[nodiscard]] bool has_news() const { return !completed_.empty() || posts_->has_news(); }
  // has_work() for one who polls: looks at the handler too.
  [[nodiscard]] bool poll() { return (in_handler_ > 0 && backend_.reap()) || has_work(); }

  // Messages to the holder of the role; open while the loop serves.
  [[nodiscard]] const std::shared_ptr<PostBox>& posts() const { return posts_; }
  // No thread holds the role yet.
  void prepare(const PostBox::Message& message) { message(dispatcher_); }
  // No thread holds the role any more, nor will: what was posted all the same runs here, on a LUN
  // that is closed.
  void close();

  // Nothing more is taken from the ring. Any thread; the caller wakes the loop.
  void stop_taking() { stopping_.store(true, std::memory_order_seq_cst); }
  // The opposite, for a ring that was reset; no thread holds the role.
  void start_taking() {
    stopping_.store(false, std::memory_order_seq_cst);
    broken_told_ = false;
    dispatcher_.refuse_modes(false);
    dispatcher_.refuse_internal(false);
    dispatcher_.refuse_copies(false);
    dispatcher_.refuse_lockless(false);
  }
  // After stop_taking: everything taken is answered and every message was read; from now on posts
  // are refused. The holder of the role.
  [[nodiscard]] bool finished() {
    return stopping_.load(std::memory_order_relaxed) && slab_.in_use() == 0 &&
           posts_->close_if_empty();
  }
  // Bytes of data of the command that was answered last.
  [[nodiscard]] uint64_t last_bytes() const { return last_bytes_; }
  // Answers that the kernel was not told of yet.
  [[nodiscard]] bool has_unkicked() const { return unkicked_ > 0; }

  // Called when something was pushed by another thread and the loop may be asleep.
  void set_waker(std::function<void()> waker) { waker_ = std::move(waker); }

 private:
  static constexpr uint32_t kTakePerTurn =
      128;  // so that completions are never kept waiting by a full ring

  [[nodiscard]] bool taking() const {
    return !stopping_.load(std::memory_order_relaxed) && !broken_told_;
  }
  bool read_posts();
  bool drain_completed();
  bool take_commands();
  bool take_one();
  void act(Slot& slot, Dispatcher::Next next);
  [[nodiscard]] bool has_enough_ready() const;
  void make_ready(Slot& slot);
  void park(Slot& slot);  // until what it waits for was read
  void submit_ready();
  void answer(Slot& slot);
  void send(const Slot& slot);
  void end(Slot& slot);
  void run_released();
  bool kick();  // true: the tail moved
  void completed(plugin::Request& request, int32_t status, uint64_t info) override;
  void stray_completion(const plugin::Request& request, int32_t status) override;

  kernel::Ring& ring_;
  const kernel::UioPort& port_;
  plugin::Backend& backend_;
  Slab& slab_;
  Dispatcher dispatcher_;
  const std::string lun_;
  LoopOwner& owner_;
  const bool blocking_;
  const bool has_events_;  // the handler's descriptor wakes us, also when it has no request
  std::function<void()> waker_;

  // Loop role only.
  kernel::CommandEntry entry_;
  kernel::TmrEntry tmr_;
  Slot* ready_first_ = nullptr;  // FIFO by next_completed: requests to be submitted
  Slot* ready_last_ = nullptr;
  Slot* parked_ = nullptr;   // commands that wait for configfs
  uint32_t in_handler_ = 0;  // ASYNC: requests that the handler has
  bool releasing_ = false;   // run_released() is under way
  bool batch_open_ = false;  // ASYNC: submitted since flush_batch
  KickPolicy kick_policy_;
  uint32_t unkicked_ = 0;  // answers since the last kick
  uint64_t unkicked_bytes_ = 0;
  uint64_t last_bytes_ = 0;
  bool broken_told_ = false;
  bool gone_told_ = false;

  // From other threads.
  MpscList<Slot> completed_;
  std::atomic<bool> stopping_{false};  // set by stop_taking, read by the loop
  const std::shared_ptr<PostBox> posts_ = std::make_shared<PostBox>();
};

}  // namespace tcmud::device
