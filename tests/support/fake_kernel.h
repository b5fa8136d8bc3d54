// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "kernel/kernel_port.h"
#include "support/fake_device.h"
#include "support/fake_fabrics.h"
#include "support/violations.h"

namespace tcmud::test {

// Fails the running GoogleTest with what the violation says; any thread.
void fail_test(Violation what, const std::string& text);

// A netlink event on its way, as the process sees it that made the change (enable, rmdir, an
// attribute) and now sleeps until the daemon replies.
class EventReply {
 public:
  // The status that was replied: 0 or a negative errno. nullopt: none came within the limit (a
  // violation, unless the limit is shorter than a second: then the test only looked).
  [[nodiscard]] std::optional<int> wait(
      std::chrono::milliseconds limit = std::chrono::seconds(20)) const;
  [[nodiscard]] bool replied() const;

 private:
  friend class FakeKernel;
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<int> status;
    std::shared_ptr<Violations> violations;
    std::string what;
    std::function<void(int status)> effect;  // on the kernel's side; none: nobody waits any more
    uint32_t device_id = 0;
    bool is_added = false;
    bool lost = false;  // the daemon never heard of it

    void reply(int reply_status);
  };
  explicit EventReply(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// The kernel as the daemon knows it, with any number of devices. Any thread.
//
// SIGPIPE is ignored from the first FakeKernel on: a kick of a device that has gone must fail, not
// kill.
class FakeKernel final : public kernel::KernelPort {
 public:
  using EventSink = std::function<void(kernel::Event)>;

  explicit FakeKernel(ViolationHandler handler = fail_test);
  ~FakeKernel() override;

  // ---- The administrator.
  // A device that was enabled before the daemon came: no event.
  std::shared_ptr<FakeDevice> create_device(const DeviceSpec& spec = {});
  struct Added {
    std::shared_ptr<FakeDevice> device;
    EventReply reply;
  };
  // Enables a new device: ADDED. If the daemon refuses, the device is gone; its port must be closed
  // before that.
  Added add_device(const DeviceSpec& spec = {});
  // REMOVED; after the reply the UIO node is gone.
  EventReply remove_device(const std::shared_ptr<FakeDevice>& device);
  // RECONFIG. The attribute changes when the daemon agrees.
  EventReply reconfigure(const std::shared_ptr<FakeDevice>& device, kernel::Change change);
  // The device vanishes without an event, as while netlink is blocked.
  void vanish(const std::shared_ptr<FakeDevice>& device);

  // Replies to the event by hand, as a daemon without kernel::Reply could: twice.
  static void reply_by_hand(const EventReply& event, int status) { event.state_->reply(status); }

  // ---- Netlink. Events go to the sink, on the thread that caused them, or wait for next_event().
  void set_event_sink(EventSink sink);
  std::optional<kernel::Event> next_event(
      std::chrono::milliseconds limit = std::chrono::seconds(20));

  // From now on the receive buffer is full: events are lost, and who caused them waits all the
  // same.
  void lose_events(bool lose);
  // ADDED_DONE for a device, as for an event that was heard. Nothing, if nobody waits for an answer
  // about that device; a violation if it is one of another type: the kernel then waits for ever.
  [[nodiscard]] kernel::Reply reply_to_lost_added(uint32_t device_id);
  // As kernel::free_waiters: EINTR for all who wait, if `only_lost` agrees. Freeing one whose event
  // was heard is a violation.
  bool free_waiters(const std::function<bool()>& only_lost);

  // ---- KernelPort.
  Result<std::vector<kernel::FoundDevice>> scan() override;
  Result<kernel::UioPort> open_uio(uint32_t minor) override;
  // What it watches counts at once, on the thread that changes something.
  Result<std::unique_ptr<kernel::DeviceDirectory>> open_directory(
      const kernel::DeviceName& device) override;
  std::shared_ptr<kernel::FabricTree> fabrics() override { return fabrics_; }

  // ---- Fabrics. Sets or adds an attribute of one, "iscsi/iqn.x:y/tpgt_1/enable".
  void set_fabric_attribute(std::string_view path, std::string_view value);
  // All there is of them; what is changed here is told to nobody.
  [[nodiscard]] FakeFabrics& fabric_tree() { return *fabrics_; }
  // DeviceDirectory::watch() fails: changes aren't told.
  void refuse_watches(bool refuse);

  [[nodiscard]] Violations& violations() { return *violations_; }

 private:
  class Directory;
  std::shared_ptr<FakeDevice> make_device(const DeviceSpec& spec, FakeDevice::State state);
  std::shared_ptr<FakeDevice> find(const kernel::DeviceName& name);
  void forget(const FakeDevice* device);
  std::vector<std::shared_ptr<EventReply::State>> waiting();
  EventReply send(const std::shared_ptr<FakeDevice>& device, decltype(kernel::Event::what) what,
                  std::function<void(int status)> effect);

  std::shared_ptr<Violations> violations_;  // also of replies that outlive the kernel
  std::mutex mutex_;
  std::condition_variable event_came_;
  std::vector<std::shared_ptr<FakeDevice>> devices_;
  std::deque<kernel::Event> events_;
  std::vector<std::shared_ptr<EventReply::State>> waiters_;  // the answered ones too
  bool losing_ = false;
  const std::shared_ptr<FakeFabrics> fabrics_ = std::make_shared<FakeFabrics>();
  std::vector<std::weak_ptr<kernel::ChangeCount>> watching_;
  bool refuse_watches_ = false;
  EventSink sink_;
  uint32_t next_device_id_ = 1;
};

}  // namespace tcmud::test
