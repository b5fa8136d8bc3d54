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
  if (device != nullptr) {
    device->news->event(static_cast<tcmud_event>(what));
  }
}

void backend_state(tcmud_device* device, int32_t state, const char* why) {
  const bool known = state >= TCMUD_BACKEND_UP && state <= TCMUD_BACKEND_GONE;
  if (device != nullptr && known) {
    device->news->backend_state(static_cast<tcmud_backend_state>(state), why != nullptr ? why : "");
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
    .backend_state = backend_state,
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
