// SPDX-License-Identifier: Apache-2.0
#include "kernel/configfs_directory.h"

#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>

#include "kernel/configfs.h"

namespace tcmud::kernel {

std::string ConfigfsDirectory::Held::path() const {
  return fmt::format("/proc/self/fd/{}", directory.get());
}

ConfigfsDirectory::ConfigfsDirectory(std::string path, DeviceName device, ConfigfsWatch& watch)
    : path_(std::move(path)), device_(std::move(device)), watch_(watch) {}

Result<std::unique_ptr<DeviceDirectory>> ConfigfsDirectory::open(const KernelPaths& paths,
                                                                 const DeviceName& device,
                                                                 ConfigfsWatch& watch) {
  std::unique_ptr<ConfigfsDirectory> opened(
      new ConfigfsDirectory(device_directory(paths, device), device, watch));
  for (Held* held : opened->held_) {
    const std::string path = fmt::format("{}/{}", opened->path_, held->name);
    held->directory.reset(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!held->directory.valid()) {
      return fail(errno, "{}: {}", path, std::strerror(errno));
    }
  }
  return opened;
}

Result<SmallFile> ConfigfsDirectory::find(std::string_view path) const {
  if (!is_path_of_names(path)) {
    return fail(EINVAL, "{}: '{}' is not the path of an attribute", device_.lun(), path);
  }
  std::string shown = fmt::format("{}/{}", path_, path);
  const size_t slash = path.find('/');
  for (const Held* held : held_) {
    if (slash != path.npos && path.substr(0, slash) == held->name) {
      return SmallFile(held->directory.get(), std::string(path.substr(slash + 1)),
                       std::move(shown));
    }
  }
  return SmallFile(std::move(shown));
}

Result<std::string> ConfigfsDirectory::read(std::string_view path) {
  return find(path).and_then(read_small_file);
}

Result<void> ConfigfsDirectory::write(std::string_view path, std::string_view value) {
  return find(path).and_then(
      [value](const SmallFile& file) { return write_small_file(file, value); });
}

Result<std::vector<std::string>> ConfigfsDirectory::list_port_groups() {
  return subdirectories(alua_.path());
}

Result<void> ConfigfsDirectory::watch(const std::shared_ptr<ChangeCount>& changes) {
  return watch_.watch({.wwn = wwn_.path(), .attrib = attrib_.path(), .alua = alua_.path()},
                      changes);
}

}  // namespace tcmud::kernel
