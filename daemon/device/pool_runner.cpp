// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <pthread.h>

#include "device/engine.h"
#include "device/poll_loop.h"
#include "device/waiter.h"

namespace tcmud::device {

namespace {

// The threads of a LUN whose handler blocks: leader and followers. Whoever holds the loop role
// takes one request out of the ring, gives up the role, and executes the request itself, so that a
// lone command never changes threads; meanwhile another thread may take the role. What a thread
// finished it hands to the loop's completion list, and answers it itself if the role is free.
//
// There is one thread until more are of use: one more is woken (or made) when work is left behind
// while requests take long. Threads beyond the first end when they had nothing to do for a while.
class PoolRunner final : public Runner {
 public:
  PoolRunner(Loop& loop, Waiter waiter, uint32_t threads, uint32_t poll_limit_us, LoopOwner& owner)
      : loop_(loop),
        waiter_(std::move(waiter)),
        poller_(poll_limit_us * 1000),
        owner_(owner),
        workers_(threads) {
    loop_.set_waker([this] { poke(); });
  }

  ~PoolRunner() override {
    for (Worker& worker : workers_) {
      if (worker.thread.joinable()) {
        worker.thread.join();
      }
    }
  }

  Result<void> start() override {
    done_.store(false, std::memory_order_relaxed);
    try {
      spawn(workers_.front());
    } catch (const std::system_error& error) {
      return fail(error.code().value(), "no thread for the LUN: {}; raise TasksMax", error.what());
    }
    return {};
  }

  void wake() override { poke(); }

  bool join(std::chrono::steady_clock::time_point deadline) override {
    std::unique_lock lock(mutex_);
    return ended_changed_.wait_until(lock, deadline, [this] { return running_ == 0; });
  }

 private:
  struct Worker {
    std::thread thread;
    std::atomic<bool> running{false};  // false: may be joined and made again
  };

  // A request that takes longer than this is worth another thread's waking up (some 10 µs).
  static constexpr uint64_t kSlow = 20'000;
  // How often a thread looks after work that was left to a request which was expected to be fast
  // and is not.
  static constexpr int kRescueMs = 2;
  static constexpr int kIdleMs = 10'000;

  // Under the role or before the first thread runs.
  void spawn(Worker& worker) {
    if (worker.thread.joinable()) {
      worker.thread.join();
    }
    worker.running.store(true, std::memory_order_relaxed);
    {
      const std::lock_guard lock(mutex_);
      ++running_;
    }
    try {
      worker.thread = std::thread([this, &worker] { run(worker); });
    } catch (...) {
      worker.running.store(false, std::memory_order_relaxed);
      const std::lock_guard lock(mutex_);
      --running_;
      throw;
    }
  }

  void run(Worker& self) {
    ::pthread_setname_np(::pthread_self(), "tcmud-lun");
    while (!done_.load(std::memory_order_relaxed)) {
      if (!work() && !sleep(self)) {
        break;
      }
    }
    waiter_.wake();  // the next one learns of the end, too
    const std::lock_guard lock(mutex_);
    self.running.store(false, std::memory_order_relaxed);
    --running_;
    ended_changed_.notify_all();
  }

  // Takes the role if it is free, and does what there is. False: nothing for this thread.
  bool work() {
    if (role_taken_.exchange(true, std::memory_order_seq_cst)) {
      // Its holder, or the thread that finds it free in sleep(), looks after what this one has.
      poked_.store(true, std::memory_order_seq_cst);
      return false;
    }
    poked_.store(false, std::memory_order_seq_cst);
    const bool fast = service_ns_.load(std::memory_order_relaxed) < kSlow;
    bool did = loop_.turn(fast);
    Slot* slot = loop_.take_ready();
    if (slot == nullptr) {
      // Nothing to execute, so nothing may be held back.
      did |= loop_.turn(false);
      slot = loop_.take_ready();
    }
    if (slot == nullptr && !did) {
      if (loop_.finished()) {
        done_.store(true, std::memory_order_relaxed);
      } else {
        did = poll_for_work(poller_, loop_.last_bytes(), [this] { return loop_.poll(); });
      }
    }
    const bool leaves_work = slot != nullptr && (loop_.has_work() || loop_.has_unkicked());
    if (leaves_work) {
      call_for_help(fast);
    }
    work_left_.store(leaves_work, std::memory_order_relaxed);
    role_taken_.store(false, std::memory_order_seq_cst);
    if (slot != nullptr) {
      if (poked_.load(std::memory_order_seq_cst)) {
        poke();  // somebody came while the role was ours and went to sleep
      }
      execute(*slot);
      return true;
    }
    return did || done_.load(std::memory_order_relaxed) || poked_.load(std::memory_order_seq_cst) ||
           loop_.has_news();
  }

