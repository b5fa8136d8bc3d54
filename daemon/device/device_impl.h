// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "device/copy_lun.h"
#include "device/device.h"
#include "device/engine.h"
#include "device/lun_view.h"
#include "device/strand.h"
#include "kernel/ring.h"
#include "plugin/backend.h"

// For device.cpp, how a LUN comes and goes, and device_changes.cpp, how it changes in between.
namespace tcmud::device {

// Everything but the constructor, state(), the status and LoopOwner's calls runs on the strand.
struct Device::Impl final : LoopOwner, private plugin::HandlerNews {
  Impl(kernel::KernelPort& kernel_port, const plugin::Registry& handlers, const Settings& defaults,
       kernel::DeviceName device_name, uint32_t uio_minor, StatusChanged on_change)
      : kernel(kernel_port),
        registry(handlers),
        settings(defaults),
        name(std::move(device_name)),
        lun(name.lun()),
        minor(uio_minor),
        status(lun, std::move(on_change)) {
    modes.third_party_copy = settings.copies != nullptr;
  }

  void set_state(State next, std::string reason = {}) {
    state.store(next, std::memory_order_release);
    status.set_state(next, std::move(reason));
  }

  // --- opening and closing ---

  Result<void> open_configfs();
  Result<void> open_backend();
  Result<void> attach_ring();
  Result<void> start_engine();
  Result<void> open_adopted();
  void finish_commands();
  void close_all();
  // To be published: copies go by it, too.
  [[nodiscard]] View view();
  void join_copies();
  // So that a copy is answered by us, with what came of it, before the kernel does it without.
  [[nodiscard]] uint64_t copy_patience() const {
    return uint64_t{attributes.command_timeout} * (1'000'000'000 / 6 * 5);
  }
  Result<void> set_blocked(bool blocked) {
    return configfs->write("action/block_dev", blocked ? "1" : "0");
  }
  Result<void> reset_ring() { return configfs->write("action/reset_ring", "1"); }

  // --- the pieces of work ---

  void add(kernel::Reply& reply);
  void adopt(std::chrono::milliseconds next_retry);
  void reconfigure(const kernel::Change& change, kernel::Reply& reply);
  Result<void> resize(uint64_t bytes);
  Result<void> set_write_cache(bool enabled);
  void select_mode(const scsi::ModeChange& mode, uint64_t ticket);
  void tell_write_cache();
  void remove(kernel::Reply& reply);
  void shut_down(std::chrono::steady_clock::time_point deadline);
  void recover_ring();
  void read_configfs();
  void refresh();
  void read_ways();
  void set_states(const std::vector<scsi::StateRequest>& requests, uint64_t ticket);
  void put_states_in_force(const std::vector<scsi::StateRequest>& requests, uint64_t ticket);
  void publish_view(bool capacity_changed);
  void follow_size();

  // --- the storage's lock: device_lock.cpp ---

  // A SET TARGET PORT GROUPS that has to wait for the lock.
  struct StatesWanted {
    std::vector<scsi::StateRequest> requests;
    uint64_t ticket = 0;
  };
  void want_lock();
  void acquire_lock(const tcmud_lock_status& now);
  void lock_changed();
  void begin_settling();
  void end_settling();
  void pass_commands();
  void fail_waiting(Lockless how);
  void move_lock(const StatesWanted& wanted);
  // True: something was changed, and the view published.
  bool show_lock_in_groups();
  bool show_in_groups(const tcmud_lock_status& now);

  // --- LoopOwner: from the loop ---

  void configfs_wanted() override {
    if (!refreshing.exchange(true)) {
      strand.post([this] { refresh(); });
    }
  }
  void ways_wanted() override {
    if (!reading_ways.exchange(true)) {
      strand.post([this] { read_ways(); });
    }
  }
  void ring_broken(const char* reason) override {
    log::error(lun, "the kernel's ring makes no sense ({}); it is reset, initiators repeat",
               reason);
    strand.post([this] { recover_ring(); });
  }
  void device_gone() override {
    strand.post([this] {
      if (state.load() != State::kClosed) {
        log::warning(lun, "the kernel removed the device without telling");
        kernel::Reply none;
        remove(none);
      }
    });
  }
  void handler_misbehaved(int32_t status) override {
    log::error(lun,
               "handler {} completed a request twice, or one that it does not have (status {}); "
               "ignored: this is a bug of the handler",
               name.subtype, status);
  }

  void lock_wanted() override {
    if (!wanting_lock.exchange(true)) {
      strand.post([this] { want_lock(); });
    }
  }
  void settled() override {
    strand.post([this] { end_settling(); });
  }
  void mode_wanted(const scsi::ModeChange& mode, uint64_t ticket) override {
    strand.post([this, mode, ticket] { select_mode(mode, ticket); });
  }
  void group_states_wanted(std::vector<scsi::StateRequest> requests, uint64_t ticket) override {
    strand.post([this, requests = std::move(requests), ticket] { set_states(requests, ticket); });
  }

  // --- HandlerNews: from any thread of the handler's ---

  void event(tcmud_event what) override;
  void backend_state(tcmud_backend_state now, const char* why) override;

  kernel::KernelPort& kernel;
  const plugin::Registry& registry;
  Settings settings;
  const kernel::DeviceName name;
  const std::string lun;
  const uint32_t minor;
  StatusBoard status;
  std::atomic<State> state{State::kOpening};  // the board's, to be asked often; set on the strand
  std::atomic<bool> refreshing{false};        // a refresh is to come: one is enough
  std::atomic<bool> reading_ways{false};      // so it is with ways, until they are posted
  std::atomic<bool> wanting_lock{false};      // so it is with the lock
  static constexpr int kNotTelling = -1;
  // What the strand is just writing to attrib/emulate_write_cache; read by reconfigure().
  std::atomic<int> telling_write_cache{kNotTelling};
  static constexpr uint64_t kNoSize = 0;
  // So it is with attrib/dev_size.
  std::atomic<uint64_t> telling_size{kNoSize};
  // Who waits for the strand's reply shall not wait for what others have to say. Set as soon as the
  // removal is known.
  std::atomic<bool> removed{false};

  // The kernel port counts; at the beginning nothing is known, because rtslib writes the serial
  // number and makes the port groups only after it enabled the LUN. While the LUN is exported
  // nobody can change the serial number, so that the first INQUIRY reads the right one.
  const std::shared_ptr<kernel::ChangeCount> changes = std::make_shared<kernel::ChangeCount>(1);
  uint64_t known_changes = 0;
  uint64_t known_until = UINT64_MAX;  // CLOCK_MONOTONIC, ns
  bool told_unwatched = false;

  std::unique_ptr<kernel::DeviceDirectory> configfs;  // while it is open
  LunAttributes attributes;
  Modes modes;
  struct {
    bool acquiring = false;                 // the handler was asked, and has not come to an end
    bool settling = false;                  // ours, and what came before is being answered
    uint64_t attempts = 0;                  // that had come to an end when it was asked
    uint32_t told_state = TCMUD_LOCK_FREE;  // what the log and the groups were told last
    int32_t told_group = -1;
    std::vector<StatesWanted> waiting;  // for the lock
  } lock;
  // In the order of their lives: the engine's threads end first, then the handler closes, then
  // memory goes.
  kernel::UioPort port;
  std::unique_ptr<kernel::Ring> ring;
  std::unique_ptr<plugin::Backend> backend;
  std::unique_ptr<Engine> engine;
  std::shared_ptr<CopyLun> copy_lun;  // nullptr: no third-party copies, or not open

  Strand strand;  // last: waits for its tasks before anything else goes
};

}  // namespace tcmud::device
