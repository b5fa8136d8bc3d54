// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "support/block_area.h"
#include "support/race_mirror.h"
#include "support/shared_region.h"
#include "support/violations.h"

namespace tcmud::test {

using Clock = std::chrono::steady_clock;

// SAM-5 5.3.1, as far as LIO itself uses them.
inline constexpr uint8_t kStatusGood = 0x00;
inline constexpr uint8_t kStatusCheckCondition = 0x02;
inline constexpr uint8_t kStatusBusy = 0x08;
inline constexpr uint8_t kStatusTaskSetFull = 0x28;
inline constexpr uint8_t kStatusTaskAborted = 0x40;

inline constexpr size_t kSenseBytes = 96;  // TCMU_SENSE_BUFFERSIZE

// The initiator's name for a command: unique among those that are not answered yet.
using CommandTag = uint64_t;

// One SCSI command as a fabric hands it to TCMU. Both buffers: bidirectional. They stay valid until
// the answer.
struct RingRequest {
  CommandTag tag = 0;
  std::span<const uint8_t> cdb;  // 1 to 260 bytes
  std::span<const uint8_t> data_out;
  std::span<uint8_t> data_in;
  uint8_t ring_opcode = 1;  // TCMU_OP_CMD; another one plays a kernel from the future
};

// What the initiator sees in the end.
struct RingAnswer {
  uint8_t status = 0;
  uint32_t data_in_length = 0;  // bytes of data-in delivered
  std::array<uint8_t, kSenseBytes> sense{};
};

// Takes the answers, in the order in which the kernel gives them, from within KernelRing's
// functions: it must not call back into the ring.
class Initiator {
 public:
  virtual ~Initiator() = default;
  virtual void answered(CommandTag tag, const RingAnswer& answer) = 0;
};

struct RingOptions {
  Geometry geometry{};
  Reuse reuse = Reuse::kLowestFirst;
  bool poison = true;  // fill blocks of completed commands, and look for writes that come later
  bool check_data_in = false;                    // GOOD must have written every byte of data-in
  bool tmr_notification = false;                 // attrib/tmr_notification
  std::chrono::milliseconds command_timeout{0};  // attrib/cmd_time_out; 0: none
  int queue_full_timeout_s = -1;                 // attrib/qfull_time_out
};

// The kernel's side of one device's mailbox and ring (target_core_user), without threads, clocks
// and file descriptors: the caller serialises the calls, says what time it is, and delivers events
// and kicks.
//
// Strict where the kernel trusts: every entry is remembered privately, what user space may not
// touch is compared with that, and a mistake is recorded as a violation. After one that would leave
// the kernel with garbage the ring is broken, as after the kernel's own "ring is broken": nothing
// is taken until reset.
class KernelRing {
 public:
  KernelRing(SharedRegion& region, const RingOptions& options, Initiator& initiator,
             Violations& violations);
  ~KernelRing();

  // ---- The fabric's side.
  void submit(const RingRequest& request, Clock::time_point now);
  // A task management function for these commands (struct tcmu_tmr_entry's tmr_type).
  void task_management(uint8_t type, std::span<const CommandTag> commands);

  // ---- The daemon has kicked.
  void handle_completions(Clock::time_point now);

  // ---- Timers.
  void run_timers(Clock::time_point now);
  [[nodiscard]] std::optional<Clock::time_point> next_deadline() const;

  // ---- configfs.
  void reset(int how, Clock::time_point now);  // action/reset_ring: 1 BUSY, 2 CHECK CONDITION
  void set_blocked(bool blocked, Clock::time_point now);
  [[nodiscard]] bool blocked() const { return blocked_; }
  [[nodiscard]] bool free_kept_buffer(uint16_t id);
  void set_queue_full_timeout(int seconds) { options_.queue_full_timeout_s = seconds; }
  void set_tmr_notification(bool enabled) { options_.tmr_notification = enabled; }

  // Where the daemon has its map, for ThreadSanitizer; nullptr: nowhere.
  void set_daemon_view(std::byte* daemon_base);
  // The UIO node was closed: the buffers that user space kept are free again.
  void closed();
  // Answers everything that is left, without user space: the device goes.
  void fail_all();
  // The state that the kernel is in after garbage from user space, on purpose.
  void break_ring() { broken_ = true; }

