// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <tcmud/handler.h>

#include "base/clock.h"
#include "scsi/lun.h"

namespace tcmud::device {

// A LUN as the loop sees it; replaced as a whole when something changes.
struct View {
  std::shared_ptr<const scsi::Lun> lun;  // what initiators are told
  tcmud_props props{};                   // what the handler can do
  // The write cache that the backend has is switched off, by the administrator or by MODE SELECT:
  // every write is durable when it is answered.
  bool write_through = false;

  // What of it comes from configfs (serial number, target port groups) was read when there had been
  // `known_changes`, and holds until there are more, or until a time (CLOCK_MONOTONIC, ns) where
  // changes aren't told. nullptr: it holds for ever.
  std::shared_ptr<const std::atomic<uint64_t>> changes{};
  uint64_t known_changes = 0;
  uint64_t known_until = UINT64_MAX;

  [[nodiscard]] bool expired() const {
    return known_until != UINT64_MAX && monotonic_ns() > known_until;
  }
  // FLUSH does something.
  [[nodiscard]] bool flushes() const { return props.flush == TCMUD_NATIVE; }
};

}  // namespace tcmud::device
