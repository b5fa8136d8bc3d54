// SPDX-License-Identifier: Apache-2.0
#include "device/device.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "device/copy_lun.h"
#include "device/engine.h"
#include "device/lun_view.h"
#include "device/strand.h"
#include "kernel/ring.h"
#include "plugin/backend.h"

namespace tcmud::device {

namespace {

using namespace std::chrono_literals;

constexpr auto kFirstRetry = 1s;
constexpr auto kLongestRetry = 30s;
// How long the administrator's rmdir waits for a handler that hangs, before the LUN goes without
// it.
constexpr auto kRemovalPatience = 20s;
// How long what configfs said counts where it doesn't tell of changes.
constexpr uint64_t kConfigfsFresh = 1'000'000'000;  // ns
// How long a copy may wait to be told which LUNs it may name.
constexpr auto kWaysPatience = 2s;
constexpr uint32_t kMaxPollLimit = 1000;  // µs

Result<uint32_t> parse_poll_limit(const std::string& text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > kMaxPollLimit) {
    return fail(EINVAL, "option poll_us={}: a number of microseconds from 0 to {} is wanted", text,
                kMaxPollLimit);
  }
  return value;
}

}  // namespace

const char* to_string(State state) {
  switch (state) {
    case State::kOpening:
      return "opening";
    case State::kRunning:
      return "running";
    case State::kRetrying:
      return "retrying";
    case State::kRemoving:
      return "removing";
    case State::kClosed:
      return "closed";
  }
  return "unknown";
}

// Everything but the constructor, state() and LoopOwner's calls runs on the strand.
struct Device::Impl final : LoopOwner {
  Impl(kernel::KernelPort& kernel_port, const plugin::Registry& handlers, const Settings& defaults,
       kernel::DeviceName device_name, uint32_t uio_minor, StateChanged on_change)
      : kernel(kernel_port),
        registry(handlers),
        settings(defaults),
        name(std::move(device_name)),
        lun(name.lun()),
        minor(uio_minor),
        state_changed(std::move(on_change)) {
    modes.third_party_copy = settings.copies != nullptr;
  }

  void set_state(State next) {
    state.store(next, std::memory_order_release);
    if (state_changed) {
      state_changed(next);
    }
  }

  // --- opening and closing ---

