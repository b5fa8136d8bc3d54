// SPDX-License-Identifier: Apache-2.0
#include "plugin/host_services.h"

#include <algorithm>

#include "base/log.h"
#include "plugin/registry.h"
#include "plugin/request.h"

namespace tcmud::plugin {

namespace {

thread_local const Registry* lookup_registry = nullptr;

void complete(tcmud_request* c, int32_t status, uint64_t info) {
  Request& request = Request::from(*c);
  // Read before the request is given up: after completed() it may serve another command already.
  CompletionSink& sink = *request.sink;
  if (request.accept_completion()) {
    sink.completed(request, status, info);
  } else {
    sink.stray_completion(request, status);
  }
}

void log_line(tcmud_device* device, int32_t level, const char* message) {
  const int bounded = std::clamp(level, static_cast<int32_t>(TCMUD_LOG_CRITICAL),
                                 static_cast<int32_t>(TCMUD_LOG_DEBUG));
  log::at(static_cast<log::Level>(bounded), device == nullptr ? std::string_view() : device->name,
          "{}", message);
}

void event(tcmud_device* device, int32_t what) {
  if (device != nullptr && device->event_sink) {
    device->event_sink(static_cast<tcmud_event>(what));
  }
}

const tcmud_handler* find_handler(const char* subtype) {
  return lookup_registry == nullptr ? nullptr : lookup_registry->find(subtype);
}

constexpr tcmud_host kHost = {
    .size = sizeof(tcmud_host),
    .abi = TCMUD_ABI,
    .complete = complete,
    .log = log_line,
    .event = event,
    .find_handler = find_handler,
};

}  // namespace

const tcmud_host& host_services() {
  return kHost;
}

HandlerLookup::HandlerLookup(const Registry& registry) {
  lookup_registry = &registry;
}

HandlerLookup::~HandlerLookup() {
  lookup_registry = nullptr;
}

}  // namespace tcmud::plugin
