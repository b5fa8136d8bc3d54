// SPDX-License-Identifier: Apache-2.0
//
// The asynchronous engine. Everything but open and destruction runs on the LUN's loop thread.
//
// Invariants:
//  - A queued READ or WRITE is in exactly one place: in flight (in_flight, one SQE or CQE of it in
//  the ring), in backlog_
//    (the ring is full), or with the side thread.
//  - in_flight_ counts SQEs prepared or submitted whose CQE has not been seen. It never exceeds the
//  completion queue, so
//    the kernel never has to keep an overflow list.
//  - At most one fsync is in flight; flushes asked for meanwhile wait in flush_waiting_ and share
//  the next one.
#pragma once

#include <cstdint>
#include <memory>

#include <liburing.h>

#include <tcmud/handler.hpp>

#include "blocking_io.h"
#include "fd.h"
#include "inline_guard.h"
#include "request_list.h"
#include "side_thread.h"
#include "system.h"
#include "target.h"

namespace tcmud::file {

class UringEngine {
 public:
  // The refusal says what the system said; the caller decides whether threads will do.
  static api::Result<std::unique_ptr<UringEngine>> create(api::Device device, const System& system,
                                                          const Target& target);
  ~UringEngine();
  UringEngine(const UringEngine&) = delete;
  UringEngine& operator=(const UringEngine&) = delete;

  [[nodiscard]] int event_fd() const { return event_fd_.get(); }
  int32_t submit(tcmud_request& request);
  void flush_batch();
  uint32_t reap();
  void cancel(tcmud_request& request);

 private:
  UringEngine(api::Device device, const System& system, const Target& target);

  int32_t submit_read(tcmud_request& request);
  int32_t submit_write(tcmud_request& request);
  int32_t submit_flush(tcmud_request& request);
  // As far as it goes without leaving the loop: the final status, or TCMUD_QUEUED if io_uring must
  // do the rest. `nowait`: the file system knows RWF_NOWAIT; set to false when it turns out not to.
  int32_t transfer_inline(const tcmud_request& request, Cursor& cursor, bool& nowait);
  int32_t transfer_guarded(const tcmud_request& request, Cursor& cursor);

  void queue(Context& c);
  bool start(Context& c);
  void start_flush();
  void pump();
  void submit_ring();
  void handle(Context& c, int32_t result);
  void handle_flush(int32_t result);
  void finish(Context& c, const Outcome& outcome);
  void finish_all(RequestList list, const Outcome& outcome);
  io_uring_sqe* take_sqe();

  const api::Device device_;
  const System& system_;
  const int fd_;
  const bool direct_;
  BlockingIo blocking_;
  SideThread side_;
  io_uring ring_{};
  bool ring_ready_ = false;
  // The ring's descriptor again, for the host: liburing closes its own unseen by libc and by tools
  // that follow descriptors.
  Fd event_fd_;
  bool nowait_read_ = true;  // see transfer_inline
  bool nowait_write_ = true;
  bool flush_unsent_ = false;  // flush_running_ has found no room in the ring yet
  InlineGuard guard_;
  uint32_t in_flight_ = 0;
  uint32_t completed_ = 0;  // since reap began
  RequestList backlog_;
  RequestList flush_running_;
  RequestList flush_waiting_;
};

}  // namespace tcmud::file
