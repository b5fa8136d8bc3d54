// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "kernel/netlink.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// What a daemon does before it looks for devices: loads the module, stops the kernel from sending
// events, frees with EINTR whoever still waits for the answer of a daemon that is dead, joins the
// netlink family, demands replies, and lets events come again. On return the caller scans for
// devices; those that were enabled meanwhile are seen by the scan, by an event, or by both. Blocks
// shortly; the main thread.
//
// block_netlink and reset_netlink are absent from kernels before 4.18 and may be read-only in a
// container: then nobody is freed, which is logged, and all else works.
Result<std::unique_ptr<Netlink>> join_kernel(const KernelPaths& paths);

// The part between the module and the scan: runs `join` with the kernel's events blocked and the
// leftovers freed. Events are let through again whatever `join` says; that failing is an error,
// because then no LUN can be added any more.
Result<void> with_events_blocked(const KernelPaths& paths,
                                 const std::function<Result<void>()>& join);

// Frees with EINTR whoever waits for an answer to an event, which is right only for events that
// were lost. `only_lost` is asked while no new event can come: do those alone wait, because all
// others have been answered? If not, nobody is freed, and the result is false. Meanwhile who would
// cause an event gets EAGAIN. Blocks shortly.
//
// True without the parameters, too: nobody can be freed, so that there is nothing left to do.
Result<bool> free_waiters(const KernelPaths& paths, const std::function<bool()>& only_lost);

}  // namespace tcmud::kernel
