// SPDX-License-Identifier: Apache-2.0
#include "control/kernel_link.h"

#include "kernel/startup.h"

namespace tcmud::control {
namespace {

class NetlinkStream final : public EventStream {
 public:
  explicit NetlinkStream(std::unique_ptr<kernel::Netlink> netlink) : netlink_(std::move(netlink)) {}
  [[nodiscard]] int fd() const override { return netlink_->fd(); }
  Result<kernel::Netlink::Dispatched> dispatch(const kernel::EventHandler& handler) override {
    return netlink_->dispatch(handler);
  }
  kernel::Reply reply_to_lost_added(uint32_t device_id) override {
    return netlink_->reply_to_lost_added(device_id);
  }

 private:
  std::unique_ptr<kernel::Netlink> netlink_;
};

}  // namespace

KernelLink link_to(kernel::KernelPort& kernel) {
  return {
      kernel,
      []() -> Result<std::unique_ptr<EventStream>> {
        auto netlink = kernel::join_kernel({});
        if (!netlink) {
          return tl::unexpected(std::move(netlink.error()));
        }
        return std::make_unique<NetlinkStream>(std::move(*netlink));
      },
      [](const std::function<bool()>& only_lost) { return kernel::free_waiters({}, only_lost); }};
}

}  // namespace tcmud::control
