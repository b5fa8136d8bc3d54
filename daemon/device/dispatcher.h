// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "device/slab.h"
#include "kernel/ring.h"
#include "plugin/backend.h"
#include "scsi/execute.h"
#include "scsi/lun.h"

namespace tcmud::device {

// A LUN as the loop sees it; replaced as a whole when something changes.
struct View {
  std::shared_ptr<const scsi::Lun> lun;  // what initiators are told
  tcmud_props props{};                   // what the handler can do
  // The administrator switched the write cache off that the backend has: every write is durable
  // when it is answered.
  bool write_through = false;
};

// Turns one command of the ring into an answer or into requests to the handler, and the handler's
// statuses into answers.
//
// Runs on the holder of the loop role and nowhere else. It knows neither threads nor kicks: it is
// told of a command (start) and of the end of a request (resume), and says what is to be done next.
// What a handler can't do it composes of other requests: FUA of WRITE and FLUSH, WRITE SAME of
// WRITE_ZEROES or of WRITEs whose iovecs all point at the one block, long UNMAP lists of several.
class Dispatcher {
 public:
  enum class Next : uint8_t {
    kAnswered,  // `completion()` is the answer; the slot is free to be given back once it is sent
    kSubmit,    // slot.request is to be submitted
    kIdentity,  // an INQUIRY, to be started again when the LUN's identity is fresh
  };

  Dispatcher(View view, Slab& slab, bool has_read_length)
      : view_(std::move(view)), slab_(slab), has_read_length_(has_read_length) {}

  void set_view(View view) { view_ = std::move(view); }
  [[nodiscard]] const View& view() const { return view_; }
  void raise_capacity_changed() { capacity_changed_ = true; }
  // Until when (CLOCK_MONOTONIC, ns) the identity that was read from configfs counts as fresh; an
  // INQUIRY behind that says kIdentity. rtslib writes the serial number only after it enabled the
  // LUN, so it can't be read once for ever.
  void set_identity_fresh_until(uint64_t ns) { identity_fresh_until_ = ns; }

  // A command that the ring gave; data buffer and CDB are in the slot.
  [[nodiscard]] Next start(Slot& slot);
  // The slot's request ended with slot.status (and slot.info).
  [[nodiscard]] Next resume(Slot& slot);
  [[nodiscard]] const kernel::Completion& completion() const { return completion_; }

 private:
  Next reply(Slot& slot, const scsi::Outcome& outcome);
  Next answer_good(Slot& slot, uint64_t data_in);
  Next not_there();
  Next begin(Slot& slot, const scsi::BlockRequest& block);
  Next begin_write_same(Slot& slot, const scsi::BlockRequest& block);
  void begin_zeroes(Slot& slot, const scsi::BlockRequest& block);
  void repeat(Slot& slot, const scsi::BlockRequest& block, const void* data, uint32_t data_size);
  void next_ranges(Slot& slot);
  void next_piece(Slot& slot);
  void zero_data_from(const Slot& slot, uint64_t offset);

  View view_;
  Slab& slab_;
  bool has_read_length_;
  bool capacity_changed_ = false;
  uint64_t identity_fresh_until_ = 0;

  kernel::Completion completion_;
  std::array<uint8_t, scsi::kMaxResponse> response_;
  std::array<uint8_t, scsi::kMaxParameterList> parameters_;
  std::array<scsi::Range, scsi::kMaxUnmapDescriptors> ranges_;
};

}  // namespace tcmud::device
