// SPDX-License-Identifier: Apache-2.0
// Hangs, as a handler of a dead cluster:
//
//   hang/                      in open, for good
//   hang/open;until=FILE       in open, until the file is there
//   hang/close;until=FILE      in close, until the file is there

#include <cstring>
#include <string>

#include <unistd.h>

#include <tcmud/handler.h>

namespace {

struct Disk {
  const tcmud_host* host;
  tcmud_device* device;
  uint64_t size;
  std::string until;
  bool close_hangs;
};

// "" is never there.
void wait_for(const std::string& file) {
  while (::access(file.c_str(), F_OK) != 0) {
    ::usleep(1000);
  }
}

int32_t open_disk(const tcmud_open_args* args, void** handle, char*, size_t) {
  auto* disk = new Disk{args->host, args->device, args->lun_size, {}, false};
  for (size_t i = 0; i < args->config.noptions; ++i) {
    if (std::strcmp(args->config.options[i].key, "until") == 0) {
      disk->until = args->config.options[i].value;
    }
  }
  disk->close_hangs = std::strcmp(args->config.path, "close") == 0;
  if (!disk->close_hangs) {
    args->host->log(args->device, 3, "hanging in open");
    wait_for(disk->until);
  }
  *handle = disk;
  return 0;
}

void close_disk(void* handle) {
  auto* disk = static_cast<Disk*>(handle);
  if (disk->close_hangs) {
    disk->host->backend_state(disk->device, TCMUD_BACKEND_SLOW, "the cluster gives no answer");
    disk->host->log(disk->device, 3, "hanging in close");
    wait_for(disk->until);
  }
  delete disk;
}

const tcmud_handler kHandler = [] {
  tcmud_handler handler{};
  handler.size = sizeof handler;
  handler.abi = TCMUD_ABI;
  handler.subtype = "hang";
  handler.description = "hangs";
  handler.config_help = "open or close;until=FILE";
  handler.open = open_disk;
  handler.get_props = [](void* handle, tcmud_props* props) {
    props->lun_size = static_cast<Disk*>(handle)->size;
  };
  handler.submit = [](void*, tcmud_request*) -> int32_t { return TCMUD_INTERNAL; };
  handler.close = close_disk;
  return handler;
}();

}  // namespace

TCMUD_REGISTER_HANDLER(kHandler);
