// SPDX-License-Identifier: Apache-2.0
#include "uring_engine.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <time.h>

#include "sqe.h"

namespace tcmud::file {
namespace {

constexpr unsigned kSqEntries = 128;
// EAGAIN from the ring: tried again in a worker, so many times before it becomes BUSY.
constexpr uint16_t kAgainTries = 64;
constexpr unsigned kCqeBatch = 64;
constexpr unsigned kWorkers = 8;

// liburing maps and unmaps a ring by bare system calls. A new ring may come to lie where another
// thread's was, and the kernel's own locks are then all that orders the two; this says so to the
// C++ memory model too. Released before a ring goes, acquired after one came.
std::atomic<uint32_t> ring_generation{0};

int set_up(io_uring& ring) {
  // Newest first; an older kernel answers EINVAL to what it does not know. No SINGLE_ISSUER: the
  // control thread makes the ring, the loop uses it.
  int r = -EINVAL;
  for (const unsigned flags : {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0u}) {
    r = ::io_uring_queue_init(kSqEntries, &ring, flags);
    if (r != -EINVAL) {
      break;
    }
  }
  if (r < 0) {
    return r;
  }
  constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE |
                               IORING_FEAT_RW_CUR_POS;  // 5.6: READ and WRITE
  if ((ring.features & kNeeded) != kNeeded) {
    ::io_uring_queue_exit(&ring);
    return -ENOSYS;
  }
  ring_generation.fetch_add(1, std::memory_order_acquire);
  // Bounded workers do what cannot be done without waiting; a refusal (before 5.15) leaves the
  // kernel's own limit.
  std::array<unsigned, 2> workers = {kWorkers, 0};
  (void)::io_uring_register_iowq_max_workers(&ring, workers.data());
  return 0;
}

}  // namespace

UringEngine::UringEngine(api::Device device, const System& system, const Target& target)
    : device_(device),
      system_(system),
      fd_(target.fd()),
      direct_(target.direct()),
      blocking_(system, target.fd(), target.direct(), target.discard_modes(), target.block_size()),
      side_(device, blocking_) {}

UringEngine::~UringEngine() {
  if (ring_ready_) {
    ring_generation.fetch_add(1, std::memory_order_release);
    ::io_uring_queue_exit(&ring_);
  }
}

api::Result<std::unique_ptr<UringEngine>> UringEngine::create(api::Device device,
                                                              const System& system,
                                                              const Target& target) {
  std::unique_ptr<UringEngine> engine(new UringEngine(device, system, target));
  const int r = set_up(engine->ring_);
  if (r < 0) {
    return api::Refusal{-r, std::string("file: io_uring is not to be had: ") + std::strerror(-r) +
                                "; allow it (kernel.io_uring_disabled, seccomp), or use ;io=sync"};
  }
  engine->ring_ready_ = true;
  engine->event_fd_ = Fd(::fcntl(engine->ring_.ring_fd, F_DUPFD_CLOEXEC, 0));
  if (engine->event_fd_.get() < 0) {
    return api::Refusal{errno, std::string("file: cannot watch the io_uring: ") +
                                   std::strerror(errno) + "; raise the limit of open files"};
  }
  return engine;
}

int32_t UringEngine::submit(tcmud_request& request) {
  switch (request.op) {
    case TCMUD_OP_READ:
      return submit_read(request);
    case TCMUD_OP_WRITE:
      return submit_write(request);
    case TCMUD_OP_FLUSH:
      return submit_flush(request);
    case TCMUD_OP_UNMAP:
    case TCMUD_OP_WRITE_ZEROES:
    case TCMUD_OP_LBA_STATUS:
      return side_.submit(request);
    default:
      return TCMUD_NOT_SUPPORTED;
  }
}

int32_t UringEngine::submit_read(tcmud_request& request) {
  Context& c = context_of(request);
  c = Context{};
  c.request = &request;
  if (!direct_) {
    const int32_t status = transfer_inline(request, c.cursor, nowait_read_);
    if (status != TCMUD_QUEUED) {
      return status;
    }
  }
  queue(c);
  return TCMUD_QUEUED;
}

int32_t UringEngine::submit_write(tcmud_request& request) {
  Context& c = context_of(request);
  c = Context{};
  c.request = &request;
  if (!direct_ && (request.flags & TCMUD_FLAG_FUA) == 0) {
    const int32_t status = transfer_inline(request, c.cursor, nowait_write_);
    if (status != TCMUD_QUEUED) {
      return status;
    }
    c.async = true;  // what had to wait a moment ago would have to again
  }
  queue(c);
  return TCMUD_QUEUED;
}

int32_t UringEngine::transfer_inline(const tcmud_request& request, Cursor& cursor, bool& nowait) {
  while (nowait && cursor.done < request.length) {
    const ssize_t n = transfer_slice(system_, fd_, request, cursor, RWF_NOWAIT);
    if (n > 0) {
      advance(request, cursor, static_cast<uint64_t>(n));
    } else if (n == -EOPNOTSUPP) {
      nowait = false;
    } else {
      // EAGAIN: not in memory. And whatever else it is, let the ring find it again and report it.
      return TCMUD_QUEUED;
    }
  }
  return cursor.done < request.length ? transfer_guarded(request, cursor) : TCMUD_OK;
}

int32_t UringEngine::transfer_guarded(const tcmud_request& request, Cursor& cursor) {
  uint64_t start = coarse_ns();
  while (cursor.done < request.length) {
    if (!guard_.open(start)) {
      return TCMUD_QUEUED;
    }
    const uint64_t slept_before = guard_.watching() ? times_slept() : 0;
    const ssize_t n = transfer_slice(system_, fd_, request, cursor, /*rwf_flags=*/0);
    const uint64_t now = coarse_ns();
    guard_.ended(start, now, guard_.watching() && times_slept() != slept_before);
    start = now;
    if (n <= 0) {
      return TCMUD_QUEUED;
    }
    advance(request, cursor, static_cast<uint64_t>(n));
  }
  return TCMUD_OK;
}

int32_t UringEngine::submit_flush(tcmud_request& request) {
  Context& c = context_of(request);
  c = Context{};
  c.request = &request;
  c.sync_ticket = blocking_.sync_errors().ticket();
  flush_waiting_.push(c);
  start_flush();
  return TCMUD_QUEUED;
}

void UringEngine::start_flush() {
  if (flush_running_.empty() && !flush_waiting_.empty()) {
    flush_running_ = flush_waiting_.take_all();
    queue(*flush_running_.first());
  }
}

void UringEngine::queue(Context& c) {
  // Behind others that wait for room: first come, first served.
  if (c.request->op == TCMUD_OP_FLUSH) {
    // The first of a group stands for it, and is linked in flush_running_ at the same time: never
    // in backlog_.
    if (!start(c)) {
      flush_unsent_ = true;
    }
    return;
  }
  if (!backlog_.empty() || !start(c)) {
    backlog_.push(c);
  }
}

// A free entry, counted as in flight; null while the ring is full.
io_uring_sqe* UringEngine::take_sqe() {
  if (in_flight_ >= *ring_.cq.kring_entries) {
    return nullptr;
  }
  io_uring_sqe* sqe = ::io_uring_get_sqe(&ring_);
  if (sqe == nullptr) {
    submit_ring();
    sqe = ::io_uring_get_sqe(&ring_);
  }
  in_flight_ += sqe != nullptr ? 1 : 0;
  return sqe;
}

bool UringEngine::start(Context& c) {
  io_uring_sqe* sqe = take_sqe();
  if (sqe == nullptr) {
    return false;
  }
  prepare_sqe(*sqe, fd_, *c.request, c.cursor);
  if (c.async) {
    ::io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
  }
  ::io_uring_sqe_set_data(sqe, &c);
  c.in_flight = true;
  return true;
}

void UringEngine::submit_ring() {
  while (::io_uring_sq_ready(&ring_) > 0) {
    const int r = ::io_uring_submit(&ring_);
    if (r > 0 || r == -EINTR) {
      continue;
    }
    // The kernel is out of memory. Requests that it has will come back and bring us here again; if
    // it has none, nobody would, so this LUN waits.
    if (in_flight_ > ::io_uring_sq_ready(&ring_)) {
      return;
    }
    constexpr timespec kPause = {0, 1'000'000};
    ::nanosleep(&kPause, nullptr);
  }
}

void UringEngine::flush_batch() {
  submit_ring();
}

void UringEngine::pump() {
  if (flush_unsent_) {
    flush_unsent_ = !start(*flush_running_.first());
  }
  while (!backlog_.empty() && start(*backlog_.first())) {
    backlog_.pop();
  }
}

uint32_t UringEngine::reap() {
  if (in_flight_ == 0) {
    return 0;
  }
  completed_ = 0;
  std::array<io_uring_cqe*, kCqeBatch> cqes;
  std::array<std::pair<Context*, int32_t>, kCqeBatch> results;
  unsigned n = 0;
  do {
    n = ::io_uring_peek_batch_cqe(&ring_, cqes.data(), kCqeBatch);
    for (unsigned i = 0; i < n; ++i) {
      results[i] = {static_cast<Context*>(::io_uring_cqe_get_data(cqes[i])), cqes[i]->res};
    }
    // Given back before any is handled: handling may start new requests, which count on the room.
    ::io_uring_cq_advance(&ring_, n);
    in_flight_ -= n;
    for (unsigned i = 0; i < n; ++i) {
      if (results[i].first != nullptr) {  // null: a cancel's own answer
        handle(*results[i].first, results[i].second);
      }
    }
  } while (n == kCqeBatch);
  pump();
  submit_ring();
  return completed_;
}

void UringEngine::handle(Context& c, int32_t result) {
  c.in_flight = false;
  const bool again = result == -EINTR || (result == -EAGAIN && ++c.again < kAgainTries);
  c.async = c.async || result == -EAGAIN;
  if (c.request->op == TCMUD_OP_FLUSH) {
    if (again) {
      queue(c);
    } else {
      handle_flush(result);
    }
    return;
  }
  const tcmud_request& request = *c.request;
  if (result > 0) {
    advance(request, c.cursor, static_cast<uint64_t>(result));
    if (c.cursor.done >= request.length) {
      finish(c, {});
      return;
    }
  } else if (!again) {
    const Outcome outcome = failed_at(request, c.cursor, result, !direct_);
    if ((request.flags & TCMUD_FLAG_FUA) != 0 && request.op == TCMUD_OP_WRITE) {
      blocking_.sync_errors().fua_failed(outcome.status);
    }
    finish(c, outcome);
    return;
  }
  queue(c);
}

void UringEngine::handle_flush(int32_t result) {
  SyncErrors& errors = blocking_.sync_errors();
  const RequestList group = flush_running_.take_all();
  if (result < 0) {
    errors.flush_failed();
    const Outcome outcome{status_of_errno(-result, Direction::kWrite)};
    finish_all(group, outcome);
    finish_all(flush_waiting_.take_all(), outcome);  // asked for before that sync ended
    return;
  }
  // The first of the group is the oldest.
  const int32_t left = errors.take_left_by_fua();
  const bool lost = errors.failed_since(group.first()->sync_ticket);
  finish_all(group, {lost ? int32_t{TCMUD_WRITE_ERROR} : left});
  start_flush();
}

void UringEngine::finish(Context& c, const Outcome& outcome) {
  ++completed_;
  device_.complete(*c.request, outcome.status, outcome.info);
}

void UringEngine::finish_all(RequestList list, const Outcome& outcome) {
  while (Context* c = list.pop()) {
    finish(*c, outcome);
  }
}

void UringEngine::cancel(tcmud_request& request) {
  Context& c = context_of(request);
  if (backlog_.remove(c)) {
    finish(c, {TCMUD_ABORTED});
    return;
  }
  if (!c.in_flight || request.op == TCMUD_OP_FLUSH) {
    return;  // with the side thread, or one of a group
  }
  io_uring_sqe* sqe = take_sqe();
  if (sqe != nullptr) {
    ::io_uring_prep_cancel(sqe, &c, 0);
    ::io_uring_sqe_set_data(sqe, nullptr);
    submit_ring();
  }
}

}  // namespace tcmud::file
