// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/inherited_node.h"
#include "kernel/kernel_port.h"
#include "support/attributes.h"

namespace tcmud::bench {

// The kernel as a subject sees it whose UIO nodes were opened by the bench: node i has minor i and
// is user_0/lun<i>.
class InheritedKernel final : public kernel::KernelPort {
 public:
  InheritedKernel(std::vector<InheritedNode> nodes, std::string dev_config, uint64_t lun_bytes);

  Result<std::vector<kernel::FoundDevice>> scan() override;
  // Each node once.
  Result<kernel::UioPort> open_uio(uint32_t minor) override;
  // What is written there is accepted and forgotten.
  Result<std::unique_ptr<kernel::DeviceDirectory>> open_directory(
      const kernel::DeviceName& device) override;

 private:
  std::vector<InheritedNode> nodes_;
  std::string dev_config_;
  test::AttributeMap attributes_;  // of every device
};

}  // namespace tcmud::bench
