// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace tcmud::rbd {

// Runs the control work of one LUN piece by piece, on a thread that exists only while there is
// some: there may be hundreds of LUNs, and most of them have none for days.
class ControlThread {
 public:
  using Clock = std::chrono::steady_clock;

  ControlThread() = default;
  ~ControlThread() { stop(); }
  ControlThread(const ControlThread&) = delete;
  ControlThread& operator=(const ControlThread&) = delete;

  // Any thread. Where no thread can be had, the task waits for the next post.
  void post(std::function<void()> task) {
    post_after(std::chrono::milliseconds(0), std::move(task));
  }
  // The same, not before the time has passed.
  void post_after(std::chrono::milliseconds delay, std::function<void()> task);

  // Until go(), tasks only gather. Before the first post.
  void hold() { held_ = true; }
  void go();

  // Drops what has not begun and waits for what has. What is posted later is dropped, too.
  void stop();

 private:
  void run();
  void wake();  // under mutex_

  std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<Clock::time_point, std::function<void()>> tasks_;
  std::thread thread_;
  bool running_ = false;
  bool stopped_ = false;
  bool held_ = false;
};

}  // namespace tcmud::rbd