  void execute(Slot& slot) {
    const uint64_t begin = monotonic_ns();
    loop_.execute(slot);
    const uint64_t took = monotonic_ns() - begin;
    const uint64_t old = service_ns_.load(std::memory_order_relaxed);
    service_ns_.store(old - old / 8 + took / 8, std::memory_order_relaxed);
  }

  // Under the role: there is more work than this thread will do at once.
  void call_for_help(bool fast) {
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      // While requests are fast it is cheaper to do the rest oneself; one thread keeps an eye on it
      // all the same.
      if (!fast || watchers_.load(std::memory_order_relaxed) == 0) {
        waiter_.wake();
      }
      return;
    }
    if (fast && watchers_.load(std::memory_order_relaxed) > 0) {
      return;
    }
    const auto idle = std::find_if(workers_.begin(), workers_.end(), [](const Worker& worker) {
      return !worker.running.load(std::memory_order_relaxed);
    });
    if (idle != workers_.end()) {
      try {
        spawn(*idle);
      } catch (const std::system_error&) {
        // The machine has no thread to spare: the ones there are do the work.
      }
    }
  }

  // False: this thread has had nothing to do for so long that it ends.
  bool sleep(Worker& self) {
    const bool watch = work_left_.load(std::memory_order_relaxed);
    const bool first = &self == &workers_.front();
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    if (watch) {
      watchers_.fetch_add(1, std::memory_order_relaxed);
    }
    Waiter::Woken woken = Waiter::Woken::kEvent;
    // seq_cst, with poke(): either it sees us asleep, or we see its mark.
    if (!poked_.load(std::memory_order_seq_cst) || role_taken_.load(std::memory_order_seq_cst)) {
      woken = waiter_.wait(watch ? kRescueMs : first ? -1 : kIdleMs);
    }
    if (watch) {
      watchers_.fetch_sub(1, std::memory_order_relaxed);
    }
    sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    if (woken == Waiter::Woken::kGone) {
      owner_.device_gone();
    }
    poked_.store(true,
                 std::memory_order_seq_cst);  // an edge was taken: somebody has to look at the ring
    return woken != Waiter::Woken::kTimeout || watch || first;
  }

  void poke() {
    poked_.store(true, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) {
      waiter_.wake();
    }
  }

  Loop& loop_;
  Waiter waiter_;
  Poller poller_;  // under the role
  LoopOwner& owner_;
  std::vector<Worker> workers_;

  alignas(kCacheLine) std::atomic<bool> role_taken_{false};  // seq_cst: see work() and sleep()
  std::atomic<bool> poked_{false};  // somebody has news; cleared by the holder before it looks
  std::atomic<bool> done_{false};   // everything is answered and nothing more is taken
  std::atomic<bool> work_left_{
      false};  // the role was last given up for a request, with more to do behind it
  std::atomic<uint64_t> service_ns_{0};  // moving average of what a request takes; a hint
  std::atomic<uint32_t> sleepers_{0};    // pairs with poke()
  std::atomic<uint32_t> watchers_{0};    // of them, those that wake up by themselves

  std::mutex mutex_;
  std::condition_variable ended_changed_;
  uint32_t running_ = 0;
};

}  // namespace

Result<std::unique_ptr<Runner>> make_pool_runner(Loop& loop, const kernel::UioPort& port,
                                                 uint32_t threads, uint32_t poll_limit_us,
                                                 LoopOwner& owner) {
  auto waiter = Waiter::create(port.event_fd.get(), -1);
  if (!waiter) {
    return tl::unexpected(waiter.error());
  }
  return std::make_unique<PoolRunner>(loop, std::move(*waiter), threads, poll_limit_us, owner);
}

}  // namespace tcmud::device
