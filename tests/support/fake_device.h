// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "kernel/kernel_port.h"
#include "kernel/uio_port.h"
#include "support/attributes.h"
#include "support/kernel_ring.h"
#include "support/shared_region.h"
#include "support/ticket.h"
#include "support/uio_channel.h"
#include "support/violations.h"

namespace tcmud::test {

// Who plays the kernel's part when the daemon kicks.
enum class Drive {
  kThread,  // a thread of the fake's own takes kicks and runs the timers
  kManual,  // the test, by process_kicks() and advance(); waiting for a Ticket does it too. For
            // one-threaded tests
};

struct DeviceSpec {
  uint32_t hba = 0;
  std::string name = "disk";
  std::string dev_config = "null/";  // "<subtype>/<config>"
  uint64_t bytes = 64U << 20;
  uint32_t block_size = 512;
  uint32_t max_sectors = 2048;  // hw_max_sectors, in logical blocks
  std::string serial = "8a2ff8e1-5f0c-4a51-8fd0-2f6d5a1c7b90";
  RingOptions ring{};
  Drive drive = Drive::kThread;
  // Each submission also takes what is completed but not kicked for yet, as the kernel's reclaim
  // worker and block_dev do it: then ThreadSanitizer sees a cmd_tail that was stored without
  // release, which the kick would hide.
  bool eager = false;
  std::chrono::milliseconds kick_limit{5000};  // cmd_tail may stand unkicked for so long
};

// One TCMU device as its kernel and its initiators see it. Any thread, unless a function says
// otherwise.
class FakeDevice final : public std::enable_shared_from_this<FakeDevice>, private Initiator {
 public:
  FakeDevice(const DeviceSpec& spec, uint32_t minor, uint32_t device_id,
             std::shared_ptr<Violations> violations);
  ~FakeDevice() override;

  // ---- Initiator. The data-in length is the transport's expected length; data-in and data-out:
  // bidirectional.
  Ticket submit(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out = {},
                size_t data_in_length = 0);
  Outcome run(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out = {},
              size_t data_in_length = 0) {
    return submit(cdb, data_out, data_in_length).wait();
  }
  // As submit, but the ring entry has an operation code that no kernel uses so far.
  Ticket submit_ring_opcode(uint8_t ring_opcode);
  // TMR of struct tcmu_tmr_entry (1 ABORT TASK, 5 LUN RESET, …). The commands still have to be
  // answered.
  void task_management(uint8_t type, std::span<const Ticket> commands);
  // Between the two, commands are published but only the end tells the daemon, with one event.
  void plug();
  void unplug();

  // ---- The kernel's moods.
  void spurious_event();
  bool publish_raw(std::span<const std::byte> entry);  // see KernelRing
  void break_ring();                                   // as after garbage: only reset_ring helps
  void reset_ring(int how);
  void set_blocked(bool blocked);
  void set_queue_full_timeout(int seconds);
  void
  hang_up();  // the device goes without a word: EPOLLHUP, kicks fail, commands end with 02/08/00

  // ---- Time and kicks.
  // Takes what the daemon has completed, if it has kicked since last time. False: it has not.
  bool process_kicks();
  // Lets the clock of the timers jump ahead, then does what is due.
  void advance(std::chrono::milliseconds by);

  // ---- The UIO node. EBUSY: open already; ENXIO: gone.
  Result<kernel::UioPort> open();
  [[nodiscard]] bool is_open();
  // From now on blocks that belong to no live command are unreachable in `port`: SIGSEGV, or EFAULT
  // from system calls. To be called by the opener, before any command; and no command may be
  // submitted while the port is being destroyed.
  void protect_free_blocks(const kernel::UioPort& port);