  // Puts bytes (a multiple of 8) at the head as they are and publishes them, for tests of the
  // daemon's parser. Nothing in it is a command to the fake; reset() takes it away. False: no room.
  bool publish_raw(std::span<const std::byte> entry);

  // ---- What there is to see.
  // Should user space be notified now? Reading clears it. While the submitter is plugged only a
  // task management notification cannot wait.
  [[nodiscard]] bool take_event(bool plugged = false);
  [[nodiscard]] bool broken() const { return broken_; }
  [[nodiscard]] size_t in_flight() const {
    return in_flight_;
  }  // with user space, expired ones included
  [[nodiscard]] size_t queued() const { return queue_full_.size(); }  // waiting for room
  [[nodiscard]] bool tail_moved() const;  // there are completions nobody has kicked for
  [[nodiscard]] bool is_live(uint16_t id) const { return find(id) != nullptr; }
  [[nodiscard]] BlockArea& blocks() { return blocks_; }
  // Compares the mailbox with what it must be.
  void check_mailbox();

 private:
  struct Command;
  struct Slot {
    uint32_t offset;
    uint32_t length;
    uint32_t len_op;
    uint16_t id;  // of the command that the entry was written for
  };
  struct QueuedTmr {
    uint8_t type;
    std::vector<uint16_t> ids;
  };
  enum class Placed { kYes, kNoRoom, kNever };

  [[nodiscard]] Command* find(uint16_t id) const {
    return id < by_id_.size() ? by_id_[id].get() : nullptr;
  }
  std::unique_ptr<Command> take_spare();
  Placed place(Command& command);
  bool place_tmr(const QueuedTmr& tmr);
  bool reserve(uint32_t bytes);
  [[nodiscard]] bool has_room(uint32_t bytes) const;
  uint32_t take_id();
  void write_command_entry(const Command& command, uint32_t length, uint32_t base,
                           uint32_t first_iovecs);
  void publish(uint32_t length, uint32_t len_op, uint16_t id);
  void prepare_data(Command& command);
  void run_queue(bool fail, Clock::time_point now);
  void enqueue(std::unique_ptr<Command> command, Clock::time_point now);

  [[nodiscard]] bool tail_is_sound(uint32_t tail);
  bool take_slot(const Slot& slot);
  bool finish(Command& command, const std::byte* entry, bool keep);
  void check_written(const Command& command, uint32_t length);
  void release(Command& command);
  void answer(Command& command, const RingAnswer& answer);
  void answer(Command& command, uint8_t status);
  void answer_sense(Command& command, uint8_t key, uint8_t asc, uint8_t ascq);
  void broken(Violation what, const std::string& text);
  void drop(uint16_t id);

  [[nodiscard]] std::byte* ring() const { return region_.base() + kMailboxSize; }
  [[nodiscard]] uint32_t load_tail() const;
  void store_head(uint32_t head);
  void clear_tail();

  SharedRegion& region_;
  RingOptions options_;
  Initiator& initiator_;
  Violations& violations_;
  BlockArea blocks_;
  RaceMirror mirror_;
  const uint32_t ring_size_;
  std::array<std::byte, kMailboxSize> mailbox_{};  // as it must be, but for cmd_tail

  uint32_t head_ = 0;
  uint32_t cleaned_ = 0;    // everything before it was taken back: the kernel's cmdr_last_cleaned
  std::deque<Slot> slots_;  // from cleaned_ to head_
  std::vector<std::unique_ptr<Command>> by_id_;  // as long as the greatest id that was ever used
  std::vector<uint64_t> id_in_use_;
  uint32_t id_hint_ = 1;
  size_t in_flight_ = 0;
  std::deque<std::unique_ptr<Command>> queue_full_;
  std::deque<QueuedTmr> queued_tmrs_;
  std::vector<std::unique_ptr<Command>> spare_;
  std::vector<iovec> iovecs_;  // of the entry being written
  bool broken_ = false;
  bool blocked_ = false;
  bool event_ = false;
  bool urgent_event_ = false;
};

}  // namespace tcmud::test
