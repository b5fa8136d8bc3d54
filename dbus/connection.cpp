// SPDX-License-Identifier: Apache-2.0
#include "dbus/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"

namespace tcmud::dbus {

Connection::Connection(MainLoop& loop, const char* name, Objects& objects, Timing timing)
    : loop_(loop),
      name_(name),
      objects_(objects),
      timing_(timing),
      next_retry_(timing.first_retry) {}

Connection::~Connection() = default;

void Connection::start(std::function<void()> settled) {
  settled_ = std::move(settled);
  settle_timer_ = loop_.after(timing_.settle, [this] {
    log::warning("", "D-Bus: {}: the bus doesn't answer; going on without", name_);
    settle();
  });
  connect();
}

void Connection::connect() {
  objects_.withdraw();
  bus_.reset();
  if (auto opened = open(); !opened) {
    lost(opened.error().message);
  }
}

Result<void> Connection::open() {
  sd_bus* made = nullptr;
  if (const int error = sd_bus_open_system_with_description(&made, "tcmud"); error < 0) {
    return fail(-error, "no system bus: {}", std::strerror(-error));
  }
  bus_.reset(made);
  if (auto exported = objects_.export_on(made); !exported) {
    return exported;
  }
  int error = sd_bus_match_signal(made, nullptr, "org.freedesktop.DBus.Local",
                                  "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                  "Disconnected", on_disconnected, this);
  if (error >= 0) {
    error = sd_bus_request_name_async(made, nullptr, name_, 0, on_name, this);
  }
  if (error >= 0) {
    error = sd_bus_attach_event(made, loop_.get(), SD_EVENT_PRIORITY_NORMAL);
  }
  if (error < 0) {
    return fail(-error, "can't ask the system bus for a name: {}", std::strerror(-error));
  }
  return {};
}

int Connection::on_name(sd_bus_message* reply, void* data, sd_bus_error*) {
  auto& self = *static_cast<Connection*>(data);
  uint32_t code = 0;
  if (const sd_bus_error* error = sd_bus_message_get_error(reply)) {
    self.lost(fmt::format("the bus refuses the name: {}; is its policy in dbus-1/system.d?",
                          error->message != nullptr ? error->message : error->name));
  } else if (sd_bus_message_read(reply, "u", &code) < 0 || code != 1) {  // primary owner
    self.lost("the name is another one's; is a tcmud or tcmu-runner running?");
  } else {
    log::info("", "D-Bus: serving as {}", self.name_);
    self.owns_name_ = true;
    self.told_.clear();
    self.next_retry_ = self.timing_.first_retry;
    self.settle();
  }
  return 1;
}

int Connection::on_disconnected(sd_bus_message*, void* data, sd_bus_error*) {
  static_cast<Connection*>(data)->lost("the system bus closed the connection");
  return 1;
}

// Often called from one of the bus's own callbacks, so the bus goes with the next attempt.
void Connection::lost(const std::string& why) {
  owns_name_ = false;
  if (why != std::exchange(told_, why)) {
    log::warning("", "D-Bus: {}: {}; trying again now and then", name_, why);
  }
  retry_timer_ = loop_.after(next_retry_, [this] { connect(); });
  next_retry_ = std::min(next_retry_ * 2, timing_.last_retry);
  settle();
}

void Connection::settle() {
  settle_timer_.reset();
  if (auto settled = std::exchange(settled_, nullptr)) {
    settled();
  }
}

}  // namespace tcmud::dbus
