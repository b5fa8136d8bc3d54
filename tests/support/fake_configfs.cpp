// SPDX-License-Identifier: Apache-2.0
// FakeDevice's configfs directory: who may touch what, and what it does.
#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/core.h>

#include "support/fake_device.h"

namespace tcmud::test {
namespace {

std::optional<int> to_int(std::string_view text) {
  while (!text.empty() && text.back() == '\n') {
    text.remove_suffix(1);
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

// Under the lock.
Result<void> FakeDevice::refuse_removed(std::string_view path, bool looked_up) {
  if (state_ == State::kRemoving && looked_up) {
    violations_->record(
        Violation::kLockedDirectory,
        fmt::format("{}: {} was touched while the kernel waits for the REMOVED reply", uio_name(),
                    path));
  }
  if (state_ == State::kRemoving || state_ == State::kGone) {
    return fail(ENOENT, "{}/{}: no such attribute", uio_name(), path);
  }
  return {};
}

Result<void> FakeDevice::look_up_directory() {
  const std::lock_guard lock(mutex_);
  return refuse_removed("", true);
}

// Under the lock.
Result<void> FakeDevice::check_access(std::string_view path) {
  constexpr std::string_view kHeld[] = {"attrib/", "wwn/", "alua/", "action/"};
  const bool held = std::any_of(std::begin(kHeld), std::end(kHeld),
                                [path](std::string_view name) { return path.starts_with(name); });
  if (auto access = refuse_removed(path, !held); !access) {
    return access;
  }
  const auto error = attribute_errors_.find(path);
  if (error != attribute_errors_.end()) {
    return fail(error->second, "{}/{}: made to fail", uio_name(), path);
  }
  if (state_ == State::kAdding && path.starts_with("action/")) {
    return fail(EINVAL, "{}/{}: not before the device is configured", uio_name(), path);
  }
  return {};
}

Result<std::string> FakeDevice::read_attribute(std::string_view path) {
  std::unique_lock lock(mutex_);
  if (auto hook = before_reading_.extract(std::string(path))) {
    lock.unlock();
    hook.mapped()();
    lock.lock();
  }
  ++attribute_reads_;
  if (auto access = check_access(path); !access) {
    return tl::unexpected(access.error());
  }
  if (path == "action/block_dev") {
    return ring_.blocked() ? "1" : "0";
  }
  if (path == "enable") {
    return state_ == State::kConfigured ? "1" : "0";
  }
  const auto found = attributes_.find(path);
  if (found == attributes_.end()) {
    return fail(ENOENT, "{}/{}: no such attribute", uio_name(), path);
  }
  return found->second;
}

Result<void> FakeDevice::write_attribute(std::string_view path, std::string_view value) {
  {
    const std::lock_guard lock(mutex_);
    if (auto access = check_access(path); !access) {
      return access;
    }
  }
  if (path.starts_with("action/")) {
    return write_action(path, value);
  }
  const std::lock_guard lock(mutex_);
  const auto found = attributes_.find(path);
  if (found == attributes_.end()) {
    return fail(ENOENT, "{}/{}: no such attribute", uio_name(), path);
  }
  const bool configured = state_ == State::kConfigured;
  if (configured && (path == "attrib/dev_config" || path == "attrib/dev_size" ||
                     path == "attrib/emulate_write_cache")) {
    return fail(EDEADLK, "{}/{}: the writer would wait for its own reply to RECONFIG", uio_name(),
                path);
  }
  if (path.starts_with("alua/")) {
    return write_port_group(std::string(path), value);
  }
  if (path == "attrib/qfull_time_out") {
    const auto seconds = to_int(value);
    if (!seconds || *seconds < -1) {
      return fail(EINVAL, "{}/{}: {}", uio_name(), path, value);
    }
    ring_.set_queue_full_timeout(*seconds);
  }
  if (path == "attrib/tmr_notification") {
    if (value != "0" && value != "1") {
      return fail(EINVAL, "{}/{}: {}", uio_name(), path, value);
    }
    ring_.set_tmr_notification(value == "1");
  }
  found->second = value;
  return {};
}

// Under the lock. What the kernel allows, and how it then shows what was written as a number.
Result<void> FakeDevice::write_port_group(const std::string& path, std::string_view value) {
  constexpr const char* kTypes[] = {"None", "Implicit", "Explicit", "Implicit and Explicit"};
  constexpr const char* kStatuses[] = {"None", "Altered by Explicit STPG",
                                       "Altered by Implicit ALUA"};
  const std::string group = path.substr(0, path.rfind('/') + 1);
  const std::string file = path.substr(group.size());
  const int number = to_int(value).value_or(-1);
  const auto refuse = [&] { return fail(EINVAL, "{}/{}: {}", uio_name(), path, value); };
  if (file == "alua_access_type") {
    if (number < 0 || number > 3) {
      return refuse();
    }
    attributes_[path] = kTypes[number];
  } else if (file == "alua_access_status") {
    if (number < 0 || number > 2) {
      return refuse();
    }
    attributes_[path] = kStatuses[number];
  } else if (file == "alua_access_state") {
    const std::string& type = attributes_[group + "alua_access_type"];
    if (!type.starts_with("Implicit") || number < 0 || number > 15) {
      return refuse();
    }
    attributes_[path] = std::to_string(number);
    attributes_[group + "alua_access_status"] = kStatuses[2];
  } else {
    attributes_[path] = value;
  }
  count_change();
  return {};
}

// Under the lock.
void FakeDevice::count_change() {
  if (const auto changes = watcher_.lock()) {
    changes->fetch_add(1);
  }
}

Result<std::vector<std::string>> FakeDevice::list_port_groups() {
  const std::lock_guard lock(mutex_);
  if (auto access = check_access("alua/"); !access) {
    return tl::unexpected(access.error());
  }
  std::vector<std::string> names;
  for (const auto& [path, value] : attributes_) {
    constexpr std::string_view kId = "/tg_pt_gp_id";
    if (path.starts_with("alua/") && path.ends_with(kId)) {
      names.push_back(path.substr(5, path.size() - 5 - kId.size()));
    }
  }
  return names;
}

void FakeDevice::watch(const std::shared_ptr<kernel::ChangeCount>& changes) {
  const std::lock_guard lock(mutex_);
  watcher_ = changes;
}

uint64_t FakeDevice::attribute_reads() const {
  const std::lock_guard lock(mutex_);
  return attribute_reads_;
}

void FakeDevice::add_port_group(const std::string& name, uint16_t id, std::string_view members) {
  const std::lock_guard lock(mutex_);
  for (const auto& [file, value] : initial_port_group(id)) {
    attributes_["alua/" + name + "/" + file] = value;
  }
  attributes_["alua/" + name + "/members"] = members;
  count_change();
}

Result<void> FakeDevice::write_action(std::string_view path, std::string_view value) {
  const auto number = to_int(value);
  const bool reset = path == "action/reset_ring" && (number == 1 || number == 2);
  const bool block = path == "action/block_dev" && (number == 0 || number == 1);
  if (reset) {
    reset_ring(*number);
    return {};
  }
  if (block) {
    set_blocked(*number == 1);
    return {};
  }
  if (path == "action/free_kept_buf" && number && *number >= 0 && *number <= 0xffff) {
    Lock lock(mutex_);
    const bool freed = ring_.free_kept_buffer(static_cast<uint16_t>(*number));
    deliver(lock);
    if (freed) {
      return {};
    }
  }
  return fail(EINVAL, "{}/{}: {}", uio_name(), path, value);
}

void FakeDevice::set_attribute(std::string_view path, std::string_view value) {
  const std::lock_guard lock(mutex_);
  attributes_.insert_or_assign(std::string(path), std::string(value));
  count_change();
}

void FakeDevice::before_reading(std::string_view path, std::function<void()> once) {
  const std::lock_guard lock(mutex_);
  before_reading_.insert_or_assign(std::string(path), std::move(once));
}

void FakeDevice::fail_attribute(std::string_view path, int error) {
  const std::lock_guard lock(mutex_);
  if (error == 0) {
    attribute_errors_.erase(std::string(path));
  } else {
    attribute_errors_.insert_or_assign(std::string(path), error);
  }
}

}  // namespace tcmud::test
