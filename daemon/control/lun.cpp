// SPDX-License-Identifier: Apache-2.0
#include "control/lun.h"

namespace tcmud::control {
namespace {

class DeviceLun final : public Lun {
 public:
  DeviceLun(kernel::KernelPort& kernel, const plugin::Registry& registry,
            const device::Settings& settings, const kernel::DeviceName& name, uint32_t minor,
            device::Device::StatusChanged status_changed)
      : device_(kernel, registry, settings, name, minor, std::move(status_changed)) {}

  void add(kernel::Reply reply) override { device_.add(std::move(reply)); }
  void adopt() override { device_.adopt(); }
  void reconfigure(kernel::Change change, kernel::Reply reply) override {
    device_.reconfigure(std::move(change), std::move(reply));
  }
  void remove(kernel::Reply reply) override { device_.remove(std::move(reply)); }
  void shut_down(std::chrono::steady_clock::time_point deadline) override {
    device_.shut_down(deadline);
  }
  [[nodiscard]] device::LunStatus status() override { return device_.status(); }

 private:
  device::Device device_;
};

}  // namespace

LunFactory make_lun_factory(kernel::KernelPort& kernel, const plugin::Registry& registry,
                            const device::Settings& settings) {
  return [&kernel, &registry, &settings](const kernel::DeviceName& name, uint32_t minor,
                                         device::Device::StatusChanged status_changed) {
    return std::make_unique<DeviceLun>(kernel, registry, settings, name, minor,
                                       std::move(status_changed));
  };
}

}  // namespace tcmud::control