  // ---- configfs; FakeKernel leads here. Paths as in kernel_port.h.
  // Nobody may look up the device's directory while the kernel waits for the REMOVED reply.
  Result<void> look_up_directory();
  // From directories that were looked up before.
  Result<std::string> read_attribute(std::string_view path);
  Result<void> write_attribute(std::string_view path, std::string_view value);
  [[nodiscard]] Result<std::vector<std::string>> list_port_groups();
  void watch(const std::shared_ptr<kernel::ChangeCount>& changes);
  // How often the daemon has read an attribute.
  [[nodiscard]] uint64_t attribute_reads() const;
  // Sets (or adds) what the daemon will read; "the administrator's" hand.
  void set_attribute(std::string_view path, std::string_view value);
  // mkdir alua/<name>, with an id and members as configfs shows them; a group has the kernel's
  // defaults.
  void add_port_group(const std::string& name, uint16_t id, std::string_view members);
  // `once` is called just before the daemon reads that attribute the next time.
  void before_reading(std::string_view path, std::function<void()> once);
  // Makes access to one attribute fail; 0: no longer.
  void fail_attribute(std::string_view path, int error);

  // ---- What there is to see.
  [[nodiscard]] const DeviceSpec& spec() const { return spec_; }
  [[nodiscard]] kernel::DeviceName device_name() const;
  [[nodiscard]] std::string uio_name() const;
  [[nodiscard]] uint32_t minor() const { return minor_; }
  [[nodiscard]] uint32_t device_id() const { return device_id_; }
  [[nodiscard]] size_t in_flight() const;  // commands that user space owes, expired ones included
  [[nodiscard]] size_t queued() const;     // commands that wait for room in the ring
  [[nodiscard]] bool broken() const;
  [[nodiscard]] bool blocked() const;
  // The kernel's view of the shared memory, for tests that play a wicked kernel or a wicked daemon.
  [[nodiscard]] std::byte* shared_memory() { return region_.base(); }
  // Looks for late writes, a changed mailbox, a tail without a kick. Also done when the device
  // ends.
  void verify();

  // ---- For FakeKernel.
  enum class State { kAdding, kConfigured, kRemoving, kGone };
  void set_state(State state);
  [[nodiscard]] State state() const;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void answered(CommandTag tag, const RingAnswer& answer) override;
  Ticket submit_request(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                        size_t data_in_length, uint8_t ring_opcode);
  void deliver(Lock& lock);
  [[nodiscard]] Clock::time_point now() const { return Clock::now() + skew_; }
  bool take_kicks(Lock& lock);
  void run_timers(Lock& lock);
  void notice_close();
  void kernel_thread();
  [[nodiscard]] int next_tick_ms();
  void wake_thread();
  Result<void> write_action(std::string_view path, std::string_view value);
  Result<void> write_port_group(const std::string& path, std::string_view value);
  void count_change();
  [[nodiscard]] Result<void> check_access(std::string_view path);
  [[nodiscard]] Result<void> refuse_removed(std::string_view path, bool looked_up);

  const DeviceSpec spec_;
  const uint32_t minor_;
  const uint32_t device_id_;
  const std::shared_ptr<Violations> violations_;

  mutable std::mutex mutex_;  // the kernel's cmdr_lock; guards all below
  SharedRegion region_;
  KernelRing ring_;
  std::shared_ptr<UioChannel> channel_;  // of the present open
  Mapping daemon_map_;                   // empty where the daemon itself unmaps it
  State state_ = State::kConfigured;
  bool plugged_ = false;
  std::chrono::milliseconds skew_{0};
  std::optional<Clock::time_point> unkicked_since_;
  CommandTag next_tag_ = 1;
  std::unordered_map<CommandTag, std::shared_ptr<Ticket::State>> waiting_;
  std::vector<std::shared_ptr<Ticket::State>> finished_;  // to be told outside the lock
  AttributeMap attributes_;
  std::map<std::string, int, std::less<>> attribute_errors_;
  std::map<std::string, std::function<void()>, std::less<>> before_reading_;
  uint64_t attribute_reads_ = 0;
  std::weak_ptr<kernel::ChangeCount> watcher_;

  Fd wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcmud::test
