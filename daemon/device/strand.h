// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace tcmud::device {

// Runs pieces of control work of one LUN one after the other, on a thread that exists only while
// there are any, so that an idle LUN costs no thread and a slow one holds up nobody else.
class Strand {
 public:
  Strand() = default;
  ~Strand();  // waits until everything posted has run
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // Any thread.
  void post(std::function<void()> task);

  // From within a task: sleeps until something else is posted, or the time is over. True: something
  // was posted.
  bool wait_for_post(std::chrono::milliseconds time);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> tasks_;
  std::thread thread_;
  bool running_ = false;
};

}  // namespace tcmud::device
