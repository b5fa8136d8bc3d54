// SPDX-License-Identifier: Apache-2.0
#include "bench/inherited_kernel.h"

#include <utility>

#include <fmt/core.h>

#include "support/fake_device.h"
#include "support/shared_region.h"

namespace tcmud::bench {
namespace {

class Directory final : public kernel::DeviceDirectory {
 public:
  Directory(kernel::DeviceName device, const test::AttributeMap& attributes)
      : device_(std::move(device)), attributes_(attributes) {}
  [[nodiscard]] const kernel::DeviceName& device() const override { return device_; }
  Result<std::string> read(std::string_view path) override {
    const auto found = attributes_.find(path);
    if (found == attributes_.end()) {
      return fail(ENOENT, "{}/{}: no such attribute", device_.lun(), path);
    }
    return found->second;
  }
  Result<void> write(std::string_view, std::string_view) override { return {}; }

 private:
  const kernel::DeviceName device_;
  const test::AttributeMap& attributes_;
};

}  // namespace

InheritedKernel::InheritedKernel(std::vector<InheritedNode> nodes, std::string dev_config,
                                 uint64_t lun_bytes)
    : nodes_(std::move(nodes)), dev_config_(std::move(dev_config)) {
  test::DeviceSpec spec;
  spec.dev_config = dev_config_;
  spec.bytes = lun_bytes;
  attributes_ = test::initial_attributes(spec);
}

Result<std::vector<kernel::FoundDevice>> InheritedKernel::scan() {
  std::vector<kernel::FoundDevice> found;
  for (uint32_t minor = 0; minor < nodes_.size(); ++minor) {
    const std::string config = for_node(dev_config_, minor);
    const size_t slash = config.find('/');
    found.push_back({{0, fmt::format("lun{}", minor), config.substr(0, slash),
                      slash == std::string::npos ? "" : config.substr(slash + 1)},
                     minor});
  }
  return found;
}

Result<kernel::UioPort> InheritedKernel::open_uio(uint32_t minor) {
  if (minor >= nodes_.size() || nodes_[minor].map_fd < 0) {
    return fail(EBUSY, "node {} is not there or was opened before", minor);
  }
  const InheritedNode node = std::exchange(nodes_[minor], {});
  const Fd memory(node.map_fd);
  return kernel::UioPort{Fd(node.event_fd), Fd(node.kick_fd),
                         test::map_shared(memory.get(), node.map_bytes)};
}

Result<std::unique_ptr<kernel::DeviceDirectory>> InheritedKernel::open_directory(
    const kernel::DeviceName& device) {
  return std::make_unique<Directory>(device, attributes_);
}

}  // namespace tcmud::bench
