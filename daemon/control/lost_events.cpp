// SPDX-License-Identifier: Apache-2.0
#include "control/lost_events.h"

#include <utility>

#include "base/log.h"

namespace tcmud::control {

LostEvents::LostEvents(dbus::MainLoop& loop, DeviceManager& devices, Means means, Timing timing)
    : loop_(loop), devices_(devices), means_(std::move(means)), timing_(timing) {}

void LostEvents::make_good() {
  log::warning("", "netlink: events were lost; looking at all devices again");
  working_ = true;
  freed_ = false;
  ++round_;
  timer_ = loop_.after(timing_.grace, [this] { look(); });
}

void LostEvents::finish() {
  if (!working_ || freed_) {
    return;
  }
  timer_.reset();
  if (const auto freed = means_.free_waiters([this] { return devices_.owed() == 0; }); !freed) {
    log::error("", "{}", freed.error().message);
  }
}

// On a reader's thread.
Result<LostEvents::Seen> LostEvents::read(kernel::KernelPort& port,
                                          const kernel::DeviceName& name) {
  return port.open_directory(name).and_then(
      [](const std::unique_ptr<kernel::DeviceDirectory>& directory) -> Result<Seen> {
        const auto enabled = kernel::read_number(*directory, "enable");
        if (!enabled) {
          return tl::unexpected(enabled.error());
        }
        if (*enabled != 0) {
          return Seen{true, 0};
        }
        return kernel::read_number(*directory, "statistics/scsi_dev/indx").map([](uint64_t id) {
          return Seen{false, static_cast<uint32_t>(id)};
        });
      });
}

void LostEvents::look() {
  const uint64_t before = round_;
  means_.take_events();
  if (round_ != before) {
    return;  // more were lost
  }
  auto unknown = devices_.look_around();
  if (!unknown) {
    log::error("", "{}; trying again", unknown.error().message);
    timer_ = loop_.after(timing_.grace, [this] { look(); });
    return;
  }
  looked_ = Clock::now();
  warned_ = false;
  ++round_;
  unread_ = unknown->size();
  // One that an earlier round left behind may hang until the waiters are freed, and is kept.
  std::erase_if(readers_, [](const auto& reader) { return reader->done.load(); });
  for (const kernel::FoundDevice& found : *unknown) {
    Reader& reader = *readers_.emplace_back(std::make_unique<Reader>());
    reader.thread = std::jthread([this, &reader, round = round_, found] {
      loop_.post([this, round, found, seen = read(means_.port, found.device)] {
        take(round, found, seen);
      });
      reader.done.store(true);
    });
  }
  check();
}

void LostEvents::take(uint64_t round, const kernel::FoundDevice& found, const Result<Seen>& seen) {
  if (round != round_) {
    return;
  }
  --unread_;
  if (!seen) {
    log::info(found.device.lun(), "not looked at any closer: {}", seen.error().message);
  } else if (seen->configured) {
    devices_.adopt(found);
  } else {
    devices_.add_unheard(found, seen->device_id, means_.reply_to_added);
  }
}

void LostEvents::check() {
  const auto waited = Clock::now() - looked_;
  const bool read = unread_ == 0 || waited >= timing_.read_limit;
  if (read && freed_) {
    working_ = false;
    timer_.reset();
    log::info("", "netlink: events that were lost are made good for; {} LUNs", devices_.size());
    return;
  }
  if (read && devices_.owed() == 0) {
    free();
    return;
  }
  if (waited >= timing_.patience && !std::exchange(warned_, true)) {
    log::warning("",
                 "netlink: LUNs still work on {} events; until they have answered, whoever waits "
                 "for the answer to a lost one goes on waiting",
                 devices_.owed());
  }
  timer_ = loop_.after(timing_.pause, [this] { check(); });
}

void LostEvents::free() {
  const uint64_t before = round_;
  const auto freed = means_.free_waiters([this, before] {
    means_.take_events();
    return round_ == before && devices_.owed() == 0;
  });
  if (round_ != before) {
    return;  // more were lost
  }
  if (!freed) {
    log::error("", "{}", freed.error().message);
  }
  if (freed && !*freed) {
    timer_ = loop_.after(timing_.pause, [this] { check(); });
    return;
  }
  freed_ = true;
  ++round_;  // who still reads reads of what was
  timer_ = loop_.after(timing_.grace, [this] { look(); });
}

}  // namespace tcmud::control
