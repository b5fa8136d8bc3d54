// SPDX-License-Identifier: Apache-2.0
#include "control_thread.h"

#include <system_error>
#include <utility>

#include <pthread.h>

namespace tcmud::rbd {

void ControlThread::post_after(std::chrono::milliseconds delay, std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (stopped_) {
    return;
  }
  tasks_.emplace(Clock::now() + delay, std::move(task));
  wake();
}

void ControlThread::go() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  wake();
}

void ControlThread::wake() {
  if (held_ || stopped_ || tasks_.empty()) {
    return;
  }
  if (running_) {
    changed_.notify_one();
    return;
  }
  if (thread_.joinable()) {
    thread_.join();  // it has left the mutex for good
  }
  try {
    thread_ = std::thread([this] { run(); });
    running_ = true;
  } catch (const std::system_error&) {
    // The next post tries again.
  }
}

void ControlThread::stop() {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  tasks_.clear();
  changed_.notify_one();
  std::thread thread = std::move(thread_);
  lock.unlock();
  if (thread.joinable()) {
    thread.join();
  }
}

void ControlThread::run() {
  (void)::pthread_setname_np(::pthread_self(), "tcmud-rbd");
  std::unique_lock lock(mutex_);
  while (!tasks_.empty()) {
    const auto first = tasks_.begin();
    if (first->first > Clock::now()) {
      const Clock::time_point due = first->first;
      changed_.wait_until(lock, due);
      continue;
    }
    const std::function<void()> task = std::move(first->second);
    tasks_.erase(first);
    lock.unlock();
    task();
    lock.lock();
  }
  running_ = false;
}

}  // namespace tcmud::rbd
