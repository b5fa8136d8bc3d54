// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "device/internal_command.h"
#include "kernel/ring.h"
#include "scsi/execute.h"

namespace tcmud::device {

// CHECK CONDITION or any other status without data.
[[nodiscard]] kernel::Completion make_completion(scsi::Status status, const scsi::Sense& sense);

// What a handler's final status (enum tcmud_status, anything but TCMUD_OK) is to the initiator.
// `info` as the status defines it. A status that is none is INTERNAL.
[[nodiscard]] Verdict verdict_of_status(int32_t status, uint64_t info, uint32_t block_size);
[[nodiscard]] inline kernel::Completion completion_of_status(int32_t status, uint64_t info,
                                                             uint32_t block_size) {
  const Verdict verdict = verdict_of_status(status, info, block_size);
  return make_completion(verdict.status, verdict.sense);
}

}  // namespace tcmud::device
