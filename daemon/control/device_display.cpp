// SPDX-License-Identifier: Apache-2.0
#include "control/device_display.h"

namespace tcmud::control {

void DeviceDisplay::show(uint64_t id, const kernel::DeviceName& name,
                         const device::LunStatus& status) {
  dbus::DeviceStatus shown{
      .name = name.lun(),
      .handler = name.subtype,
      .config = name.config,
      .size = status.size,
      .block_size = status.block_size,
      .state = to_string(status.state),
      .state_since = status.state_since,
      .state_reason = status.state_reason,
      .task = status.task,
      .retry_at = status.retry_at,
      .backend_state = to_string(status.backend),
      .backend_since = status.backend_since,
      .backend_reason = status.backend_reason,
      .lock_state = "none",
  };
  if (status.lock) {
    shown.lock_state = device::to_string(status.lock->state);
    shown.lock_since = status.lock->since;
    shown.lock_holder = status.lock->holder;
    shown.lock_group = status.lock->group;
    shown.lock_acquired = status.lock->acquired;
    shown.lock_lost = status.lock->lost;
  }
  objects_.show(id, name.hba, name.name, std::move(shown));
}

}  // namespace tcmud::control
