// SPDX-License-Identifier: Apache-2.0
#include "dbus/device_objects.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

#include "dbus/utf8.h"

namespace tcmud::dbus {
namespace {

// One property: how sd-bus gets it, and whether it is another one now.
struct Property {
  const char* name;
  const char* type;
  sd_bus_property_get_t get;
  bool (*same)(const DeviceStatus&, const DeviceStatus&);
  uint64_t flags;
};

template <class T>
constexpr const char* kType = nullptr;
template <>
constexpr const char* kType<std::string> = "s";
template <>
constexpr const char* kType<uint64_t> = "t";
template <>
constexpr const char* kType<uint32_t> = "u";
template <>
constexpr const char* kType<int32_t> = "i";

template <auto Member>
int get(sd_bus*, const char*, const char*, const char*, sd_bus_message* reply, void* object,
        sd_bus_error*) {
  const auto& value = static_cast<const DeviceStatus*>(object)->*Member;
  using T = std::remove_cvref_t<decltype(value)>;
  const void* basic = &value;
  if constexpr (std::is_same_v<T, std::string>) {
    basic = value.c_str();
  }
  return sd_bus_message_append_basic(reply, *kType<T>, basic);
}

template <auto Member>
constexpr Property property(const char* name,
                            uint64_t flags = SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE) {
  using T = std::remove_cvref_t<decltype(std::declval<DeviceStatus>().*Member)>;
  return {name, kType<T>, get<Member>,
          [](const DeviceStatus& a, const DeviceStatus& b) { return a.*Member == b.*Member; },
          flags};
}

constexpr std::array kProperties{
    property<&DeviceStatus::name>("Name", SD_BUS_VTABLE_PROPERTY_CONST),
    property<&DeviceStatus::handler>("Handler", SD_BUS_VTABLE_PROPERTY_CONST),
    property<&DeviceStatus::config>("Config", SD_BUS_VTABLE_PROPERTY_CONST),
    property<&DeviceStatus::size>("Size"),
    property<&DeviceStatus::block_size>("BlockSize"),
    property<&DeviceStatus::state>("State"),
    property<&DeviceStatus::state_since>("StateSince"),
    property<&DeviceStatus::state_reason>("StateReason"),
    property<&DeviceStatus::task>("Task"),
    property<&DeviceStatus::retry_at>("RetryAt"),
    property<&DeviceStatus::backend_state>("BackendState"),
    property<&DeviceStatus::backend_since>("BackendSince"),
    property<&DeviceStatus::backend_reason>("BackendReason"),
    property<&DeviceStatus::lock_state>("LockState"),
    property<&DeviceStatus::lock_since>("LockSince"),
    property<&DeviceStatus::lock_holder>("LockHolder"),
    property<&DeviceStatus::lock_group>("LockGroup"),
    property<&DeviceStatus::lock_acquired>("LockAcquired"),
    property<&DeviceStatus::lock_lost>("LockLost"),
};

const sd_bus_vtable* vtable() {
  static const auto kTable = [] {
    const sd_bus_vtable start = SD_BUS_VTABLE_START(0);
    const sd_bus_vtable end = SD_BUS_VTABLE_END;
    std::array<sd_bus_vtable, kProperties.size() + 2> table{};
    table.front() = start;
    for (size_t i = 0; i < kProperties.size(); ++i) {
      const Property& p = kProperties[i];
      const sd_bus_vtable entry = SD_BUS_PROPERTY(p.name, p.type, p.get, 0, p.flags);
      table[i + 1] = entry;
    }
    table.back() = end;
    return table;
  }();
  return kTable.data();
}

std::string devices_path() {
  return fmt::format("{}/devices", kDeviceRootPath);
}

std::string path_of(uint32_t hba, const std::string& name) {
  char* encoded = nullptr;
  if (sd_bus_path_encode("/", name.c_str(), &encoded) < 0) {
    throw std::bad_alloc();  // nothing else can happen to a valid prefix
  }
  const std::unique_ptr<char, decltype(&std::free)> owned(encoded, &std::free);
  return fmt::format("{}/{}_{}", devices_path(), hba, encoded + 1);
}

// A bus hangs up on whoever sends anything else than UTF-8, and configfs takes any bytes.
void make_sendable(DeviceStatus& status) {
  for (std::string* text : {&status.name, &status.handler, &status.config, &status.state_reason,
                            &status.backend_reason, &status.lock_holder}) {
    *text = valid_utf8(*text);
  }
}

}  // namespace

Result<void> DeviceObjects::export_on(sd_bus* bus) {
  const auto keep = [this](const auto& add) -> Result<void> {
    sd_bus_slot* slot = nullptr;
    if (const int error = add(&slot); error < 0) {
      return fail(-error, "can't put the devices on D-Bus: {}", std::strerror(-error));
    }
    slots_.emplace_back(slot);
    return {};
  };
  const std::string devices = devices_path();
  return keep([&](sd_bus_slot** slot) {
           return sd_bus_add_object_manager(bus, slot, kDeviceRootPath);
         })
      .and_then([&] {
        return keep([&](sd_bus_slot** slot) {
          return sd_bus_add_fallback_vtable(bus, slot, devices.c_str(), kDeviceInterface, vtable(),
                                            find, this);
        });
      })
      .and_then([&] {
        return keep([&](sd_bus_slot** slot) {
          return sd_bus_add_node_enumerator(bus, slot, devices.c_str(), list, this);
        });
      })
      .map([&] { bus_ = bus; });
}

void DeviceObjects::withdraw() {
  bus_ = nullptr;
  slots_.clear();
}

void DeviceObjects::show(uint64_t id, uint32_t hba, const std::string& name, DeviceStatus status) {
  make_sendable(status);
  const auto [known, is_new] = paths_.try_emplace(id);
  if (is_new) {
    known->second = path_of(hba, name);
  }
  const std::string& path = known->second;
  Devices& devices = by_path_[path];
  if (!is_new) {
    DeviceStatus& shown = devices.at(id);
    const DeviceStatus before = std::exchange(shown, std::move(status));
    if (devices.rbegin()->first == id) {
      tell_changes(path, before, shown);
    }
    return;
  }
  const bool in_sight = devices.empty() || devices.rbegin()->first < id;
  if (in_sight && !devices.empty()) {
    tell_removed(path);
  }
  devices.emplace(id, std::move(status));
  if (in_sight) {
    tell_added(path);
  }
}

void DeviceObjects::forget(uint64_t id) {
  const auto known = paths_.find(id);
  if (known == paths_.end()) {
    return;
  }
  const auto at = by_path_.find(known->second);
  Devices& devices = at->second;
  const bool in_sight = devices.rbegin()->first == id;
  if (in_sight) {
    tell_removed(at->first);
  }
  devices.erase(id);
  if (devices.empty()) {
    by_path_.erase(at);
  } else if (in_sight) {
    tell_added(at->first);
  }
  paths_.erase(known);
}

// Signals that can't be sent are of a connection that is lost already: whoever comes back to the
// name reads everything anew.
void DeviceObjects::tell_added(const std::string& path) {
  if (bus_ != nullptr) {
    sd_bus_emit_object_added(bus_, path.c_str());
  }
}

// While it is still there: sd-bus looks at it.
void DeviceObjects::tell_removed(const std::string& path) {
  if (bus_ != nullptr) {
    sd_bus_emit_object_removed(bus_, path.c_str());
  }
}

void DeviceObjects::tell_changes(const std::string& path, const DeviceStatus& before,
                                 const DeviceStatus& after) {
  std::vector<char*> changed;
  for (const Property& property : kProperties) {
    if (!property.same(before, after)) {
      changed.push_back(const_cast<char*>(property.name));
    }
  }
  if (bus_ != nullptr && !changed.empty()) {
    changed.push_back(nullptr);
    sd_bus_emit_properties_changed_strv(bus_, path.c_str(), kDeviceInterface, changed.data());
  }
}

int DeviceObjects::find(sd_bus*, const char* path, const char*, void* data, void** found,
                        sd_bus_error*) {
  auto& by_path = static_cast<DeviceObjects*>(data)->by_path_;
  const auto at = by_path.find(path);
  if (at == by_path.end()) {
    return 0;
  }
  *found = &at->second.rbegin()->second;
  return 1;
}

// sd-bus frees what it gets.
int DeviceObjects::list(sd_bus*, const char*, void* data, char*** nodes, sd_bus_error*) {
  const auto& by_path = static_cast<const DeviceObjects*>(data)->by_path_;
  auto** listed = static_cast<char**>(std::calloc(by_path.size() + 1, sizeof(char*)));
  bool complete = listed != nullptr;
  size_t count = 0;
  for (auto at = by_path.begin(); complete && at != by_path.end(); ++at) {
    listed[count] = ::strdup(at->first.c_str());
    complete = listed[count++] != nullptr;
  }
  if (!complete) {
    for (size_t i = 0; i < count; ++i) {
      std::free(listed[i]);
    }
    std::free(listed);
    return -ENOMEM;
  }
  *nodes = listed;
  return 0;
}

}  // namespace tcmud::dbus
