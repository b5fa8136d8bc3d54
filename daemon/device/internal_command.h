// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include <sys/uio.h>

#include "scsi/execute.h"
#include "scsi/sense.h"

namespace tcmud::device {

class Dispatcher;

// How a command ended, as an initiator would be told.
struct Verdict {
  scsi::Status status = scsi::Status::kGood;
  scsi::Sense sense{};  // with kCheckCondition

  [[nodiscard]] bool good() const { return status == scsi::Status::kGood; }
};

// A block request of the daemon's own: it goes the way of an initiator's command (slot, locks,
// emulation, pieces, limits of the handler), with memory of the daemon's, and without an entry in
// the ring. Dispatcher::start_internal() starts it.
//
// Whoever starts it owns it and its memory, and leaves both alone until done() is called: exactly
// once, by the holder of the LUN's loop role.
//
// The LUN's state counts: a LUN that is being closed, formatted or sanitized ends it with NOT READY
// (04/00, 04/04, 04/1B), one whose medium is out of order with MEDIUM ERROR, one that is write
// protected ends what writes with DATA PROTECT, and blocks that it does not have are 05/21/00. What
// the handler says is told as initiators are told it.
struct InternalCommand {
  // As scsi::execute() would have decoded it. `immediate` is nothing for it. The limits that only
  // decoding knows are the caller's to keep: View::props.max_transfer bytes for kRead and kWrite.
  scsi::BlockRequest block;
  // The data, at most Slab::kIovecs pieces, as long as the operation wants it to be; it is not
  // changed.
  std::span<const iovec> iov;
  std::span<const scsi::Range> ranges;  // kUnmap: block.ranges of them
  // The blocks are locked by a command of the caller's, which answers for the LUN's state too: no
  // lock is taken and no state looked at.
  bool covered = false;
  // Must return at once. May start commands, this one too; who starts one again whatever the
  // verdict, never ends.
  void (*done)(InternalCommand& command, Dispatcher& dispatcher) = nullptr;

  Verdict verdict;                  // when done() is called
  InternalCommand* next = nullptr;  // the dispatcher's, between start and done()
};

}  // namespace tcmud::device
