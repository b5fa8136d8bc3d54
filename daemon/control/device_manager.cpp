// SPDX-License-Identifier: Apache-2.0
#include "control/device_manager.h"

#include <atomic>
#include <cerrno>
#include <utility>

#include "base/log.h"

namespace tcmud::control {
namespace {

// The same configfs directory. The configuration may change in between.
bool same_lun(const kernel::DeviceName& a, const kernel::DeviceName& b) {
  return a.hba == b.hba && a.name == b.name;
}

}  // namespace

class DeviceManager::RemovalReply {
 public:
  explicit RemovalReply(kernel::Reply reply) : reply_(std::move(reply)) {}
  // The first one counts. Any thread.
  bool send(int status) {
    if (sent_.exchange(true)) {
      return false;
    }
    reply_.send(status);
    return true;
  }

 private:
  std::atomic<bool> sent_{false};
  kernel::Reply reply_;
};

DeviceManager::DeviceManager(kernel::KernelPort& kernel, HandlerTest has_handler,
                             LunFactory make_lun, dbus::MainLoop& loop, Display& display,
                             std::chrono::milliseconds patience)
    : kernel_(kernel),
      has_handler_(std::move(has_handler)),
      make_lun_(std::move(make_lun)),
      loop_(loop),
      display_(display),
      patience_(patience) {}

DeviceManager::~DeviceManager() = default;

kernel::Reply DeviceManager::counted(kernel::Reply reply) const {
  owed_->fetch_add(1);
  return kernel::Reply(
      [inner = std::make_shared<kernel::Reply>(std::move(reply)), owed = owed_](int status) {
        inner->send(status);
        owed->fetch_sub(1);  // after the kernel has it
      });
}

bool DeviceManager::is_foreign(const kernel::DeviceName& name) const {
  return foreign_.contains(name.subtype);
}

DeviceManager::Entry* DeviceManager::find(uint32_t minor) {
  const auto id = by_minor_.find(minor);
  return id == by_minor_.end() ? nullptr : &entries_.at(id->second);
}

DeviceManager::Entry& DeviceManager::create(const kernel::DeviceName& name, uint32_t minor) {
  const Id id = next_id_++;
  Entry& entry = entries_[id];
  by_minor_[minor] = id;
  entry.name = name;
  entry.minor = minor;
  entry.lun =
      make_lun_(name, minor, [this, id] { loop_.post([this, id] { status_changed(id); }); });
  entry.patience = loop_.after(patience_, [this, id] { lose_patience(id); });
  display_.show(id, name, entry.lun->status());
  return entry;
}

void DeviceManager::retire(uint32_t minor, kernel::Reply reply) {
  const Id id = by_minor_.at(minor);
  Entry* entry = &entries_.at(id);
  by_minor_.erase(minor);
  entry->leaving = true;
  if (entry->waiting) {
    entry->waiting->send(-ENODEV);
    entry->waiting.reset();
  }
  entry->removal = std::make_shared<RemovalReply>(std::move(reply));
  entry->patience = loop_.after(patience_, [this, id] { lose_patience(id); });
  entry->lun->remove(
      kernel::Reply([removal = entry->removal](int status) { removal->send(status); }));
}

// Whatever the LUN's strand is at: it may not even know yet that the LUN is removed.
void DeviceManager::lose_patience(Id id) {
  Entry& entry = entries_.at(id);
  const std::string lun = entry.name.lun();
  const std::string task = entry.lun->status().task;
  const std::string doing = task.empty() ? "" : " (" + task + ")";
  const auto waited = device::duration_text(patience_);
  if (entry.removal != nullptr) {
    if (entry.removal->send(0)) {
      log::error(lun,
                 "handler {} has not let go of it for {}{}; the kernel's device goes now, our part "
                 "of it stays until the handler comes back",
                 entry.name.subtype, waited, doing);
    }
  } else if (entry.state == device::State::kOpening) {
    log::warning(
        lun,
        "not open after {}{}: handler {} still waits for its storage; see whether that can "
        "be reached",
        waited, doing, entry.name.subtype);
  }
}

void DeviceManager::handle(kernel::Event event) {
  if (is_foreign(event.device) && find(event.minor) == nullptr) {
    log::debug(event.device.lun(), "left to another daemon: foreign_subtypes has \"{}\"",
               event.device.subtype);
    event.reply.leave_to_another_daemon();
    return;
  }
  event.reply = counted(std::move(event.reply));
  if (std::holds_alternative<kernel::DeviceAdded>(event.what)) {
    added(std::move(event));
  } else if (std::holds_alternative<kernel::DeviceRemoved>(event.what)) {
    removed(std::move(event));
  } else {
    reconfigured(std::move(event));
  }
}

void DeviceManager::added(kernel::Event event) {
  if (shutting_down_) {
    log::info(event.device.lun(), "refused: the daemon is shutting down");
    event.reply.send(-ESHUTDOWN);
    return;
  }
  if (!has_handler_(event.device.subtype)) {
    log::error(event.device.lun(), "refused: no handler \"{}\" is loaded", event.device.subtype);
    event.reply.send(-ENOENT);
    return;
  }
  if (Entry* known = find(event.minor)) {
    if (known->may_be_new && same_lun(known->name, event.device)) {
      known->may_be_new = false;
      if (known->state == device::State::kOpening) {
        known->waiting = std::move(event.reply);
      } else {
        event.reply.send(0);
      }
      return;
    }
    // Word of its end was lost, or hasn't been handled yet.
    retire(event.minor, {});
  }
  create(event.device, event.minor).lun->add(std::move(event.reply));
}

void DeviceManager::removed(kernel::Event event) {
  Entry* known = find(event.minor);
  if (known != nullptr && same_lun(known->name, event.device)) {
    retire(event.minor, std::move(event.reply));
    return;
  }
  // One that was refused, or that closed itself. Nothing of it is left, so nothing stands in the
  // way.
  event.reply.send(0);
}

void DeviceManager::reconfigured(kernel::Event event) {
  Entry* known = find(event.minor);
  if (known == nullptr || !same_lun(known->name, event.device)) {
    log::error(event.device.lun(), "can't be reconfigured: it isn't served here");
    event.reply.send(-ENODEV);
    return;
  }
  if (shutting_down_) {
    event.reply.send(-ESHUTDOWN);
    return;
  }
  known->lun->reconfigure(std::move(std::get<kernel::DeviceReconfigured>(event.what).change),
                          std::move(event.reply));
}

Result<void> DeviceManager::rescan() {
  return look_around().map([this](const std::vector<kernel::FoundDevice>& unknown) {
    for (const kernel::FoundDevice& found : unknown) {
      adopt(found);
    }
  });
}

Result<std::vector<kernel::FoundDevice>> DeviceManager::look_around() {
  auto found = kernel_.scan();
  if (!found) {
    return tl::unexpected(std::move(found.error()));
  }
  std::map<uint32_t, const kernel::DeviceName*> there;
  for (const kernel::FoundDevice& device : *found) {
    there[device.minor] = &device.device;
  }
  std::vector<uint32_t> vanished;
  for (const auto& [minor, id] : by_minor_) {
    const auto device = there.find(minor);
    if (device == there.end() || !same_lun(*device->second, entries_.at(id).name)) {
      vanished.push_back(minor);
    }
  }
  for (const uint32_t minor : vanished) {
    log::warning(find(minor)->name.lun(), "has gone without a word from the kernel");
    retire(minor, {});
  }
  std::vector<kernel::FoundDevice> unknown;
  for (const auto& [minor, name] : there) {
    const Entry* known = find(minor);
    if (known != nullptr ? awaits_event(*known) : !is_foreign(*name)) {
      unknown.push_back({*name, minor});
    }
  }
  return unknown;
}

void DeviceManager::adopt(const kernel::FoundDevice& found) {
  if (shutting_down_ || find(found.minor) != nullptr) {
    return;
  }
  if (!has_handler_(found.device.subtype)) {
    log::warning(found.device.lun(), "left alone: no handler \"{}\" is loaded",
                 found.device.subtype);
    return;
  }
  Entry& entry = create(found.device, found.minor);
  entry.may_be_new = true;
  entry.lun->adopt();
}

void DeviceManager::add_unheard(const kernel::FoundDevice& found, uint32_t device_id,
                                const std::function<kernel::Reply(uint32_t)>& reply_to) {
  if (const Entry* known = find(found.minor);
      known != nullptr && !(awaits_event(*known) && same_lun(known->name, found.device))) {
    return;
  }
  log::warning(found.device.lun(), "word of it was lost; added all the same");
  added(
      {found.device, found.minor, device_id, kernel::DeviceAdded{}, counted(reply_to(device_id))});
  if (Entry* entry = find(found.minor)) {
    // Should the event come yet, it means this one.
    entry->may_be_new = true;
    entry->unheard = true;
  }
}

void DeviceManager::status_changed(Id id) {
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return;
  }
  Entry& entry = found->second;
  const device::LunStatus status = entry.lun->status();
  const device::State state = status.state;
  entry.state = state;
  if (state != device::State::kClosed) {
    display_.show(id, entry.name, status);
    if (entry.waiting && state != device::State::kOpening) {
      entry.waiting->send(0);
      entry.waiting.reset();
    }
    return;
  }
  display_.forget(id);
  // The device is destroyed outside the maps; its strand has only to return from this very call.
  Entry gone = std::move(entry);
  entries_.erase(found);
  if (const auto by_minor = by_minor_.find(gone.minor);
      by_minor != by_minor_.end() && by_minor->second == id) {
    by_minor_.erase(by_minor);
  }
  if (gone.waiting) {
    // It could not be adopted because it is only being added.
    kernel::Event event{gone.name, gone.minor, 0, kernel::DeviceAdded{}, std::move(*gone.waiting)};
    added(std::move(event));
  }
  if (entries_.empty() && done_) {
    std::exchange(done_, nullptr)();
  }
}

void DeviceManager::shut_down(std::chrono::steady_clock::time_point deadline,
                              std::function<void()> done) {
  shutting_down_ = true;
  for (auto& [id, entry] : entries_) {
    entry.lun->shut_down(deadline);
  }
  if (entries_.empty()) {
    done();
  } else {
    done_ = std::move(done);
  }
}

std::vector<std::string> DeviceManager::luns() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const auto& [id, entry] : entries_) {
    names.push_back(entry.name.lun());
  }
  return names;
}

}  // namespace tcmud::control
