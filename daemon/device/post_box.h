// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace tcmud::device {

class Dispatcher;

// Messages to the holder of a LUN's loop role. Whoever keeps a share of it may post for ever: once
// the LUN serves no longer the post is refused, so each message either runs or its sender knows.
//
// Not on the way of ordinary commands: these pay has_news(), one load.
class PostBox {
 public:
  using Message = std::function<void(Dispatcher&)>;

  // Runs on the loop before the next command, and wakes the loop. Any thread; returns at once.
  // False: the LUN takes no more messages and this one will never run.
  bool post(Message message) {
    const std::lock_guard lock(mutex_);
    if (!open_) {
      return false;
    }
    messages_.push_back(std::move(message));
    has_news_.store(true, std::memory_order_seq_cst);
    waker_();
    return true;
  }

  // Any thread. Pairs with post(): seq_cst, as the loop asks once more after it said that it
  // sleeps.
  [[nodiscard]] bool has_news() const { return has_news_.load(std::memory_order_seq_cst); }

  // The holder of the loop role.
  [[nodiscard]] std::vector<Message> take() {
    const std::lock_guard lock(mutex_);
    has_news_.store(false, std::memory_order_seq_cst);
    return std::exchange(messages_, {});
  }

  // How the loop is woken; posts are taken from now on.
  void open(std::function<void()> waker) {
    const std::lock_guard lock(mutex_);
    waker_ = std::move(waker);
    open_ = true;
  }
  // No post is taken any more. False, and nothing changed: there is one that was not read yet.
  [[nodiscard]] bool close_if_empty() {
    const std::lock_guard lock(mutex_);
    open_ = open_ && !messages_.empty();
    return !open_;
  }

 private:
  std::mutex mutex_;
  bool open_ = false;
  std::function<void()> waker_;
  std::vector<Message> messages_;
  std::atomic<bool> has_news_{false};
};

}  // namespace tcmud::device
