// SPDX-License-Identifier: Apache-2.0
// hang/: never comes back from open, as a handler of a dead cluster.

#include <unistd.h>

#include <tcmud/handler.h>

namespace {

int32_t open_and_hang(const tcmud_open_args* args, void**, char*, size_t) {
  args->host->log(args->device, 3, "hanging in open");
  for (;;) {
    ::pause();
  }
}

const tcmud_handler kHandler = [] {
  tcmud_handler handler{};
  handler.size = sizeof handler;
  handler.abi = TCMUD_ABI;
  handler.subtype = "hang";
  handler.description = "hangs";
  handler.config_help = "nothing";
  handler.open = open_and_hang;
  handler.get_props = [](void*, tcmud_props*) {};
  handler.submit = [](void*, tcmud_request*) -> int32_t { return TCMUD_INTERNAL; };
  handler.close = [](void*) {};
  return handler;
}();

}  // namespace

TCMUD_REGISTER_HANDLER(kHandler);
