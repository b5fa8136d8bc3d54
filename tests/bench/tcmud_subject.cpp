// SPDX-License-Identifier: Apache-2.0
// tcmud's own LUNs as a subject of the bench: tcmud_subject <handler directory> <dev_config>
// <bytes> <nodes> The daemon without what surrounds its devices: no netlink, no D-Bus, no
// configuration file.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <fmt/core.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "bench/inherited_kernel.h"
#include "bench/inherited_node.h"
#include "device/device.h"
#include "plugin/registry.h"

int main(int argc, char** argv) {
  const auto nodes =
      argc == 5 ? tcmud::bench::parse_nodes(argv[4]) : std::vector<tcmud::bench::InheritedNode>{};
  if (nodes.empty()) {
    fmt::print(stderr, "usage: {} HANDLER_DIRECTORY DEV_CONFIG BYTES NODES\n", argv[0]);
    return 2;
  }
  // The bench ends at once when it finds an answer wrong, and leaves nobody to end us.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // Before any thread: they inherit the mask, and the signal waits for sigwait below.
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  sigprocmask(SIG_BLOCK, &end, nullptr);
  std::signal(SIGPIPE, SIG_IGN);

  tcmud::log::set_level(tcmud::log::Level::kWarning);
  tcmud::plugin::Registry registry;
  if (const auto loaded = registry.load_directory(argv[1]); !loaded) {
    fmt::print(stderr, "{}\n", loaded.error().message);
    return 1;
  }
  tcmud::bench::InheritedKernel kernel(nodes, argv[2], std::strtoull(argv[3], nullptr, 10));
  std::vector<std::unique_ptr<tcmud::device::Device>> devices;
  const auto all = kernel.scan();
  for (const auto& found : *all) {
    devices.push_back(std::make_unique<tcmud::device::Device>(
        kernel, registry, tcmud::device::Settings{}, found.device, found.minor, nullptr));
    devices.back()->add(tcmud::kernel::Reply([](int status) {
      if (status != 0) {
        std::_Exit(1);
      }
    }));
  }
  int signal = 0;
  sigwait(&end, &signal);
  for (const auto& device : devices) {
    device->shut_down(std::chrono::steady_clock::now() + std::chrono::seconds(1));
  }
  return 0;
}
