// SPDX-License-Identifier: Apache-2.0
#include "device/device.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "device/device_impl.h"

namespace tcmud::device {

namespace {

using namespace std::chrono_literals;

constexpr auto kFirstRetry = 1s;
constexpr auto kLongestRetry = 30s;
// How long to wait for a handler that has not answered commands, at a time.
constexpr auto kStopPatience = 20s;
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

Result<void> Device::Impl::open_configfs() {
  return kernel.open_directory(name).map(
      [this](std::unique_ptr<kernel::DeviceDirectory> opened) { configfs = std::move(opened); });
}

Result<void> Device::Impl::open_backend() {
  auto read = read_attributes(*configfs);
  if (!read) {
    return tl::unexpected(read.error());
  }
  attributes = std::move(*read);
  status.set_size(attributes.size, attributes.block_size);
  const StatusBoard::Task task(status, "opening the backend");
  auto opened = plugin::Backend::open(registry,
                                      {.name = lun,
                                       .subtype = name.subtype,
                                       .config = name.config,
                                       .lun_size = attributes.size,
                                       .block_size = attributes.block_size},
                                      *this);
  if (!opened) {
    return tl::unexpected(opened.error());
  }
  backend = std::move(*opened);
  backend->set_command_timeout(attributes.command_timeout);
  status.opened();
  if (backend->has_lock()) {
    status.lock_told(backend->lock_status());
  }
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
  if (auto told = configfs->write("attrib/tmr_notification", "1"); !told) {
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
  attributes.serial = read_serial(*configfs);
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
  lock = {};
  if (backend != nullptr) {
    const StatusBoard::Task task(status, "closing the backend");
    backend.reset();  // before the engine's memory: until close returns, the handler may be about
                      // to complete something
  }
  status.closed();
  engine.reset();
  if (copy_lun != nullptr) {
    settings.copies->remove(copy_lun);
    copy_lun.reset();
  }
  ring.reset();
  port = kernel::UioPort{};
  configfs.reset();
}

void Device::Impl::add(kernel::Reply& reply) {
  const auto open = [this]() -> Result<void> {
    auto opened = kernel.open_uio(minor);
    if (!opened) {
      return tl::unexpected(opened.error());
    }
    port = std::move(*opened);
    return open_configfs()
        .and_then([this] { return open_backend(); })
        .and_then([this] { return attach_ring(); })
        .and_then([this]() -> Result<void> {
          // So that saved configurations tell the truth about the cache, and restoring one changes
          // nothing. No event comes of it: the device is not configured yet.
          const bool cached = backend->props().write_cache != 0;
          return configfs->write("attrib/emulate_write_cache", cached ? "1" : "0")
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
    set_state(State::kClosed, result.error().message);
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
  return open_configfs()
      .and_then([this] { return set_blocked(true); })
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
    log::info(lun, "adopted: {}/{}, {} bytes in blocks of {}{}", name.subtype, name.config,
              attributes.size, attributes.block_size, status.outage());
    set_state(State::kRunning);
    return;
  }
  const bool vanished =
      result.error().code == ENOENT && (configfs == nullptr || !configfs->read("attrib/dev_size"));
  close_all();
  if (vanished) {
    log::warning(lun, "vanished while it was adopted: {}", result.error().message);
    set_state(State::kClosed, result.error().message);
    return;
  }
  state.store(State::kRetrying, std::memory_order_release);
  status.will_retry(result.error().message, next_retry);
  strand.wait_for_post(next_retry);
  strand.post([this, next_retry] {
    adopt(std::min<std::chrono::milliseconds>(next_retry * 2, kLongestRetry));
  });
}

void Device::Impl::finish_commands() {
  const StatusBoard::Task task(status, "finishing commands");
  while (engine != nullptr && !engine->stop(std::chrono::steady_clock::now() + kStopPatience)) {
  }
}

void Device::Impl::remove(kernel::Reply& reply) {
  removed = true;
  if (state.load() == State::kClosed) {
    reply.send(0);
    return;
  }
  set_state(State::kRemoving);
  finish_commands();
  close_all();
  log::info(lun, "removed");
  reply.send(0);
  set_state(State::kClosed);
}

void Device::Impl::shut_down(std::chrono::steady_clock::time_point deadline) {
  if (state.load() == State::kClosed) {
    return;
  }
  set_state(State::kRemoving, "the daemon ends");
  if (lock.settling) {
    pass_commands();  // or initiators get BUSY until the next daemon has adopted the LUN
  }
  if (engine != nullptr) {
    const StatusBoard::Task task(status, "finishing commands");
    if (!engine->stop(deadline)) {
      log::error(lun,
                 "handler {} has not answered commands in time; they are left to the next daemon",
                 name.subtype);
      return;
    }
  }
  close_all();
  set_state(State::kClosed);
}

void Device::Impl::recover_ring() {
  if (state.load() != State::kRunning) {
    return;
  }
  if (!engine->stop(std::chrono::steady_clock::now() + kStopPatience)) {
    log::error(lun,
               "handler {} still has not answered commands; the ring can't be reset before it does",
               name.subtype);
    finish_commands();
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
    set_state(State::kOpening, result.error().message);
    adopt(kFirstRetry);
  } else if (lock.settling) {
    begin_settling();  // the loop forgot it
  }
}

Device::Device(kernel::KernelPort& kernel, const plugin::Registry& registry,
               const Settings& settings, kernel::DeviceName name, uint32_t minor,
               StatusChanged status_changed)
    : impl_(std::make_unique<Impl>(kernel, registry, settings, std::move(name), minor,
                                   std::move(status_changed))) {}

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
  const auto* size = std::get_if<kernel::SizeChange>(&change);
  if (size != nullptr && impl_->telling_size.load() == size->bytes) {
    reply.send(0);  // likewise
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

LunStatus Device::status() {
  return impl_->status.read();
}

const kernel::DeviceName& Device::name() const {
  return impl_->name;
}

uint32_t Device::minor() const {
  return impl_->minor;
}

}  // namespace tcmud::device
