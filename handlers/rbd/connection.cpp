// SPDX-License-Identifier: Apache-2.0
#include "connection.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

namespace tcmud::rbd {
namespace {

constexpr std::chrono::milliseconds kFirstBackOff(500);
constexpr std::chrono::milliseconds kLongestBackOff(30'000);

}  // namespace

api::Result<std::unique_ptr<Connection>> Connection::open(const Ceph& ceph, const Options& options,
                                                          const api::OpenArgs& args) {
  std::unique_ptr<Connection> connection(new Connection(ceph, options, args));
  if (connection->event_fd_ < 0) {
    const int error = errno;
    return api::Refusal{error, std::string("rbd: no event descriptor: ") + std::strerror(error)};
  }
  auto session = Session::open(ceph, options, 0, args.device, *connection, connection->gate());
  if (!session) {
    return session.refusal();
  }
  connection->live_ = std::move(*session);
  connection->current_ = connection->live_.get();
  const Geometry& geometry = connection->current_->geometry();
  connection->rotational_ = connection->current_->cluster().rotational(geometry.data_pool);
  connection->current_->cluster().update_status(connection->told_);
  if (connection->keeper_) {
    connection->keeper_->attach(*connection->live_->lock());
  }
  connection->control_.go();
  return connection;
}

Connection::Connection(const Ceph& ceph, const Options& options, const api::OpenArgs& args)
    : ceph_(ceph),
      options_(options),
      device_(args.device),
      event_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  control_.hold();  // what is posted while the first session opens finds it open
  if (options.lock && !options.read_only) {
    LockTasks& tasks = *this;
    keeper_.emplace(options.spec(), std::chrono::milliseconds(options.lock_hold_ms), device_, gate_,
                    tasks);
  }
}

Connection::~Connection() {
  control_.stop();
  if (keeper_) {
    keeper_->close();
  }
  old_.clear();
  live_.reset();
  if (event_fd_ >= 0) {
    ::close(event_fd_);
  }
}

uint32_t Connection::reap() {
  if (next_.load(std::memory_order_relaxed) == nullptr) {
    return 0;
  }
  eventfd_t ignored;
  (void)::eventfd_read(event_fd_, &ignored);
  if (Session* next = next_.exchange(nullptr, std::memory_order_acquire); next != nullptr) {
    current_ = next;
    control_.post([this, next] { close_old(next); });
  }
  return 0;
}

Geometry Connection::geometry() {
  const std::lock_guard lock(mutex_);
  return live_->geometry();
}

uint64_t Connection::size() {
  const std::lock_guard lock(mutex_);
  return live_->io().size();
}

void Connection::set_command_timeout(uint32_t seconds) {
  const std::lock_guard lock(mutex_);
  command_seconds_ = seconds;
  live_->cluster().set_command_timeout(options_, seconds);
}

void Connection::session_news(Session&) {
  control_.post([this] { read_news(); });
}

void Connection::read_news() {
  Session& session = *live_;
  const uint32_t notices = session.take_notices();
  if (recovering_) {
    return;
  }
  if (!session.usable()) {
    begin_recovery(notices);
    return;
  }
  if ((notices & kHeaderChanged) != 0) {
    check_size();
    if (keeper_) {
      keeper_->look();
    }
  }
  if (keeper_ && (notices & kLockRefused) != 0) {
    keeper_->suspect();
  }
  check_speed(notices);
  tell_service_map();
}

void Connection::check_size() {
  uint64_t size = 0;
  if (live_->image().current_size(size) < 0 || size == live_->io().size()) {
    return;
  }
  device_.log(TCMUD_LOG_INFO, "rbd: image " + options_.spec() + " now has " + std::to_string(size) +
                                  " bytes, it had " + std::to_string(live_->io().size()));
  live_->io().set_size(size);
  device_.event(TCMUD_EVENT_RESIZED);
}

void Connection::check_speed(uint32_t notices) {
  if ((notices & kTimedOut) != 0) {
    tell(TCMUD_BACKEND_SLOW, "requests to image " + options_.spec() + " were not answered in " +
                                 std::to_string(live_->cluster().osd_op_timeout()) +
                                 " s: are all OSDs of its pool up? See ceph health detail");
  } else if ((notices & kAnswered) != 0) {
    tell(TCMUD_BACKEND_UP, "image " + options_.spec() + " answers again");
  }
}

void Connection::begin_recovery(uint32_t notices) {
  recovering_ = true;
  ++connection_lost_;
  back_off_ = kFirstBackOff;
  if (keeper_) {
    keeper_->detach();
  }
  tell(TCMUD_BACKEND_RECOVERING,
       (notices & kGone) != 0
           ? "image " + options_.spec() + " or its pool seems to be gone; opening it again"
           : "the cluster has fenced this client (osd blocklist); opening image " +
                 options_.spec() + " as another one");
  reopen();
}

void Connection::reopen() {
  uint32_t command_seconds = 0;
  {
    const std::lock_guard lock(mutex_);
    command_seconds = command_seconds_;
  }
  auto session = Session::open(ceph_, options_, command_seconds, device_, *this, gate());
  if (session) {
    take_over(std::move(*session));
    return;
  }
  const bool gone = session.refusal().code == ENOENT;
  unusable_status_.store(gone ? TCMUD_NOT_READY : TCMUD_BUSY, std::memory_order_relaxed);
  tell(gone ? TCMUD_BACKEND_GONE : TCMUD_BACKEND_RECOVERING, session.refusal().why);
  control_.post_after(back_off_, [this] { reopen(); });
  back_off_ = std::min(back_off_ * 2, kLongestBackOff);
}

void Connection::take_over(std::unique_ptr<Session> session) {
  recovering_ = false;
  unusable_status_.store(TCMUD_BUSY, std::memory_order_relaxed);
  const bool resized = session->io().size() != live_->io().size();
  told_ = {};
  {
    const std::lock_guard lock(mutex_);
    old_.push_back(std::move(live_));
    live_ = std::move(session);
    // It may have changed since the session began to open.
    live_->cluster().set_command_timeout(options_, command_seconds_);
  }
  next_.store(live_.get(), std::memory_order_release);
  (void)::eventfd_write(event_fd_, 1);
  if (keeper_) {
    keeper_->attach(*live_->lock());
  }
  tell(TCMUD_BACKEND_UP, "image " + options_.spec() + " is open again");
  tell_service_map();
  if (resized) {
    device_.event(TCMUD_EVENT_RESIZED);
  }
  // What it told before it was the live one nobody has read.
  control_.post([this] { read_news(); });
}

void Connection::close_old(const Session* adopted) {
  std::vector<std::unique_ptr<Session>> closing;
  {
    const std::lock_guard lock(mutex_);
    if (live_.get() == adopted) {
      closing.swap(old_);
    }
  }
}

void Connection::tell(tcmud_backend_state state, const std::string& why) {
  if (state != state_) {
    state_ = state;
    device_.backend_state(state, why);
  }
}

void Connection::tell_service_map() {
  ServiceStatus status;
  if (keeper_) {
    const LockCounts lock = keeper_->counts();
    status.lock_owner = lock.owner;
    status.lock_lost = lock.lost;
  }
  status.connection_lost = connection_lost_;
  status.timed_out = timed_out_.load(std::memory_order_relaxed);
  if (status != told_) {
    told_ = status;
    live_->cluster().update_status(status);
  }
}

void Connection::post_after(std::chrono::milliseconds delay, std::function<void()> task) {
  control_.post_after(delay, [this, task = std::move(task)] {
    task();
    tell_service_map();
  });
}

}  // namespace tcmud::rbd
