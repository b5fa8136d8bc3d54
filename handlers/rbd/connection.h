// SPDX-License-Identifier: Apache-2.0
//
// Keeps a LUN connected to its image: one session after the other, each opened when the cluster has
// fenced the one before it.
//
// The loop has a session of its own until it takes over the next one, in reap(), which an event
// tells it about; only then is the old one closed. So no lock stands between a request and its
// session.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <tcmud/handler.hpp>

#include "control_thread.h"
#include "lock_keeper.h"
#include "session.h"

namespace tcmud::rbd {

class Connection final : public SessionOwner, private LockTasks {
 public:
  static api::Result<std::unique_ptr<Connection>> open(const Ceph& ceph, const Options& options,
                                                       const api::OpenArgs& args);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The LUN's loop.
  int32_t submit(tcmud_request& request) {
    if (!current_->usable()) [[unlikely]] {
      return unusable_status_.load(std::memory_order_relaxed);
    }
    return current_->io().submit(request);
  }
  uint32_t reap();
  [[nodiscard]] int event_fd() const { return event_fd_; }

  // The LUN's control thread.
  [[nodiscard]] Geometry geometry();
  [[nodiscard]] bool rotational() const { return rotational_; }
  [[nodiscard]] uint64_t size();  // bytes of the image, as it is now
  void set_command_timeout(uint32_t seconds);
  // Null where writes need no lock of ours.
  [[nodiscard]] LockKeeper* keeper() { return keeper_ ? &*keeper_ : nullptr; }

  void session_news(Session& session) override;
  void request_timed_out() override { timed_out_.fetch_add(1, std::memory_order_relaxed); }

 private:
  Connection(const Ceph& ceph, const Options& options, const api::OpenArgs& args);

  // All of these on control_.
  void read_news();
  void check_size();
  void check_speed(uint32_t notices);
  void begin_recovery(uint32_t notices);
  void reopen();
  void take_over(std::unique_ptr<Session> session);
  void close_old(const Session* adopted);
  void tell(tcmud_backend_state state, const std::string& why);
  void tell_service_map();

  // The lock keeper's tasks are ours.
  void post_after(std::chrono::milliseconds delay, std::function<void()> task) override;
  [[nodiscard]] LockTasks::Clock::time_point now() const override {
    return LockTasks::Clock::now();
  }
  // What sessions need to know of it.
  [[nodiscard]] WriteGate* gate() { return keeper_ ? &gate_ : nullptr; }

  const Ceph& ceph_;
  const Options options_;
  const api::Device device_;
  WriteGate gate_;
  std::optional<LockKeeper> keeper_;
  int event_fd_ = -1;
  bool rotational_ = true;

  Session* current_ = nullptr;           // the loop's
  std::atomic<Session*> next_{nullptr};  // for the loop to take over; released and acquired
  std::atomic<int32_t> unusable_status_{TCMUD_BUSY};  // alone
  std::atomic<uint64_t> timed_out_{0};                // alone

  // control_'s alone:
  tcmud_backend_state state_ = TCMUD_BACKEND_UP;
  bool recovering_ = false;
  std::chrono::milliseconds back_off_{0};
  uint64_t connection_lost_ = 0;
  ServiceStatus told_;

  std::mutex mutex_;                           // guards the three that follow
  std::unique_ptr<Session> live_;              // the newest
  std::vector<std::unique_ptr<Session>> old_;  // until the loop has left them
  uint32_t command_seconds_ = 0;

  ControlThread control_;  // last: stopped before anything else goes
};

}  // namespace tcmud::rbd
