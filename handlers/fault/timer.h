// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace tcmud::fault {

// Calls back at given times, from one thread of its own.
template <class Item>
class Timer {
 public:
  using Clock = std::chrono::steady_clock;

  // `expired` runs on the timer's thread, without a lock.
  explicit Timer(std::function<void(Item&)> expired)
      : expired_(std::move(expired)), thread_([this] { run(); }) {}
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void add(Item& item, Clock::time_point when) {
    const std::lock_guard lock(mutex_);
    due_.emplace(when, &item);
    // Under the lock: the item may be called back, and the timer destroyed because of it, before we
    // are through.
    changed_.notify_one();
  }

  // False if it is not waiting: never was, or its callback has begun.
  bool remove(Item& item) {
    const std::lock_guard lock(mutex_);
    for (auto it = due_.begin(); it != due_.end(); ++it) {
      if (it->second == &item) {
        due_.erase(it);
        return true;
      }
    }
    return false;
  }

  // No callback runs afterwards. Items that still wait are dropped.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) {
      thread_.join();
    }
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      if (due_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto first = due_.begin();
      // A copy: the item may be removed, and the node freed, while we sleep.
      const auto when = first->first;
      if (when > Clock::now()) {
        changed_.wait_until(lock, when);
        continue;
      }
      Item* item = first->second;
      due_.erase(first);
      lock.unlock();
      expired_(*item);
      lock.lock();
    }
  }

  const std::function<void(Item&)> expired_;
  std::mutex mutex_;  // guards due_ and stop_
  std::condition_variable changed_;
  std::multimap<Clock::time_point, Item*> due_;
  bool stop_ = false;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace tcmud::fault
