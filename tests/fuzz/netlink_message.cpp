// SPDX-License-Identifier: Apache-2.0
// Any bytes as a datagram of the netlink family: no access outside it, and never more answers than
// messages.
#include <cstdlib>
#include <vector>

#include "base/log.h"
#include "kernel/netlink.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tcmud::log::set_level(tcmud::log::Level::kCritical);
  std::vector<std::byte> datagram(size);  // with redzones of its own
  for (size_t i = 0; i < size; ++i) {
    datagram[i] = std::byte{data[i]};
  }
  size_t events = 0;
  size_t answers = 0;
  {
    std::vector<tcmud::kernel::Event> kept;
    tcmud::kernel::dispatch_datagram(
        datagram, 33, [&](uint8_t, uint32_t, int status) { answers += status <= 0 ? 1 : 1000000; },
        [&](tcmud::kernel::Event&& event) {
          if (event.device.name.empty() || event.device.name == "..") {
            std::abort();
          }
          ++events;
          kept.push_back(std::move(event));
        });
  }
  if (answers < events || answers > size / 16) {
    std::abort();
  }
  return 0;
}
