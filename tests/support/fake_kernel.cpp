// SPDX-License-Identifier: Apache-2.0
#include "support/fake_kernel.h"

#include <algorithm>
#include <csignal>

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace tcmud::test {

void fail_test(Violation what, const std::string& text) {
  ADD_FAILURE() << "fake kernel: " << name(what) << ": " << text;
}

std::optional<int> EventReply::wait(std::chrono::milliseconds limit) const {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, limit, [&] { return state_->status.has_value(); });
  if (!state_->status && limit >= std::chrono::seconds(1)) {
    state_->violations->record(Violation::kNoAnswer, state_->what + ": no reply");
  }
  return state_->status;
}

bool EventReply::replied() const {
  const std::lock_guard lock(state_->mutex);
  return state_->status.has_value();
}

void EventReply::State::reply(int reply_status) {
  std::function<void(int)> first_effect;
  {
    const std::lock_guard lock(mutex);
    first_effect = std::exchange(effect, nullptr);
  }
  if (!first_effect) {
    violations->record(Violation::kReplyTwice, what + ": a second reply");
    return;
  }
  if (reply_status > 0) {
    violations->record(Violation::kBadReply,
                       fmt::format("{}: status {} is positive", what, reply_status));
  }
  first_effect(reply_status);  // before the sleeper wakes
  const std::lock_guard lock(mutex);
  status = reply_status;
  changed.notify_all();
}

FakeKernel::FakeKernel(ViolationHandler handler)
    : violations_(std::make_shared<Violations>(std::move(handler))) {
  std::signal(SIGPIPE, SIG_IGN);
}

FakeKernel::~FakeKernel() {
  // Replies of events that nobody took lead back here: they go first.
  std::deque<kernel::Event> unread;
  {
    const std::lock_guard lock(mutex_);
    unread.swap(events_);
  }
  for (auto& event : unread) {
    event.reply.leave_to_another_daemon();
  }
}

std::shared_ptr<FakeDevice> FakeKernel::make_device(const DeviceSpec& spec,
                                                    FakeDevice::State state) {
  const std::lock_guard lock(mutex_);
  uint32_t minor = 0;  // the lowest free one, at once reusable
  while (std::any_of(devices_.begin(), devices_.end(),
                     [&](const auto& device) { return device->minor() == minor; })) {
    ++minor;
  }
  auto device = std::make_shared<FakeDevice>(spec, minor, next_device_id_++, violations_);
  device->set_state(state);
  devices_.push_back(device);
  return device;
}

std::shared_ptr<FakeDevice> FakeKernel::create_device(const DeviceSpec& spec) {
  return make_device(spec, FakeDevice::State::kConfigured);
}

FakeKernel::Added FakeKernel::add_device(const DeviceSpec& spec) {
  auto device = make_device(spec, FakeDevice::State::kAdding);
  EventReply reply = send(device, kernel::DeviceAdded{}, [this, device](int status) {
    if (status == 0) {
      device->set_state(FakeDevice::State::kConfigured);
      return;
    }
    if (device->is_open()) {
      violations_->record(
          Violation::kReplyWhileOpen,
          device->uio_name() +
              ": ADDED was refused with the node open; the kernel frees the mailbox now");
    }
    vanish(device);
  });
  return {std::move(device), std::move(reply)};
}

EventReply FakeKernel::remove_device(const std::shared_ptr<FakeDevice>& device) {
  device->set_state(FakeDevice::State::kRemoving);
  return send(device, kernel::DeviceRemoved{}, [this, device](int) { vanish(device); });
}

EventReply FakeKernel::reconfigure(const std::shared_ptr<FakeDevice>& device,
                                   kernel::Change change) {
  return send(device, kernel::DeviceReconfigured{change}, [device, change](int status) {
    if (status != 0) {
      return;
    }
    if (const auto* config = std::get_if<kernel::ConfigChange>(&change)) {
      device->set_attribute("attrib/dev_config", config->dev_config);
    } else if (const auto* size = std::get_if<kernel::SizeChange>(&change)) {
      device->set_attribute("attrib/dev_size", std::to_string(size->bytes));
    } else if (const auto* cache = std::get_if<kernel::WriteCacheChange>(&change)) {
      device->set_attribute("attrib/emulate_write_cache", cache->enabled ? "1" : "0");
    }
  });
}

void FakeKernel::vanish(const std::shared_ptr<FakeDevice>& device) {
  device->hang_up();
  forget(device.get());
}

void FakeKernel::forget(const FakeDevice* device) {
  std::shared_ptr<FakeDevice> last;  // dies outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(devices_.begin(), devices_.end(),
                                  [&](const auto& candidate) { return candidate.get() == device; });
  if (found != devices_.end()) {
    last = std::move(*found);
    devices_.erase(found);
  }
}

