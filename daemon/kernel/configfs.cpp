// SPDX-License-Identifier: Apache-2.0
#include "kernel/configfs.h"

#include <cstring>
#include <memory>

#include <dirent.h>
#include <fmt/format.h>

namespace tcmud::kernel {

// Is each component of "a/b/c" a name?
bool is_path_of_names(std::string_view path) {
  while (true) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != part.npos) {
      return false;
    }
    if (slash == path.npos) {
      return true;
    }
    path.remove_prefix(slash + 1);
  }
}

Result<std::string> fabric_path(const KernelPaths& paths, std::string_view path) {
  if (!is_path_of_names(path)) {
    return fail(EINVAL, "'{}' is not the path of a fabric's attribute", path);
  }
  return fmt::format("{}/{}", paths.target(), path);
}

std::string device_directory(const KernelPaths& paths, const DeviceName& device) {
  return fmt::format("{}/core/{}", paths.target(), device.lun());
}

Result<std::vector<std::string>> subdirectories(const std::string& path) {
  const std::unique_ptr<DIR, decltype([](DIR* d) { ::closedir(d); })> listing(
      ::opendir(path.c_str()));
  if (!listing) {
    return fail(errno, "{}: {}", path, std::strerror(errno));
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") {
      names.emplace_back(name);
    }
  }
  return names;
}

}  // namespace tcmud::kernel
