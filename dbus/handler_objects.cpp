// SPDX-License-Identifier: Apache-2.0
#include "dbus/handler_objects.h"

#include <cstring>
#include <string>

#include <fmt/format.h>

#include "base/log.h"

namespace tcmud::dbus {
namespace {

using Message =
    std::unique_ptr<sd_bus_message, decltype([](sd_bus_message* m) { sd_bus_message_unref(m); })>;

}  // namespace

struct HandlerObjects::Object {
  plugin::HandlerInfo handler;
  std::string path;
  CheckRunner& checks;
};

// Unprivileged: who may call is the bus policy's business, and sd-bus would ask the bus daemon
// before each call. ConfigDesc never changes; what introspection says of it is what tcmu-runner
// said.
const sd_bus_vtable HandlerObjects::kInterface[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD_WITH_ARGS("CheckConfig", SD_BUS_ARGS("s", configstr),
                            SD_BUS_RESULT("b", is_valid, "s", message), check_config,
                            SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("ConfigDesc", "s", get_config_desc, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_VTABLE_END};

HandlerObjects::HandlerObjects(const std::vector<plugin::HandlerInfo>& handlers,
                               CheckRunner& checks) {
  for (const plugin::HandlerInfo& handler : handlers) {
    auto path = fmt::format("{}/{}", kRootPath, handler.subtype);
    if (sd_bus_object_path_is_valid(path.c_str()) != 0) {
      objects_.push_back(std::make_unique<Object>(Object{handler, std::move(path), checks}));
    } else {
      log::warning("", "handler \"{}\" is not on D-Bus: its name can't stand in an object path",
                   handler.subtype);
    }
  }
}

HandlerObjects::~HandlerObjects() = default;

Result<void> HandlerObjects::export_on(sd_bus* bus) {
  const auto keep = [this](const auto& add) -> Result<void> {
    sd_bus_slot* slot = nullptr;
    if (const int error = add(&slot); error < 0) {
      return fail(-error, "can't put the handlers on D-Bus: {}", std::strerror(-error));
    }
    slots_.emplace_back(slot);
    return {};
  };
  // The object manager itself is for introspection; sd-bus's answer to GetManagedObjects would list
  // the standard interfaces of every object, so ours comes first.
  auto kept =
      keep([bus](sd_bus_slot** slot) { return sd_bus_add_object_manager(bus, slot, kRootPath); });
  if (kept) {
    kept = keep([this, bus](sd_bus_slot** slot) {
      return sd_bus_add_object(bus, slot, kRootPath, get_managed_objects, this);
    });
  }
  for (auto object = objects_.begin(); kept && object != objects_.end(); ++object) {
    kept = keep([bus, &object](sd_bus_slot** slot) {
      return sd_bus_add_object_vtable(bus, slot, (*object)->path.c_str(), kBusName, kInterface,
                                      object->get());
    });
  }
  return kept;
}

int HandlerObjects::get_config_desc(sd_bus*, const char*, const char*, const char*,
                                    sd_bus_message* reply, void* object, sd_bus_error*) {
  return sd_bus_message_append(reply, "s",
                               static_cast<Object*>(object)->handler.config_help.c_str());
}

int HandlerObjects::check_config(sd_bus_message* call, void* data, sd_bus_error*) {
  const auto& object = *static_cast<Object*>(data);
  const char* text = nullptr;
  if (const int error = sd_bus_message_read(call, "s", &text); error < 0) {
    return error;
  }
  const std::string_view config(text);
  const std::string& subtype = object.handler.subtype;
  if (config != subtype && !config.starts_with(subtype + '/')) {
    return sd_bus_reply_method_return(
        call, "bs", 0, fmt::format("\"{}\" does not begin with {}/", config, subtype).c_str());
  }
  const std::shared_ptr<sd_bus_message> answer_to(sd_bus_message_ref(call), sd_bus_message_unref);
  object.checks.run(std::string(config), [answer_to](bool valid, const std::string& message) {
    // The caller may have gone; then nobody is told.
    sd_bus_reply_method_return(answer_to.get(), "bs", int{valid}, message.c_str());
  });
  return 1;
}

int HandlerObjects::get_managed_objects(sd_bus_message* call, void* data, sd_bus_error*) {
  if (sd_bus_message_is_method_call(call, "org.freedesktop.DBus.ObjectManager",
                                    "GetManagedObjects") <= 0) {
    return 0;  // to sd-bus
  }
  sd_bus_message* made = nullptr;
  if (const int error = sd_bus_message_new_method_return(call, &made); error < 0) {
    return error;
  }
  const Message reply(made);
  int error = sd_bus_message_open_container(made, 'a', "{oa{sa{sv}}}");
  for (const auto& object : static_cast<HandlerObjects*>(data)->objects_) {
    if (error >= 0) {
      error = sd_bus_message_append(made, "{oa{sa{sv}}}", object->path.c_str(), 1, kBusName, 1,
                                    "ConfigDesc", "s", object->handler.config_help.c_str());
    }
  }
  if (error >= 0) {
    error = sd_bus_message_close_container(made);
  }
  return error < 0 ? error : sd_bus_send(nullptr, made, nullptr);
}

}  // namespace tcmud::dbus
