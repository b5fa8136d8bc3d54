// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include <tcmud/handler.h>

// What the host knows behind the opaque pointer that handlers give back.
struct tcmud_device {
  std::string name;                             // "<hba>/<name>" for the log
  std::function<void(tcmud_event)> event_sink;  // any thread
};

namespace tcmud::plugin {

class Registry;

// The table given to every handler.
[[nodiscard]] const tcmud_host& host_services();

// While one lives, find_handler() on this thread searches `registry`: handlers may ask during open
// and check_config only.
class HandlerLookup {
 public:
  explicit HandlerLookup(const Registry& registry);
  ~HandlerLookup();
  HandlerLookup(const HandlerLookup&) = delete;
  HandlerLookup& operator=(const HandlerLookup&) = delete;
};

}  // namespace tcmud::plugin