EventReply FakeKernel::send(const std::shared_ptr<FakeDevice>& device,
                            decltype(kernel::Event::what) what,
                            std::function<void(int status)> effect) {
  static constexpr const char* kNames[] = {"ADDED", "REMOVED", "RECONFIG"};
  auto state = std::make_shared<EventReply::State>();
  state->violations = violations_;
  state->what = fmt::format("{}: {}", device->uio_name(), kNames[what.index()]);
  state->effect = std::move(effect);
  state->device_id = device->device_id();
  state->is_added = std::holds_alternative<kernel::DeviceAdded>(what);
  auto sender = [state](int status) { state->reply(status); };
  kernel::Event event{device->device_name(), device->minor(), device->device_id(), std::move(what),
                      kernel::Reply(std::move(sender))};
  EventSink sink;
  {
    const std::lock_guard lock(mutex_);
    waiters_.push_back(state);
    if (losing_) {
      state->lost = true;
      event.reply.leave_to_another_daemon();  // to nobody
      return EventReply(std::move(state));
    }
    sink = sink_;
    if (!sink) {
      events_.push_back(std::move(event));
      event_came_.notify_all();
    }
  }
  if (sink) {
    sink(std::move(event));
  }
  return EventReply(std::move(state));
}

void FakeKernel::set_event_sink(EventSink sink) {
  const std::lock_guard lock(mutex_);
  sink_ = std::move(sink);
}

std::optional<kernel::Event> FakeKernel::next_event(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (!event_came_.wait_for(lock, limit, [&] { return !events_.empty(); })) {
    return std::nullopt;
  }
  kernel::Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void FakeKernel::lose_events(bool lose) {
  const std::lock_guard lock(mutex_);
  losing_ = lose;
}

kernel::Reply FakeKernel::reply_to_lost_added(uint32_t device_id) {
  return kernel::Reply([this, device_id](int status) {
    for (const auto& waiter : waiting()) {
      if (waiter->device_id != device_id) {
        continue;
      }
      if (!waiter->is_added) {
        violations_->record(Violation::kBadReply, waiter->what + ": answered as if it were ADDED");
        return;
      }
      waiter->reply(status);
      return;
    }
  });
}

bool FakeKernel::free_waiters(const std::function<bool()>& only_lost) {
  if (!only_lost()) {
    return false;
  }
  for (const auto& waiter : waiting()) {
    if (!waiter->lost) {
      violations_->record(Violation::kFreedWhileOwed,
                          waiter->what + ": freed while the daemon owed the answer");
    }
    waiter->reply(-EINTR);
  }
  return true;
}

std::vector<std::shared_ptr<EventReply::State>> FakeKernel::waiting() {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiters_, [](const auto& waiter) {
    const std::lock_guard state_lock(waiter->mutex);
    return waiter->effect == nullptr;
  });
  return waiters_;
}

Result<std::vector<kernel::FoundDevice>> FakeKernel::scan() {
  const std::lock_guard lock(mutex_);
  std::vector<kernel::FoundDevice> found;
  found.reserve(devices_.size());
  for (const auto& device : devices_) {
    found.push_back({device->device_name(), device->minor()});
  }
  return found;
}

Result<kernel::UioPort> FakeKernel::open_uio(uint32_t minor) {
  std::shared_ptr<FakeDevice> device;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(devices_.begin(), devices_.end(), [&](const auto& candidate) {
      return candidate->minor() == minor;
    });
    if (found != devices_.end()) {
      device = *found;
    }
  }
  if (!device) {
    return fail(ENOENT, "/dev/uio{}: no such device", minor);
  }
  return device->open();
}

std::shared_ptr<FakeDevice> FakeKernel::find(const kernel::DeviceName& name) {
  const std::lock_guard lock(mutex_);
  for (const auto& device : devices_) {
    if (device->spec().hba == name.hba && device->spec().name == name.name) {
      return device;
    }
  }
  return nullptr;
}

class FakeKernel::Directory final : public kernel::DeviceDirectory {
 public:
  Directory(FakeKernel& kernel, std::shared_ptr<FakeDevice> device)
      : kernel_(kernel), device_(std::move(device)), name_(device_->device_name()) {}

  [[nodiscard]] const kernel::DeviceName& device() const override { return name_; }
  Result<std::string> read(std::string_view path) override { return device_->read_attribute(path); }
  Result<void> write(std::string_view path, std::string_view value) override {
    return device_->write_attribute(path, value);
  }
  Result<std::vector<std::string>> list_port_groups() override {
    return device_->list_port_groups();
  }
  Result<void> watch(const std::shared_ptr<kernel::ChangeCount>& changes) override {
    const std::lock_guard lock(kernel_.mutex_);
    if (kernel_.refuse_watches_) {
      return fail(ENOSPC, "{}: can't be watched", name_.lun());
    }
    device_->watch(changes);
    kernel_.watching_.emplace_back(changes);
    return {};
  }

 private:
  FakeKernel& kernel_;
  const std::shared_ptr<FakeDevice> device_;
  const kernel::DeviceName name_;
};

Result<std::unique_ptr<kernel::DeviceDirectory>> FakeKernel::open_directory(
    const kernel::DeviceName& device) {
  auto found = find(device);
  if (!found) {
    return fail(ENOENT, "{}: no such device", device.lun());
  }
  return found->look_up_directory().map([&]() -> std::unique_ptr<kernel::DeviceDirectory> {
    return std::make_unique<Directory>(*this, std::move(found));
  });
}

void FakeKernel::set_fabric_attribute(std::string_view path, std::string_view value) {
  fabrics_->set_attribute(path, value);
  const std::lock_guard lock(mutex_);
  for (const auto& watcher : watching_) {
    if (const auto changes = watcher.lock()) {
      changes->fetch_add(1);
    }
  }
}

void FakeKernel::refuse_watches(bool refuse) {
  const std::lock_guard lock(mutex_);
  refuse_watches_ = refuse;
}

}  // namespace tcmud::test
