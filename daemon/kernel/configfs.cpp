// SPDX-License-Identifier: Apache-2.0
#include "kernel/configfs.h"

#include <fmt/format.h>

namespace tcmud::kernel {

Result<std::string> attribute_path(const KernelPaths& paths, const DeviceName& device,
                                   std::string_view path) {
  // Each component of "a/b/c" must be a name.
  std::string_view rest = path;
  while (true) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != part.npos) {
      return fail(EINVAL, "{}: '{}' is not the path of an attribute", device.lun(), path);
    }
    if (slash == rest.npos) {
      break;
    }
    rest.remove_prefix(slash + 1);
  }
  return fmt::format("{}/kernel/config/target/core/{}/{}", paths.sysfs, device.lun(), path);
}

}  // namespace tcmud::kernel
