// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/lun.h"
#include "dbus/main_loop.h"
#include "kernel/kernel_port.h"

namespace tcmud::control {

// Owns every LUN, from the kernel's word that it is there until nothing of it is left. The main
// thread alone; nothing here blocks, and nothing touches configfs, which an rmdir that waits for
// our answer may have locked.
//
// Each event is answered exactly once, here or by the LUN that gets the Reply.
class DeviceManager {
 public:
  using Subtypes = std::set<std::string, std::less<>>;
  // Is there a handler of that name?
  using HandlerTest = std::function<bool(std::string_view subtype)>;
  // Where everybody may see how LUNs are, D-Bus. A LUN is known by a number, as one may still be
  // going when the next of its name comes.
  class Display {
   public:
    virtual void show(uint64_t id, const kernel::DeviceName& name,
                      const device::LunStatus& status) = 0;
    virtual void forget(uint64_t id) = 0;

   protected:
    ~Display() = default;
  };
  // How long whoever removes a LUN waits for a handler that hangs, before the kernel's device goes
  // without it.
  static constexpr std::chrono::milliseconds kPatience{20000};

  // `display` outlives this.
  DeviceManager(kernel::KernelPort& kernel, HandlerTest has_handler, LunFactory make_lun,
                dbus::MainLoop& loop, Display& display,
                std::chrono::milliseconds patience = kPatience);
  // Waits for every LUN that is left.
  ~DeviceManager();
  DeviceManager(const DeviceManager&) = delete;
  DeviceManager& operator=(const DeviceManager&) = delete;

  // Events of these subtypes are another daemon's to answer, from now on.
  void set_foreign_subtypes(Subtypes subtypes) { foreign_ = std::move(subtypes); }

  void handle(kernel::Event event);

  // Looks at what devices there are: adopts those that are new and gives up those that have gone.
  // At start-up. Events that are there already must have been handled before.
  Result<void> rescan();

  // The same in pieces, for LostEvents, which knows more of a device than a scan shows. Gives up
  // LUNs that have gone, and returns those devices whose ADDED event may have been lost: that no
  // LUN stands for, or one that had to be adopted without and isn't served yet.
  Result<std::vector<kernel::FoundDevice>> look_around();
  // A configured device; nothing, where a LUN stands for it by now.
  void adopt(const kernel::FoundDevice& found);
  // A device that is only being added, whose ADDED event doesn't come; nothing, where it came after
  // all. `reply_to` makes the answer.
  void add_unheard(const kernel::FoundDevice& found, uint32_t device_id,
                   const std::function<kernel::Reply(uint32_t device_id)>& reply_to);

  // Events that were handled and aren't answered yet.
  [[nodiscard]] size_t owed() const { return owed_->load(); }

  // Ends all LUNs side by side, and calls `done` on the main thread when none is left (at once, if
  // there is none). Events are still to be handled meanwhile: new devices are refused, removals are
  // answered.
  void shut_down(std::chrono::steady_clock::time_point deadline, std::function<void()> done);

  // Names of the LUNs that are there, in whatever state.
  [[nodiscard]] std::vector<std::string> luns() const;
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  using Id = uint64_t;
  // The answer to a REMOVED event, given by the LUN, or here when patience is at its end.
  class RemovalReply;
  struct Entry {
    kernel::DeviceName name;
    uint32_t minor = 0;
    std::unique_ptr<Lun> lun;
    bool leaving = false;  // remove() or shut_down() was called
    // Adopted, and its ADDED event did not come: either it was there long before us, or the scan
    // was faster than the event of a device that is being added just now.
    bool may_be_new = false;
    bool unheard = false;  // add_unheard() was called: a second answer would be one too many
    // That event, when it came before it was known whether the adoption works out.
    std::optional<kernel::Reply> waiting;
    device::State state = device::State::kOpening;
    // While it is opening or being removed: the end of patience.
    dbus::MainLoop::Timer patience;
    std::shared_ptr<RemovalReply> removal;
  };

  // The same answer, counted as owed until it is sent.
  [[nodiscard]] kernel::Reply counted(kernel::Reply reply) const;
  // Might its ADDED event still come, or have been lost?
  [[nodiscard]] static bool awaits_event(const Entry& entry) {
    return entry.may_be_new && !entry.unheard && entry.state != device::State::kRunning;
  }
  [[nodiscard]] bool is_foreign(const kernel::DeviceName& name) const;
  Entry* find(uint32_t minor);
  Entry& create(const kernel::DeviceName& name, uint32_t minor);
  // Ends what stands for the minor now; the minor is free for another device.
  void retire(uint32_t minor, kernel::Reply reply);
  void added(kernel::Event event);
  void removed(kernel::Event event);
  void reconfigured(kernel::Event event);
  void status_changed(Id id);
  void lose_patience(Id id);

  kernel::KernelPort& kernel_;
  HandlerTest has_handler_;
  LunFactory make_lun_;
  dbus::MainLoop& loop_;
  Display& display_;
  const std::chrono::milliseconds patience_;
  Subtypes foreign_;
  bool shutting_down_ = false;
  std::function<void()> done_;

  // Answers are sent on any thread, and may outlive us.
  std::shared_ptr<std::atomic<size_t>> owed_ = std::make_shared<std::atomic<size_t>>(0);
  Id next_id_ = 1;
  std::map<Id, Entry> entries_;
  // Which one the kernel means by a minor. One that was told to go isn't here any more: the kernel
  // gives its minor to the next device as soon as it has its answer.
  std::map<uint32_t, Id> by_minor_;
};

}  // namespace tcmud::control
