// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

inline constexpr std::string_view kModule = "target_core_user";

// Makes sure that target_core_user is there (and uio, on which it depends): built in, loaded
// already, or loaded now. In a container without a module index it must have been loaded by the
// host. `modules` is where depmod's index is; nullptr: /lib/modules/$(uname -r).
Result<void> ensure_module(const KernelPaths& paths, const char* modules = nullptr);

// Sets a parameter of target_core_user, below <sysfs>/module. ENOENT: this kernel doesn't have it.
Result<void> write_module_parameter(const KernelPaths& paths, std::string_view name,
                                    std::string_view value);

}  // namespace tcmud::kernel
