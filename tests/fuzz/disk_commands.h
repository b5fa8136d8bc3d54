// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fuzz/disk_model.h"
#include "fuzz/input.h"

namespace tcmud::test {

// A command as the fuzzer's bytes have it, and what is to happen to it.
struct FuzzedCommand {
  std::vector<uint8_t> cdb, data_out;
  size_t data_in_length = 0;
  bool ends_later = false;  // its requests end on other threads
  bool waits = false;       // its requests wait until others have tried their luck
  int failing = 0;          // which of its requests fails; 0: none
  uint8_t failure = 0;      // how
};

// Mostly a command that could be meant, so that what lies behind the checks is reached too.
[[nodiscard]] FuzzedCommand any_command(Input& in, const DiskModel& model);

// The parameter list of a command that has one, as an initiator would build it, for a LUN of so
// many blocks; and what of its CDB goes with it. False: the command isn't one of these.
[[nodiscard]] bool build_parameters(Input& in, const DiskModel& model, FuzzedCommand& command);

}  // namespace tcmud::test
