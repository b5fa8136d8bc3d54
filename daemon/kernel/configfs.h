// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kernel/kernel_port.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// <sysfs>/kernel/config/target/core/user_<hba>/<name>/<path>. EINVAL: the path would lead out of
// the device's directory.
Result<std::string> attribute_path(const KernelPaths& paths, const DeviceName& device,
                                   std::string_view path);

}  // namespace tcmud::kernel
