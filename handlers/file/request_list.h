// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <tcmud/handler.hpp>

#include "transfer.h"

namespace tcmud::file {

// What the handler keeps in each request's ctx. Set anew by each submit that queues.
struct Context {
  tcmud_request* request;
  Context* next;  // in whichever one RequestList the request stands
  Cursor cursor;
  uint64_t sync_ticket;  // FLUSH: see SyncErrors
  uint16_t again;        // times the kernel said EAGAIN
  bool async;            // skip the attempt that does not wait
  bool in_flight;        // an SQE of it is in the ring
};

[[nodiscard]] inline Context& context_of(tcmud_request& request) {
  return api::context<Context>(request);
}

// First in, first out, linked through the contexts: costs no memory. One thread, or a lock around
// it.
class RequestList {
 public:
  [[nodiscard]] bool empty() const { return first_ == nullptr; }
  [[nodiscard]] Context* first() const { return first_; }

  void push(Context& c) {
    c.next = nullptr;
    (first_ == nullptr ? first_ : last_->next) = &c;
    last_ = &c;
  }

  Context* pop() {
    Context* c = first_;
    if (c != nullptr) {
      first_ = c->next;
    }
    return c;
  }

  // False if it is not in the list.
  bool remove(Context& c) {
    Context* before = nullptr;
    for (Context* p = first_; p != nullptr; before = p, p = p->next) {
      if (p == &c) {
        (before == nullptr ? first_ : before->next) = c.next;
        last_ = last_ == &c ? before : last_;
        return true;
      }
    }
    return false;
  }

  RequestList take_all() {
    RequestList all = *this;
    first_ = nullptr;
    return all;
  }

 private:
  Context* first_ = nullptr;
  Context* last_ = nullptr;
};

}  // namespace tcmud::file
