// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

#include "base/cache_line.h"

namespace tcmud {

// Intrusive list that any thread pushes to and one thread at a time empties as a whole; lock-free,
// no allocation. T has a member `T* next_completed`, which belongs to the list while the element is
// in it.
template <class T>
class MpscList {
 public:
  // Any thread. Returns true if the list was empty, so that one pusher of a batch can wake the
  // consumer. Release pairs with the acquire in take_all: what the pusher wrote into the element is
  // seen by the consumer.
  bool push(T* element) {
    T* head = head_.load(std::memory_order_relaxed);
    do {
      element->next_completed = head;
    } while (!head_.compare_exchange_weak(head, element, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  // seq_cst, like push: a consumer that announced its sleep and then sees an empty list is seen
  // asleep by a later pusher.
  [[nodiscard]] bool empty() const { return head_.load(std::memory_order_seq_cst) == nullptr; }

  // The consumer. Elements in the order of their pushes, linked by next_completed, or nullptr.
  [[nodiscard]] T* take_all() {
    if (head_.load(std::memory_order_relaxed) == nullptr) {
      return nullptr;
    }
    T* reversed = head_.exchange(nullptr, std::memory_order_acquire);
    T* in_order = nullptr;
    while (reversed != nullptr) {
      T* next = reversed->next_completed;
      reversed->next_completed = in_order;
      in_order = reversed;
      reversed = next;
    }
    return in_order;
  }

 private:
  alignas(kCacheLine) std::atomic<T*> head_{nullptr};
};

}  // namespace tcmud
