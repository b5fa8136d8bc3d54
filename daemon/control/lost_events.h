// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/result.h"
#include "control/device_manager.h"
#include "dbus/main_loop.h"
#include "kernel/kernel_port.h"

namespace tcmud::control {

// Makes good for events that the kernel dropped because nobody had read those before. Whoever
// caused one of them sleeps in the kernel until it is answered, and can't be killed.
//
//   1. Wait a moment, so that what is still on its way arrives.
//   2. Look at what devices there are. LUNs that have gone are given up. A device that no LUN
//   stands
//      for is adopted if it is configured. If it isn't, its ADDED event is what was lost: it is
//      added, and the answer is the one that the kernel waits for.
//   3. Who waits now and isn't ours to answer any more waits for a lost removal or reconfiguration,
//      which leave no trace: the kernel lets them go with EINTR. A removal goes on then, and the
//      LUN learns of it as the device goes; a reconfiguration has failed, and nothing has changed.
//      Never while we owe an answer: the kernel frees the memory of a device whose adding is ended
//      so, while we have it mapped, and a resize would be done here and not there.
//   4. Look again: devices may have gone and come while step 3 kept their events back.
//
// Main thread; what reads configfs does so on threads of its own, because a removal that nobody
// answers has its directory locked.
class LostEvents {
 public:
  struct Timing {
    std::chrono::milliseconds grace{1000};       // of steps 1 and 4
    std::chrono::milliseconds read_limit{5000};  // step 3 comes, whatever configfs says
    std::chrono::milliseconds pause{100};        // between two looks at what we owe
    std::chrono::milliseconds patience{30'000};  // to owe for longer is worth a warning
  };
  struct Means {
    kernel::KernelPort& port;
    // Handles the events that are there. Calls make_good() if some were lost.
    std::function<void()> take_events;
    std::function<kernel::Reply(uint32_t device_id)> reply_to_added;
    std::function<Result<bool>(const std::function<bool()>& only_lost)> free_waiters;
  };

  LostEvents(dbus::MainLoop& loop, DeviceManager& devices, Means means, Timing timing);
  LostEvents(const LostEvents&) = delete;
  LostEvents& operator=(const LostEvents&) = delete;

  // Events were lost just now. Again while it is at work: it begins anew.
  void make_good();

  // The daemon ends, and no LUN is left: nobody shall wait for an answer until the next one starts.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    bool configured = false;
    uint32_t device_id = 0;
  };
  // Reads what configfs says of a device, which may take until its directory is unlocked.
  struct Reader {
    std::atomic<bool> done{false};  // its last instruction: to be joined without waiting
    std::jthread thread;
  };
  static Result<Seen> read(kernel::KernelPort& port, const kernel::DeviceName& name);

  void look();
  void take(uint64_t round, const kernel::FoundDevice& found, const Result<Seen>& seen);
  void check();
  void free();

  dbus::MainLoop& loop_;
  DeviceManager& devices_;
  Means means_;
  Timing timing_;

  uint64_t round_ = 0;    // what an older one has read is of no use any more
  size_t unread_ = 0;     // devices of this round whose attributes aren't known yet
  bool working_ = false;  // from make_good() to the end of step 4
  bool freed_ = false;    // step 3 is done
  Clock::time_point looked_;
  bool warned_ = false;
  dbus::MainLoop::Timer timer_;
  std::vector<std::unique_ptr<Reader>> readers_;  // last: they post to us
};

}  // namespace tcmud::control
