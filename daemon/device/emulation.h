// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "device/scratch_pool.h"
#include "device/slab.h"
#include "device/view.h"

namespace tcmud::device {

// The commands for which the medium has to be read without the initiator asking for the data, and
// GET LBA STATUS, composed of what handlers have:
//
//   COMPARE AND WRITE   READ and compare, piece after piece; WRITE
//   ORWRITE             READ and OR into the data, piece after piece; WRITE
//   VERIFY              FLUSH; READ (and compare), piece after piece
//   WRITE AND VERIFY    WRITE; FLUSH; READ and compare, piece after piece
//   PRE-FETCH           READ, piece after piece, up to a limit
//   GET LBA STATUS      LBA_STATUS
//
// What is written is written by one request of the handler, behind everything that may fail before
// it: a READ that fails, or a difference, leaves the medium as it was. Each step is one request;
// between steps a command keeps no scratch buffer that another one waits for. It is the caller who
// keeps other commands off the blocks.
//
// Runs on the holder of the loop role and nowhere else.
class Emulation {
 public:
  enum class Step : uint8_t {
    kSubmit,  // slot.request is the next one
    kWait,    // for scratch memory; then go_on()
    kFailed,  // slot.status and slot.info say how
    kDone,    // slot.answer_length bytes of data-in are there
  };

  explicit Emulation(ScratchPool& scratch) : scratch_(scratch) {}

  // Is there something to compose, or has the handler all that it takes?
  [[nodiscard]] static bool wanted(const scsi::BlockRequest& block, const View& view);

  // slot.block is the command; the fields of slot.request that stay the same are set.
  [[nodiscard]] Step begin(Slot& slot, const View& view);
  // The slot has its scratch buffer.
  [[nodiscard]] Step go_on(Slot& slot, const View& view);
  // The slot's request ended well.
  [[nodiscard]] Step resume(Slot& slot, const View& view);
  // The command ends here, whatever the reason.
  void end(Slot& slot) {
    if (slot.scratch != nullptr) {
      scratch_.give_back(slot);
    }
  }

 private:
  Step read_next(Slot& slot, const View& view);
  Step consume(Slot& slot, const View& view);
  Step write(Slot& slot, const View& view, Progress::Stage stage);
  Step after_write(Slot& slot, const View& view);
  Step ask_status(Slot& slot, const View& view);
  Step tell_status(Slot& slot, const View& view);

  ScratchPool& scratch_;
};

}  // namespace tcmud::device
