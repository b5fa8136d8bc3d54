// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "base/result.h"

namespace tcmud::kernel {

// SCSI_SENSE_BUFFERSIZE is 96; no sense data of ours is longer than this.
inline constexpr size_t kMaxSense = 32;
// A variable length CDB (operation code 7Fh) has up to 260 bytes (SPC-5 4.2.3).
inline constexpr size_t kMaxCdb = 260;

// One SCSI command as the ring told it, copied out and validated; nothing here points into the ring
// itself.
//
// Of a bidirectional command (no fabric of the kernel's sends one) only the Data-Out buffer is
// handed out.
struct CommandEntry {
  uint16_t id = 0;  // the kernel's cmd_id, unique among the live ones
  uint16_t cdb_length = 0;
  std::array<uint8_t, kMaxCdb> cdb{};  // zero from cdb_length up to at least byte 15
  // The data buffer, in the data area: page aligned, within the map. In the order of the
  // initiator's buffer. Points into the array given to Ring::next, or into `spill` where that was
  // too small.
  std::span<iovec> iov;
  uint64_t data_length = 0;  // bytes: sum of iov, the transport's expected transfer length
  std::unique_ptr<iovec[]> spill;
  // Not nullptr: what is wrong with the entry, as the end of a sentence about the command. Its id
  // is good and it must be completed (with CHECK CONDITION); it has no data, cdb_length is 0 and
  // cdb[0] is FFh, which is no operation of ours.
  const char* malformed = nullptr;
};

// A task management notification (tmr_notification=1): nothing is owed for it.
struct TmrEntry {
  uint8_t type = 0;
  std::vector<uint16_t> command_ids;
};

// What goes back for one command.
struct Completion {
  uint8_t status = 0;        // SAM status code
  uint8_t sense_length = 0;  // bytes of sense that count; the rest is sent as zero
  bool has_read_length = false;
  uint32_t read_length =
      0;  // bytes of data-in that are valid, > 0; told only where the mailbox says CAP_READ_LEN
  std::array<uint8_t, kMaxSense> sense{};
};

// The kernel's mailbox and command ring, seen from user space. Used by one thread at a time, the
// holder of the loop role.
//
// Invariants: nothing in shared memory is trusted or read twice; geometry is a private copy taken
// at attach; only cmd_tail and the bytes of entries are ever written; the tail moves only over
// entries that were validated at parse time, by lengths remembered then; an id is completed once.
// After a violation the ring is `broken`: it hands out and accepts nothing more until reset().
class Ring {
 public:
  enum class Next {
    kEmpty,    // nothing new
    kCommand,  // `command` filled
    kTmr,      // `tmr` filled
    kBroken,   // the kernel's side makes no sense: see broken_reason()
  };

  // `map` is the whole UIO mapping and outlives the ring. Fails with EPROTO if the mailbox can't be
  // one. `max_commands`: how many commands may be live at once (1..65535); next() says kEmpty at
  // that point, the rest waits in the ring.
  static Result<std::unique_ptr<Ring>> attach(std::span<std::byte> map, uint32_t max_commands);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Takes the next entry (PADs are passed over; an entry of unknown opcode is answered with
  // TCMU_UFLAG_UNKNOWN_OP at once). `iov` is where the command's iovecs go; longer lists go to
  // command.spill.
  Next next(std::span<iovec> iov, CommandEntry& command, TmrEntry& tmr);

  // Is there something behind what next() has taken? One acquire load; for polling.
  [[nodiscard]] bool has_work() const;

  // About how many entries the last look at cmd_head found, taken by now or not; 0: there was no
  // look since the last call.
  [[nodiscard]] uint32_t take_found();

  // Answers a live command. Out of order only where the mailbox says CAP_OOOC, otherwise the answer
  // waits for its turn. Writes the entry, not the tail. Returns false (and breaks the ring) if the
  // id is not live.
  bool complete(uint16_t id, const Completion& completion);

  // Makes everything completed so far visible to the kernel (store-release of cmd_tail). Returns
  // true if the tail moved: then the kernel wants a kick.
  bool publish();

  // Commands taken and not yet completed.
  [[nodiscard]] uint32_t live() const;
  [[nodiscard]] bool broken() const;
  [[nodiscard]] const char* broken_reason() const;  // for the log; "" if not broken
  [[nodiscard]] bool has_read_length() const;       // CAP_READ_LEN
  [[nodiscard]] size_t data_area_size() const;      // bytes

  // After action/reset_ring, with no command live and no I/O of ours on the data area: start at the
  // mailbox's head and tail as they are now (tail must be 0). Fails with EPROTO if they make no
  // sense.
  Result<void> reset();

 private:
  struct State;
  explicit Ring(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tcmud::kernel
