// SPDX-License-Identifier: Apache-2.0
#include "kernel/uio.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

namespace tcmud::kernel {
namespace {

constexpr std::string_view kNamePrefix = "tcm-user/";
constexpr std::string_view kNodePrefix = "uio";

// Takes what stands before the first '/' off `text`, and the '/'.
std::string_view split(std::string_view& text) {
  const size_t slash = text.find('/');
  const std::string_view head = text.substr(0, slash);
  text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
  return head;
}

std::optional<uint32_t> parse_u32(std::string_view digits) {
  uint32_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc{} || stop != end) {
    return std::nullopt;
  }
  return number;
}

std::string class_directory(const KernelPaths& paths) {
  return paths.sysfs + "/class/uio";
}

// The size of the device's one map, in bytes. sysfs prints "0x%016x".
Result<uint64_t> map_size(const std::string& directory) {
  const std::string path = directory + "/maps/map0/size";
  auto text = read_small_file(path);
  if (!text) {
    return tl::unexpected(std::move(text.error()));
  }
  errno = 0;
  char* end = nullptr;
  const uint64_t size = std::strtoull(text->c_str(), &end, 0);
  if (text->empty() || *end != '\0' || errno != 0 || size == 0 || size > PTRDIFF_MAX) {
    return fail(EPROTO, "{}: '{}' is not the size of a map", path, *text);
  }
  return size;
}

}  // namespace

Result<std::string> read_small_file(const SmallFile& name) {
  Fd file(::openat(name.directory, name.path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) {
    return fail(errno, "{}: {}", name.shown, std::strerror(errno));
  }
  // No attribute is longer than a page.
  std::string text(65536, '\0');
  size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(errno, "{}: {}", name.shown, std::strerror(errno));
    }
    if (got == 0) {
      break;
    }
    length += static_cast<size_t>(got);
  }
  while (length > 0 && std::strchr(" \t\r\n", text[length - 1]) != nullptr) {
    --length;  // strchr finds the NUL too
  }
  text.resize(length);
  return text;
}

Result<void> write_small_file(const SmallFile& name, std::string_view value) {
  Fd file(::openat(name.directory, name.path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) {
    return fail(errno, "{}: {}", name.shown, std::strerror(errno));
  }
  ssize_t put = 0;
  do {
    put = ::write(file.get(), value.data(), value.size());
  } while (put < 0 && errno == EINTR);
  if (put < 0) {
    return fail(errno, "{}: the kernel refuses '{}': {}", name.shown, value, std::strerror(errno));
  }
  if (static_cast<size_t>(put) != value.size()) {
    return fail(EIO, "{}: the kernel took {} of the {} bytes of '{}'", name.shown, put,
                value.size(), value);
  }
  return {};
}

std::optional<DeviceName> parse_uio_name(std::string_view uio_name) {
  // name_show ends the line; a dev_config that was set with echo brings a newline of its own.
  while (uio_name.ends_with('\n')) {
    uio_name.remove_suffix(1);
  }
  if (!uio_name.starts_with(kNamePrefix)) {
    return std::nullopt;
  }
  uio_name.remove_prefix(kNamePrefix.size());
  const auto hba = parse_u32(split(uio_name));
  const std::string_view name = split(uio_name);
  // The name becomes a path in configfs.
  if (!hba || name.empty() || name == "." || name == "..") {
    return std::nullopt;
  }
  DeviceName device;
  device.hba = *hba;
  device.name = name;
  device.subtype = split(uio_name);
  device.config = uio_name;
  return device;
}

Result<std::vector<FoundDevice>> scan_uio(const KernelPaths& paths) {
  const std::string directory = class_directory(paths);
  const std::unique_ptr<DIR, decltype([](DIR* d) { ::closedir(d); })> listing(
      ::opendir(directory.c_str()));
  std::vector<FoundDevice> found;
  if (!listing) {
    if (errno == ENOENT) {
      return found;
    }
    return fail(errno, "{}: {}", directory, std::strerror(errno));
  }
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr) {
      if (errno != 0) {
        return fail(errno, "{}: {}", directory, std::strerror(errno));
      }
      break;
    }
    const std::string_view node = entry->d_name;
    if (!node.starts_with(kNodePrefix)) {
      continue;
    }
    const auto minor = parse_u32(node.substr(kNodePrefix.size()));
    if (!minor) {
      continue;
    }
    // A device may vanish while we look.
    const auto name = read_small_file(fmt::format("{}/{}/name", directory, node));
    if (auto device = name ? parse_uio_name(*name) : std::nullopt) {
      found.push_back({std::move(*device), *minor});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const FoundDevice& a, const FoundDevice& b) { return a.minor < b.minor; });
  return found;
}

Result<UioPort> open_uio_node(const KernelPaths& paths, uint32_t minor) {
  const std::string directory = fmt::format("{}/uio{}", class_directory(paths), minor);
  const std::string node = fmt::format("{}/uio{}", paths.dev, minor);
  // Minors are reused at once: another driver's device may have it by now.
  const auto name = read_small_file(directory + "/name");
  if (!name) {
    return fail(ENODEV, "{} is gone ({})", node, name.error().message);
  }
  if (!parse_uio_name(*name)) {
    return fail(ENODEV, "{} is '{}', not a TCMU device", node, *name);
  }
  const auto size = map_size(directory);
  if (!size) {
    return tl::unexpected(size.error());
  }

  UioPort port;
  port.event_fd.reset(::open(node.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!port.event_fd.valid()) {
    if (errno == EBUSY) {
      return fail(
          EBUSY,
          "{} ({}) is open in another process; find it with 'fuser -v {}' and stop it, only one "
          "daemon can serve a device",
          node, *name, node);
    }
    return fail(errno, "{} ({}): {}", node, *name, std::strerror(errno));
  }
  void* base = ::mmap(nullptr, *size, PROT_READ | PROT_WRITE, MAP_SHARED, port.event_fd.get(), 0);
  if (base == MAP_FAILED) {
    return fail(errno, "{} ({}): can't map its {} bytes: {}", node, *name, *size,
                std::strerror(errno));
  }
  port.map = Mapping(base, *size);
  return port;
}

}  // namespace tcmud::kernel
