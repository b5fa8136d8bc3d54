// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
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
  Result<std::string> read_attribute(const kernel::DeviceName& device,
                                     std::string_view path) override;
  // Accepted and forgotten.
  Result<void> write_attribute(const kernel::DeviceName& device, std::string_view path,
                               std::string_view value) override;

 private:
  std::vector<InheritedNode> nodes_;
  std::string dev_config_;
  test::AttributeMap attributes_;  // of every device
};

}  // namespace tcmud::bench
