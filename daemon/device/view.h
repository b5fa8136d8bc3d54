// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <tcmud/handler.h>

#include "scsi/lun.h"

namespace tcmud::device {

// A LUN as the loop sees it; replaced as a whole when something changes.
struct View {
  std::shared_ptr<const scsi::Lun> lun;  // what initiators are told
  tcmud_props props{};                   // what the handler can do
  // The write cache that the backend has is switched off, by the administrator or by MODE SELECT:
  // every write is durable when it is answered.
  bool write_through = false;

  // FLUSH does something.
  [[nodiscard]] bool flushes() const { return props.flush == TCMUD_NATIVE; }
};

}  // namespace tcmud::device
