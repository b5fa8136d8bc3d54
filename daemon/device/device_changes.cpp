// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "device/device_impl.h"

// What changes while a LUN is in use: by the kernel's RECONFIG events, by what initiators ask for,
// and by what configfs says. The strand makes a new view of it, which the loop takes over.
namespace tcmud::device {
namespace {

using namespace std::chrono_literals;

// How long what configfs said counts where it doesn't tell of changes.
constexpr uint64_t kConfigfsFresh = 1'000'000'000;  // ns
// How long a copy may wait to be told which LUNs it may name.
constexpr auto kWaysPatience = 2s;

}  // namespace

void Device::Impl::event(tcmud_event what) {
  if (what == TCMUD_EVENT_RESIZED) {
    strand.post([this] { follow_size(); });
  } else if (what == TCMUD_EVENT_LOCK) {
    strand.post([this] { lock_changed(); });
  }
}

void Device::Impl::backend_state(tcmud_backend_state now, const char* why) {
  status.backend_told(now, why);
}

void Device::Impl::publish_view(bool capacity_changed) {
  if (engine == nullptr) {
    return;
  }
  engine->post(
      [view = view(), patience = copy_patience(), capacity_changed](Dispatcher& dispatcher) {
        dispatcher.set_view(view);
        dispatcher.set_copy_patience(patience);
        if (capacity_changed) {
          dispatcher.raise_capacity_changed();
        }
      });
}

Result<void> Device::Impl::resize(uint64_t bytes) {
  if (bytes == attributes.size) {
    return {};
  }
  const StatusBoard::Task task(status, "resizing the backend");
  return backend->resize(bytes).map([this, bytes] {
    log::info(lun, "resized from {} to {} bytes", attributes.size, bytes);
    attributes.size = bytes;
    status.set_size(bytes, attributes.block_size);
    publish_view(true);
  });
}

// What the storage has become the LUN becomes, too. configfs is told, where the kernel makes an
// event of it and keeps the writer waiting for the reply, so that one is not left to this strand.
void Device::Impl::follow_size() {
  if (engine == nullptr) {
    return;
  }
  const uint64_t bytes = backend->served_size() / attributes.block_size * attributes.block_size;
  if (bytes == attributes.size) {
    return;
  }
  if (const auto done = resize(bytes); !done) {
    log::error(lun, "the storage has {} bytes now, and the LUN stays at {}: {}", bytes,
               attributes.size, done.error().message);
    return;
  }
  telling_size.store(bytes);
  const auto written = configfs->write("attrib/dev_size", std::to_string(bytes));
  telling_size.store(kNoSize);
  if (!written) {
    log::warning(lun, "attrib/dev_size does not tell that the LUN has {} bytes: {}", bytes,
                 written.error().message);
  }
}

Result<void> Device::Impl::set_write_cache(bool enabled) {
  if (enabled && backend->props().write_cache == 0) {
    return fail(EOPNOTSUPP, "the backend has no write cache that could be switched on");
  }
  const bool through = !enabled && backend->props().write_cache != 0;
  modes.default_write_through = through;
  if (through != modes.write_through) {
    modes.write_through = through;
    log::info(lun, "write cache {}",
              through ? "switched off: every write is durable when it is answered" : "switched on");
    publish_view(false);
  }
  return {};
}

void Device::Impl::reconfigure(const kernel::Change& change, kernel::Reply& reply) {
  const auto apply = [this, &change]() -> Result<void> {
    if (backend == nullptr) {
      return fail(ENODEV, "the backend is not open");
    }
    if (const auto* size = std::get_if<kernel::SizeChange>(&change)) {
      return resize(size->bytes);
    }
    if (const auto* cache = std::get_if<kernel::WriteCacheChange>(&change)) {
      return set_write_cache(cache->enabled);
    }
    const std::string& wanted = std::get<kernel::ConfigChange>(change).dev_config;
    if (wanted == name.subtype + "/" + name.config) {
      return {};
    }
    return fail(
        EOPNOTSUPP,
        "the configuration of a LUN in use cannot be changed to \"{}\"; remove and create it",
        wanted);
  };
  const auto result = apply();
  if (!result) {
    log::error(lun, "not reconfigured: {}", result.error().message);
  }
  reply.send(result ? 0 : -result.error().code);
}

void Device::Impl::select_mode(const scsi::ModeChange& mode, uint64_t ticket) {
  if (engine == nullptr) {
    return;
  }
  const bool through = !mode.write_cache && backend->props().write_cache != 0;
  const bool cache_changed = through != modes.write_through;
  if (cache_changed) {
    log::info(lun, "an initiator switched the write cache {}", through ? "off" : "on");
  }
  if (mode.software_write_protect != modes.software_write_protect) {
    log::info(lun, "an initiator switched software write protection {}",
              mode.software_write_protect ? "on" : "off");
  }
  modes.write_through = through;
  modes.software_write_protect = mode.software_write_protect;
  engine->post([view = view(), ticket](Dispatcher& dispatcher) {
    dispatcher.set_view(view);
    dispatcher.mode_changed(ticket);
  });
  if (cache_changed) {
    tell_write_cache();
  }
}

// configfs says what is in force, so that saved configurations tell the truth. The kernel makes an
// event of it and keeps the writer waiting for the reply, so that one is not left to this strand.
void Device::Impl::tell_write_cache() {
  const bool cached = backend->props().write_cache != 0 && !modes.write_through;
  telling_write_cache.store(cached ? 1 : 0);
  const auto written = configfs->write("attrib/emulate_write_cache", cached ? "1" : "0");
  telling_write_cache.store(kNotTelling);
  if (!written) {
    log::warning(lun, "attrib/emulate_write_cache does not tell that the write cache is {}: {}",
                 cached ? "on" : "off", written.error().message);
  }
}

void Device::Impl::read_configfs() {
  const uint64_t seen = changes->load(std::memory_order_acquire);
  const auto watched = configfs->watch(changes);
  if (!watched && !removed && !std::exchange(told_unwatched, true)) {
    log::info(lun, "changes of configfs are noticed after a second: {}", watched.error().message);
  }
  known_until = watched ? UINT64_MAX : monotonic_ns() + kConfigfsFresh;
  attributes.serial = read_serial(*configfs);
  attributes.port_groups = read_port_groups(kernel, *configfs);
  if (const uint32_t seconds = read_command_timeout(*configfs);
      seconds != attributes.command_timeout) {
    attributes.command_timeout = seconds;
    backend->set_command_timeout(seconds);
  }
  known_changes = seen;
}

void Device::Impl::refresh() {
  refreshing.store(false);
  if (engine == nullptr) {
    return;
  }
  read_configfs();
  if (!show_lock_in_groups()) {
    publish_view(false);
  }
}

void Device::Impl::read_ways() {
  const auto since = monotonic_ns() - copy::kWaysFresh;
  const auto ways = removed ? nullptr : settings.ways->read(since, kWaysPatience);
  reading_ways.store(false);  // who asks from here on may be too late for this post
  if (engine != nullptr) {
    engine->post([ways](Dispatcher& dispatcher) { dispatcher.set_ways(ways); });
  }
}

void Device::Impl::set_states(const std::vector<scsi::StateRequest>& requests, uint64_t ticket) {
  if (engine == nullptr) {
    return;
  }
  if (backend->has_lock()) {
    move_lock({requests, ticket});
  } else {
    put_states_in_force(requests, ticket);
  }
}

void Device::Impl::put_states_in_force(const std::vector<scsi::StateRequest>& requests,
                                       uint64_t ticket) {
  // Whoever asks meanwhile is told that they change, where the group has a way to say so.
  for (scsi::TargetPortGroup& group : attributes.port_groups.groups) {
    const bool changes_now = std::any_of(
        requests.begin(), requests.end(),
        [&group](const scsi::StateRequest& wanted) { return wanted.group == group.id; });
    if (changes_now && (group.supported & scsi::kSupportsTransitioning) != 0) {
      group.state = scsi::AccessState::kTransitioning;
    }
  }
  publish_view(false);
  const auto set =
      set_group_states(*configfs, attributes.port_groups, requests, Altered::kExplicitly);
  if (!set) {
    log::error(lun, "SET TARGET PORT GROUPS failed: {}", set.error().message);
  }
  read_configfs();
  engine->post([view = view(), ticket, all = set.has_value()](Dispatcher& dispatcher) {
    dispatcher.set_view(view);
    dispatcher.group_states_set(ticket, all);
  });
}

}  // namespace tcmud::device
