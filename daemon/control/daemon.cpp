// SPDX-License-Identifier: Apache-2.0
#include "control/daemon.h"

#include <cstdlib>

#include <fmt/ranges.h>
#include <signal.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "control/process.h"

namespace tcmud::control {
namespace {

using namespace std::chrono_literals;

constexpr auto kShutdownPatience = 8s;  // supervisors kill after 10 s
constexpr auto kRejoinDelay = 5s;

uint64_t monotonic_us() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

Daemon::Daemon(Options options, KernelLink kernel, dbus::Service::Timing bus_timing,
               LostEvents::Timing lost_events_timing, std::chrono::milliseconds lun_patience)
    : options_(std::move(options)),
      kernel_(std::move(kernel)),
      bus_timing_(bus_timing),
      lost_events_timing_(lost_events_timing),
      lun_patience_(lun_patience),
      ways_(std::make_shared<device::WayReader>(kernel_.port.fabrics())) {}

Daemon::~Daemon() = default;

int Daemon::run() {
  logging_.emplace();
  auto ended = start();
  if (ended) {
    ended = loop_->run();
  }
  if (!ended) {
    log::at(log::Level::kCritical, "", "{}", ended.error().message);
    if (devices_ && devices_->size() > 0 && !stopping_) {
      stop();  // LUNs that were adopted before it failed
      static_cast<void>(loop_->run());
    }
  }
  if (lost_events_) {
    lost_events_->finish();
  }
  auto hanging = devices_ ? devices_->luns() : std::vector<std::string>{};
  if (bus_ && bus_->busy()) {
    hanging.emplace_back("a configuration check");
  }
  if (!hanging.empty()) {
    // Their threads are inside a handler: neither can they be joined nor the handler be unloaded.
    log::error("", "ending without waiting for {}", fmt::join(hanging, ", "));
    logging_.reset();
    std::_Exit(EXIT_FAILURE);
  }
  return ended ? EXIT_SUCCESS : EXIT_FAILURE;
}

Result<void> Daemon::start() {
  config_.emplace(options_.config_file);
  const auto read = config_->reload();
  apply(config_->current());
  if (!read) {
    log::error("", "{}; going on with the defaults", read.error().message);
  }
  auto lock = InstanceLock::acquire(options_.lock_file);
  if (!lock) {
    return tl::unexpected(std::move(lock.error()));
  }
  lock_.emplace(std::move(*lock));
  log::info("", "tcmud {} starting", TCMUD_VERSION);
  raise_nofile(options_.nofile);
  auto loop = EventLoop::create();
  if (!loop) {
    return tl::unexpected(std::move(loop.error()));
  }
  loop_ = std::move(*loop);
  return load_handlers()
      .and_then([this] { return watch(); })
      .and_then([this] { return join_kernel(); })
      .map([this] {
        bus_.emplace(*loop_, *handlers_, bus_timing_);
        unsettled_names_ = 2;
        const auto settled = [this] {
          if (--unsettled_names_ == 0) {
            tell_ready();
          }
        };
        bus_->start(settled);
        display_->start(settled);
      });
}

Result<void> Daemon::load_handlers() {
  handlers_.emplace();
  const auto& configured = config_->current().handler_path;
  const auto directory = options_.handler_path ? *options_.handler_path
                         : configured          ? *configured
                                               : default_handler_path();
  // A daemon without handlers is of use: it tells so, on D-Bus too, and refuses LUNs at once.
  if (const auto loaded = handlers_->load_directory(directory); !loaded) {
    log::error("", "{}", loaded.error().message);
  }
  for (const plugin::HandlerInfo& handler : handlers_->list()) {
    log::info("", "handler {}: {} ({})", handler.subtype, handler.description,
              handler.file.string());
  }
  if (handlers_->list().empty()) {
    log::warning("", "no handlers in {}; every LUN will be refused", directory.string());
  }
  display_.emplace(*loop_, bus_timing_.bus);
  devices_.emplace(
      kernel_.port,
      [this](std::string_view subtype) { return handlers_->find(subtype) != nullptr; },
      make_lun_factory(kernel_.port, *handlers_, settings_), *loop_, *display_, lun_patience_);
  devices_->set_foreign_subtypes(config_->current().foreign_subtypes);
  lost_events_.emplace(*loop_, *devices_,
                       LostEvents::Means{kernel_.port, [this] { take_events(); },
                                         [this](uint32_t device_id) {
                                           return events_->reply_to_lost_added(device_id);
                                         },
                                         kernel_.free_waiters},
                       lost_events_timing_);
  return {};
}

Result<void> Daemon::watch() {
  std::vector<Result<EventLoop::Source>> wanted;
  for (const int signal : {SIGTERM, SIGINT}) {
    wanted.push_back(loop_->on_signal(signal, [this] { stop(); }));
  }
  wanted.push_back(loop_->on_signal(SIGHUP, [this] {
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
               static_cast<unsigned long long>(monotonic_us()));
    logging_->reopen();
    reload();
    sd_notify(0, "READY=1");
  }));
  if (config_->watch_fd() >= 0) {
    wanted.push_back(loop_->on_readable(config_->watch_fd(), [this] {
      if (config_->take_events()) {
        reload();
      }
    }));
  }
  if (kernel_.port.changes_fd() >= 0) {
    wanted.push_back(
        loop_->on_readable(kernel_.port.changes_fd(), [this] { kernel_.port.take_changes(); }));
  }
  for (auto& source : wanted) {
    if (!source) {
      return tl::unexpected(std::move(source.error()));
    }
    sources_.push_back(std::move(*source));
  }
  loop_->feed_watchdog();
  return {};
}

Result<void> Daemon::join_kernel() {
  auto joined = kernel_.join();
  if (!joined) {
    return tl::unexpected(std::move(joined.error()));
  }
  events_source_.reset();
  events_ = std::move(*joined);
  // Events first: a device that is being added just now is better added than adopted.
  const auto taken =
      events_->dispatch([this](kernel::Event&& e) { devices_->handle(std::move(e)); });
  if (!taken) {
    return tl::unexpected(taken.error());
  }
  if (*taken == kernel::Netlink::Dispatched::kLost) {
    lost_events_->make_good();
  }
  if (auto scanned = devices_->rescan(); !scanned) {
    return scanned;
  }
  return loop_->on_readable(events_->fd(), [this] { take_events(); })
      .map([this](EventLoop::Source&& source) { events_source_ = std::move(source); });
}

void Daemon::take_events() {
  const auto taken =
      events_->dispatch([this](kernel::Event&& event) { devices_->handle(std::move(event)); });
  if (!taken) {
    log::error("", "{}; LUNs are served, but none can be added or removed", taken.error().message);
    events_source_.reset();
    rejoin_kernel();
  } else if (*taken == kernel::Netlink::Dispatched::kLost) {
    lost_events_->make_good();
  }
}

void Daemon::rejoin_kernel() {
  if (stopping_) {
    return;
  }
  timer_ = loop_->after(kRejoinDelay, [this] {
    if (devices_->owed() > 0) {
      // Joining frees all who wait for an answer. LostEvents tells why that must not be one of
      // ours.
      rejoin_kernel();
      return;
    }
    if (const auto joined = join_kernel(); !joined) {
      log::error("", "{}", joined.error().message);
      rejoin_kernel();
    }
  });
}

void Daemon::reload() {
  const auto changed = config_->reload();
  if (!changed) {
    log::error("", "{}; what was read before stays in force", changed.error().message);
  } else if (*changed) {
    apply(config_->current());
    devices_->set_foreign_subtypes(config_->current().foreign_subtypes);
    log::info("", "{}: read again", config_->path().string());
  }
}

void Daemon::apply(const Config& config) {
  const log::Level by_option = options_.debug ? log::Level::kTrace : log::Level::kInfo;
  log::set_level(config.log_level.value_or(by_option));
  const auto directory = config.log_dir.value_or(options_.log_dir.value_or("/var/log"));
  if (directory != log_dir_) {
    log_dir_ = directory;
    logging_->set_directory(directory);
  }
  settings_.poll_limit_us = config.poll_us;
  settings_.copies = config.third_party_copy == ThirdPartyCopy::kOff ? nullptr : copies_;
  settings_.ways = config.third_party_copy == ThirdPartyCopy::kAll ? nullptr : ways_;
  for (const std::string& warning : config.warnings) {
    log::warning("", "{}:{}", config_->path().string(), warning);
  }
}

void Daemon::tell_ready() {
  if (stopping_) {
    return;
  }
  log::info("", "ready: {} LUNs, {} handlers", devices_->size(), handlers_->list().size());
  sd_notify(0, "READY=1");
}

void Daemon::stop() {
  if (std::exchange(stopping_, true)) {
    log::warning("", "told to end a second time: not waiting for LUNs any longer");
    loop_->stop();
    return;
  }
  log::info("", "ending: finishing what {} LUNs have in flight", devices_->size());
  sd_notify(0, "STOPPING=1");
  // What hangs is named by run().
  timer_ = loop_->after(kShutdownPatience + 500ms, [this] { loop_->stop(); });
  devices_->shut_down(std::chrono::steady_clock::now() + kShutdownPatience,
                      [this] { loop_->stop(); });
}

}  // namespace tcmud::control
