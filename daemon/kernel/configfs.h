// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kernel/kernel_port.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// Is each component of "a/b/c" a name, so that the path leads nowhere but down?
bool is_path_of_names(std::string_view path);

// <sysfs>/kernel/config/target/<path>, for attributes of fabrics. EINVAL: the path would lead out
// of there.
Result<std::string> fabric_path(const KernelPaths& paths, std::string_view path);

// <sysfs>/kernel/config/target/core/user_<hba>/<name>
std::string device_directory(const KernelPaths& paths, const DeviceName& device);

// Names of the directories in a directory, in no order.
Result<std::vector<std::string>> subdirectories(const std::string& path);

}  // namespace tcmud::kernel
