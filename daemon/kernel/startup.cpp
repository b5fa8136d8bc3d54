// SPDX-License-Identifier: Apache-2.0
#include "kernel/startup.h"

#include "base/log.h"
#include "kernel/module.h"

namespace tcmud::kernel {
namespace {

// Says what a failure to set one of the two parameters means; true if it was set.
bool set_or_log(const KernelPaths& paths, std::string_view parameter) {
  const auto set = write_module_parameter(paths, parameter, "1");
  if (set) {
    return true;
  }
  if (set.error().code == ENOENT) {
    log::info(
        "",
        "this kernel has no {}: whoever waits for the answer of a daemon that died keeps waiting",
        parameter);
  } else {
    log::warning("", "{}; whoever waits for the answer of a daemon that died keeps waiting",
                 set.error().message);
  }
  return false;
}

Result<void> unblock(const KernelPaths& paths) {
  return write_module_parameter(paths, "block_netlink", "0").map_error([](Error error) {
    error.message = "can't let the kernel's events through again: " + error.message;
    return error;
  });
}

}  // namespace

Result<void> with_events_blocked(const KernelPaths& paths,
                                 const std::function<Result<void>()>& join) {
  // The kernel allows the reset only while blocked, so that no new waiter slips in and is freed
  // too.
  const bool blocked = set_or_log(paths, "block_netlink");
  if (blocked) {
    set_or_log(paths, "reset_netlink");
  }
  auto joined = join();
  if (blocked) {
    if (auto unblocked = unblock(paths); !unblocked) {
      return unblocked;
    }
  }
  return joined;
}

Result<bool> free_waiters(const KernelPaths& paths, const std::function<bool()>& only_lost) {
  if (!set_or_log(paths, "block_netlink")) {
    return true;
  }
  const bool free = only_lost();
  if (free) {
    set_or_log(paths, "reset_netlink");
  }
  return unblock(paths).map([free] { return free; });
}

Result<std::unique_ptr<Netlink>> join_kernel(const KernelPaths& paths) {
  if (auto there = ensure_module(paths); !there) {
    return tl::unexpected(std::move(there.error()));
  }
  std::unique_ptr<Netlink> netlink;
  const auto joined = with_events_blocked(paths, [&netlink]() -> Result<void> {
    auto opened = Netlink::open();
    if (!opened) {
      return tl::unexpected(std::move(opened.error()));
    }
    netlink = std::move(*opened);
    return netlink->demand_replies();
  });
  if (!joined) {
    return tl::unexpected(joined.error());
  }
  return netlink;
}

}  // namespace tcmud::kernel
