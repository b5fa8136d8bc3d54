// SPDX-License-Identifier: Apache-2.0
#include "device/strand.h"

#include <utility>

#include <pthread.h>

namespace tcmud::device {

Strand::~Strand() {
  std::thread last;
  {
    const std::lock_guard lock(mutex_);
    last = std::move(thread_);
  }
  if (last.joinable()) {
    last.join();
  }
}

void Strand::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  posted_.notify_one();
  if (running_) {
    return;
  }
  running_ = true;
  if (thread_.joinable()) {
    thread_.join();  // it said that it runs no more: this is its last instruction
  }
  thread_ = std::thread([this] { run(); });
}

bool Strand::wait_for_post(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return posted_.wait_for(lock, time, [this] { return !tasks_.empty(); });
}

void Strand::run() {
  ::pthread_setname_np(::pthread_self(), "tcmud-control");
  std::unique_lock lock(mutex_);
  while (!tasks_.empty()) {
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it owned goes without the lock
    lock.lock();
  }
  running_ = false;
}

}  // namespace tcmud::device
