// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_port.h"

#include <charconv>

#include "kernel/fabric_tree.h"

namespace tcmud::kernel {

Result<std::vector<std::string>> DeviceDirectory::list_port_groups() {
  return std::vector<std::string>{};
}

Result<void> DeviceDirectory::watch(const std::shared_ptr<ChangeCount>&) {
  return fail(ENOTSUP, "changes aren't told");
}

Result<std::string> KernelPort::read_fabric_attribute(std::string_view path) {
  const auto tree = fabrics();
  return tree != nullptr ? tree->read(path) : fail(ENOENT, "{}: there are no fabrics", path);
}

std::shared_ptr<FabricTree> KernelPort::fabrics() {
  return nullptr;
}

Result<uint64_t> read_number(DeviceDirectory& directory, std::string_view path) {
  auto text = directory.read(path);
  if (!text) {
    return tl::unexpected(std::move(text.error()));
  }
  std::string_view digits = *text;
  int base = 10;
  if (digits.starts_with("0x")) {
    digits.remove_prefix(2);
    base = 16;
  }
  uint64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number, base);
  if (error != std::errc{} || stop != end) {
    return fail(EINVAL, "{}: {} is '{}', not a number from 0 to 2^64-1", directory.device().lun(),
                path, *text);
  }
  return number;
}

}  // namespace tcmud::kernel
