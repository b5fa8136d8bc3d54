// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tcmud/handler.h>

namespace tcmud::plugin {

// What a handler tells by itself about its LUN. Any thread.
class HandlerNews {
 public:
  virtual void event(tcmud_event what) = 0;
  virtual void backend_state(tcmud_backend_state state, const char* why) = 0;

 protected:
  ~HandlerNews() = default;
};

}  // namespace tcmud::plugin

// What the host knows behind the opaque pointer that handlers give back.
struct tcmud_device {
  std::string name;  // "<hba>/<name>" for the log
  tcmud::plugin::HandlerNews* news = nullptr;
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
