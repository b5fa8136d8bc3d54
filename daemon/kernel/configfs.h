// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/kernel_port.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// <sysfs>/kernel/config/target/core/user_<hba>/<name>/<path>. EINVAL: the path would lead out of
// the device's directory.
Result<std::string> attribute_path(const KernelPaths& paths, const DeviceName& device,
                                   std::string_view path);

// <sysfs>/kernel/config/target/<path>, for attributes of fabrics. EINVAL as above.
Result<std::string> fabric_path(const KernelPaths& paths, std::string_view path);

// <sysfs>/kernel/config/target/core/user_<hba>/<name>
std::string device_directory(const KernelPaths& paths, const DeviceName& device);

// Names of the directories in a directory, in no order.
Result<std::vector<std::string>> subdirectories(const std::string& path);

}  // namespace tcmud::kernel