  Result<void> open_backend();
  Result<void> attach_ring();
  Result<void> start_engine();
  Result<void> open_adopted();
  void close_all();
  // To be published: copies go by it, too.
  [[nodiscard]] View view();
  void join_copies();
  // So that a copy is answered by us, with what came of it, before the kernel does it without.
  [[nodiscard]] uint64_t copy_patience() const {
    return uint64_t{attributes.command_timeout} * (1'000'000'000 / 6 * 5);
  }
  Result<void> set_blocked(bool blocked) {
    return kernel.write_attribute(name, "action/block_dev", blocked ? "1" : "0");
  }
  Result<void> reset_ring() { return kernel.write_attribute(name, "action/reset_ring", "1"); }

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
  void publish_view(bool capacity_changed);

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

  void mode_wanted(const scsi::ModeChange& mode, uint64_t ticket) override {
    strand.post([this, mode, ticket] { select_mode(mode, ticket); });
  }
  void group_states_wanted(std::vector<scsi::StateRequest> requests, uint64_t ticket) override {
    strand.post([this, requests = std::move(requests), ticket] { set_states(requests, ticket); });
  }

  kernel::KernelPort& kernel;
  const plugin::Registry& registry;
  Settings settings;
  const kernel::DeviceName name;
  const std::string lun;
  const uint32_t minor;
  const StateChanged state_changed;
  std::atomic<State> state{State::kOpening};  // set on the strand, read anywhere
  std::atomic<bool> refreshing{false};        // a refresh is to come: one is enough
  std::atomic<bool> reading_ways{false};      // so it is with ways, until they are posted
  static constexpr int kNotTelling = -1;
  // What the strand is just writing to attrib/emulate_write_cache; read by reconfigure().
  std::atomic<int> telling_write_cache{kNotTelling};
  // No configfs any more: its directory is locked until the kernel has our reply, so who reads it
  // keeps the strand from replying. Set as soon as the removal is known.
  std::atomic<bool> removed{false};

  // The kernel port counts; at the beginning nothing is known, because rtslib writes the serial
  // number and makes the port groups only after it enabled the LUN. While the LUN is exported
  // nobody can change the serial number, so that the first INQUIRY reads the right one.
  const std::shared_ptr<kernel::ChangeCount> changes = std::make_shared<kernel::ChangeCount>(1);
  uint64_t known_changes = 0;
  uint64_t known_until = UINT64_MAX;  // CLOCK_MONOTONIC, ns
  bool told_unwatched = false;

  LunAttributes attributes;
  Modes modes;
  // In the order of their lives: the engine's threads end first, then the handler closes, then
  // memory goes.
  kernel::UioPort port;
  std::unique_ptr<kernel::Ring> ring;
  std::unique_ptr<plugin::Backend> backend;
  std::unique_ptr<Engine> engine;
  std::shared_ptr<CopyLun> copy_lun;  // nullptr: no third-party copies, or not open

  Strand strand;  // last: waits for its tasks before anything else goes
};

Result<void> Device::Impl::open_backend() {
  auto read = read_attributes(kernel, name);
  if (!read) {
    return tl::unexpected(read.error());
  }
  attributes = std::move(*read);
  auto opened =
      plugin::Backend::open(registry,
                            {.name = lun,
                             .subtype = name.subtype,
                             .config = name.config,
                             .lun_size = attributes.size,
                             .block_size = attributes.block_size},
                            [this](tcmud_event) {
                              log::info(lun,
                                        "the backend's size changed; write attrib/dev_size "
                                        "to let initiators see it");
                            });
  if (!opened) {
    return tl::unexpected(opened.error());
  }
  backend = std::move(*opened);
  for (const auto& option : backend->core_options()) {
    if (option.key == "poll_us") {
      const auto limit = parse_poll_limit(option.value);
      if (!limit) {
        return tl::unexpected(limit.error());
      }
      settings.poll_limit_us = *limit;
    } else {
      log::info(lun, "option {} is accepted for tcmu-runner's sake and does nothing", option.key);
    }
  }
  return {};
}

Result<void> Device::Impl::attach_ring() {
  auto attached = kernel::Ring::attach(port.map.bytes(), Engine::kCommands);
  if (!attached) {
    return tl::unexpected(attached.error());
  }
  ring = std::move(*attached);
  // What an initiator gives up ends, where it may: the kernel, and with it the initiator, waits for
  // the answer all the same. Kernels before 5.10 don't have it.
  if (auto told = kernel.write_attribute(name, "attrib/tmr_notification", "1"); !told) {
    log::debug(lun, "no notice of task management functions: {}", told.error().message);
  }
  return {};
}

Result<void> Device::Impl::start_engine() {
  auto created = Engine::create(*ring, port, *backend, view(), settings.poll_limit_us, lun, *this);
  if (!created) {
    return tl::unexpected(created.error());
  }
  engine = std::move(*created);
  join_copies();
  return engine->start();
}

View Device::Impl::view() {
  View view = make_view(attributes, backend->props(), modes);
  view.changes = changes;
  view.known_changes = known_changes;
  view.known_until = known_until;
  if (copy_lun != nullptr) {
    copy_lun->tell(view.lun);
  }
  return view;
}

void Device::Impl::join_copies() {
  if (settings.copies == nullptr) {
    return;
  }
  // An initiator may name the LUN to another one before anybody asks this one who it is.
  attributes.serial = read_serial(kernel, name);
  copy_lun = std::make_shared<CopyLun>(lun, engine->posts(), view().lun);
  engine->prepare([this](Dispatcher& dispatcher) {
    const auto partners = settings.ways ? copy::Partners::kSameWays : copy::Partners::kAll;
    dispatcher.set_copies(std::make_unique<copy::LunCopies>(settings.copies, copy_lun, partners),
                          engine->posts());
    dispatcher.set_copy_patience(copy_patience());
  });
  settings.copies->add(copy_lun);
}

void Device::Impl::close_all() {
  backend.reset();  // before the engine's memory: until close returns, the handler may be about to
                    // complete something
  engine.reset();
  if (copy_lun != nullptr) {
    settings.copies->remove(copy_lun);
    copy_lun.reset();
  }
  ring.reset();
  port = kernel::UioPort{};
}

void Device::Impl::add(kernel::Reply& reply) {
  const auto open = [this]() -> Result<void> {
    auto opened = kernel.open_uio(minor);
    if (!opened) {
      return tl::unexpected(opened.error());
    }
    port = std::move(*opened);
    return open_backend()
        .and_then([this] { return attach_ring(); })
        .and_then([this]() -> Result<void> {
          // So that saved configurations tell the truth about the cache, and restoring one changes
          // nothing. No event comes of it: the device is not configured yet.
          const bool cached = backend->props().write_cache != 0;
          return kernel.write_attribute(name, "attrib/emulate_write_cache", cached ? "1" : "0")
              .or_else([this](const Error& error) {
                log::debug(lun, "emulate_write_cache stays as it is: {}", error.message);
                return Result<void>{};
              });
        })
        .and_then([this] { return start_engine(); });
  };
  if (const auto result = open(); !result) {
    log::error(lun, "not added: {}", result.error().message);
    close_all();  // before the reply: the kernel frees the mailbox when it learns of the failure
    reply.send(-result.error().code);
    set_state(State::kClosed);
    return;
  }
  log::info(lun, "added: {}/{}, {} bytes in blocks of {}", name.subtype, name.config,
            attributes.size, attributes.block_size);
  set_state(State::kRunning);
  reply.send(0);
}

Result<void> Device::Impl::open_adopted() {
  // From here on the kernel answers BUSY, which initiators repeat, until the ring is ours and
  // empty.
  return set_blocked(true)
      .and_then([this]() -> Result<void> {
        auto opened = kernel.open_uio(minor);
        if (!opened) {
          return tl::unexpected(opened.error());
        }
        port = std::move(*opened);
        return {};
      })
      .and_then([this] { return open_backend(); })
      .and_then([this] { return reset_ring(); })
      .and_then([this] { return attach_ring(); })
      .and_then([this] { return set_blocked(false); })
      .and_then([this] { return start_engine(); });
}

void Device::Impl::adopt(std::chrono::milliseconds next_retry) {
  if (state.load() == State::kRemoving || state.load() == State::kClosed) {
    return;
  }
  const auto result = open_adopted();
  if (result) {
    log::info(lun, "adopted: {}/{}, {} bytes in blocks of {}", name.subtype, name.config,
              attributes.size, attributes.block_size);
    set_state(State::kRunning);
    return;
  }
  close_all();
  if (result.error().code == ENOENT && !kernel.read_attribute(name, "info")) {
    log::warning(lun, "vanished while it was adopted: {}", result.error().message);
    set_state(State::kClosed);
    return;
  }
  log::error(lun, "cannot be served: {}; initiators get BUSY, next try in {} s",
             result.error().message,
             std::chrono::duration_cast<std::chrono::seconds>(next_retry).count());
  set_state(State::kRetrying);
  strand.wait_for_post(next_retry);
  strand.post([this, next_retry] {
    adopt(std::min<std::chrono::milliseconds>(next_retry * 2, kLongestRetry));
  });
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
  return backend->resize(bytes).map([this, bytes] {
    log::info(lun, "resized from {} to {} bytes", attributes.size, bytes);
    attributes.size = bytes;
    publish_view(true);
  });
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
  if (cache_changed && !removed) {
    tell_write_cache();
  }
}

// configfs says what is in force, so that saved configurations tell the truth. The kernel makes an
// event of it and keeps the writer waiting for the reply, so that one is not left to this strand.
void Device::Impl::tell_write_cache() {
  const bool cached = backend->props().write_cache != 0 && !modes.write_through;
  telling_write_cache.store(cached ? 1 : 0);
  const auto written =
      kernel.write_attribute(name, "attrib/emulate_write_cache", cached ? "1" : "0");
  telling_write_cache.store(kNotTelling);
  if (!written) {
    log::warning(lun, "attrib/emulate_write_cache does not tell that the write cache is {}: {}",
                 cached ? "on" : "off", written.error().message);
  }
}

void Device::Impl::remove(kernel::Reply& reply) {
  removed = true;
  if (state.load() == State::kClosed) {
    reply.send(0);
    return;
  }
  set_state(State::kRemoving);
  while (engine != nullptr && !engine->stop(std::chrono::steady_clock::now() + kRemovalPatience)) {
    log::error(lun,
               "handler {} still has not answered commands; the kernel's device goes, our part of "
               "it stays "
               "until the handler does answer",
               name.subtype);
    reply.send(0);
  }
  close_all();
  log::info(lun, "removed");
  reply.send(0);
  set_state(State::kClosed);
}

void Device::Impl::shut_down(std::chrono::steady_clock::time_point deadline) {
  if (state.load() == State::kClosed) {
    return;
  }
  set_state(State::kRemoving);
  if (engine != nullptr && !engine->stop(deadline)) {
    log::error(lun,
               "handler {} has not answered commands in time; they are left to the next daemon",
               name.subtype);
    return;
  }
  close_all();
  set_state(State::kClosed);
}

void Device::Impl::recover_ring() {
  if (state.load() != State::kRunning) {
    return;
  }
  while (!engine->stop(std::chrono::steady_clock::now() + kRemovalPatience)) {
    log::error(lun,
               "handler {} still has not answered commands; the ring can't be reset before it does",
               name.subtype);
  }
  const auto result = set_blocked(true)
                          .and_then([this] { return reset_ring(); })
                          .and_then([this] { return ring->reset(); })
                          .and_then([this] { return set_blocked(false); })
                          .and_then([this] { return engine->start(); });
  if (!result) {
    log::error(lun, "the ring could not be reset: {}; the LUN is closed and opened anew",
               result.error().message);
    close_all();
    set_state(State::kOpening);
    adopt(kFirstRetry);
  }
}

void Device::Impl::read_configfs() {
  const uint64_t seen = changes->load(std::memory_order_acquire);
  if (!removed) {
    const auto watched = kernel.watch(name, changes);
    if (!watched && !std::exchange(told_unwatched, true)) {
      log::info(lun, "changes of configfs are noticed after a second: {}", watched.error().message);
    }
    known_until = watched ? UINT64_MAX : monotonic_ns() + kConfigfsFresh;
    attributes.serial = read_serial(kernel, name);
    attributes.port_groups = read_port_groups(kernel, name);
    attributes.command_timeout = read_command_timeout(kernel, name);
  } else {
    known_until = UINT64_MAX;
  }
  known_changes = seen;
}

void Device::Impl::refresh() {
  refreshing.store(false);
  if (engine == nullptr) {
    return;
  }
  read_configfs();
  publish_view(false);
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
  const Result<void> set = removed
                               ? Result<void>(fail(ENODEV, "the LUN is being removed"))
                               : set_group_states(kernel, name, attributes.port_groups, requests);
  if (!set) {
    log::error(lun, "SET TARGET PORT GROUPS failed: {}", set.error().message);
  }
  read_configfs();
  engine->post([view = view(), ticket, all = set.has_value()](Dispatcher& dispatcher) {
    dispatcher.set_view(view);
    dispatcher.group_states_set(ticket, all);
  });
}

Device::Device(kernel::KernelPort& kernel, const plugin::Registry& registry,
               const Settings& settings, kernel::DeviceName name, uint32_t minor,
               StateChanged state_changed)
    : impl_(std::make_unique<Impl>(kernel, registry, settings, std::move(name), minor,
                                   std::move(state_changed))) {}

Device::~Device() = default;

void Device::add(kernel::Reply reply) {
  impl_->strand.post([impl = impl_.get(), reply = std::make_shared<kernel::Reply>(
                                              std::move(reply))] { impl->add(*reply); });
}

void Device::adopt() {
  impl_->strand.post([impl = impl_.get()] { impl->adopt(kFirstRetry); });
}

void Device::reconfigure(kernel::Change change, kernel::Reply reply) {
  const auto* cache = std::get_if<kernel::WriteCacheChange>(&change);
  if (cache != nullptr && impl_->telling_write_cache.load() == (cache->enabled ? 1 : 0)) {
    reply.send(0);  // the strand itself waits for it, and has done what it asks for
    return;
  }
  impl_->strand.post([impl = impl_.get(), change = std::move(change),
                      reply = std::make_shared<kernel::Reply>(std::move(reply))] {
    impl->reconfigure(change, *reply);
  });
}

void Device::remove(kernel::Reply reply) {
  impl_->removed = true;
  impl_->strand.post([impl = impl_.get(), reply = std::make_shared<kernel::Reply>(
                                              std::move(reply))] { impl->remove(*reply); });
}

void Device::shut_down(std::chrono::steady_clock::time_point deadline) {
  impl_->strand.post([impl = impl_.get(), deadline] { impl->shut_down(deadline); });
}

State Device::state() const {
  return impl_->state.load(std::memory_order_acquire);
}

const kernel::DeviceName& Device::name() const {
  return impl_->name;
}

uint32_t Device::minor() const {
  return impl_->minor;
}

}  // namespace tcmud::device
