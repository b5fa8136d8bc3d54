// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <pthread.h>

#include "device/engine.h"
#include "device/poll_loop.h"
#include "device/waiter.h"

namespace tcmud::device {

namespace {

// The one thread of a LUN whose handler does not block: it holds the loop role for ever.
class AsyncRunner final : public Runner {
 public:
  AsyncRunner(Loop& loop, Waiter waiter, uint32_t poll_limit_us, LoopOwner& owner)
      : loop_(loop), waiter_(std::move(waiter)), poller_(poll_limit_us * 1000), owner_(owner) {
    loop_.set_waker([this] { wake_if_asleep(); });
  }

  ~AsyncRunner() override {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  Result<void> start() override {
    ended_ = false;
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& error) {
      return fail(error.code().value(), "no thread for the LUN: {}; raise TasksMax", error.what());
    }
    return {};
  }

  void wake() override { wake_if_asleep(); }

  bool join(std::chrono::steady_clock::time_point deadline) override {
    if (!thread_.joinable()) {
      return true;
    }
    std::unique_lock lock(mutex_);
    if (!ended_changed_.wait_until(lock, deadline, [this] { return ended_; })) {
      return false;
    }
    lock.unlock();
    thread_.join();
    return true;
  }

 private:
  void run() {
    ::pthread_setname_np(::pthread_self(), "tcmud-lun");
    while (true) {
      if (loop_.turn(false)) {
        continue;
      }
      if (loop_.finished()) {
        break;
      }
      if (!poll_for_work(poller_, loop_.last_bytes(), [this] { return loop_.poll(); })) {
        sleep();
      }
    }
    const std::lock_guard lock(mutex_);
    ended_ = true;
    ended_changed_.notify_all();
  }

  void sleep() {
    // seq_cst, with the pushes of the completion list: either the pusher sees us asleep, or we see
    // what it pushed.
    asleep_.store(true, std::memory_order_seq_cst);
    const bool gone = !loop_.has_work() && waiter_.wait(-1) == Waiter::Woken::kGone;
    asleep_.store(false, std::memory_order_relaxed);
    if (gone) {
      owner_.device_gone();
    }
  }

  void wake_if_asleep() {
    if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false)) {
      waiter_.wake();
    }
  }

  Loop& loop_;
  Waiter waiter_;
  Poller poller_;
  LoopOwner& owner_;
  std::thread thread_;
  std::atomic<bool> asleep_{false};  // pairs with the pushes that wake_if_asleep() follows
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<Runner>> make_async_runner(Loop& loop, const kernel::UioPort& port,
                                                  int handler_fd, uint32_t poll_limit_us,
                                                  LoopOwner& owner) {
  auto waiter = Waiter::create(port.event_fd.get(), handler_fd);
  if (!waiter) {
    return tl::unexpected(waiter.error());
  }
  return std::make_unique<AsyncRunner>(loop, std::move(*waiter), poll_limit_us, owner);
}

}  // namespace tcmud::device
