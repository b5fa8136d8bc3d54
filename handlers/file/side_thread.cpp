// SPDX-License-Identifier: Apache-2.0
#include "side_thread.h"

#include <system_error>

namespace tcmud::file {

SideThread::~SideThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

int32_t SideThread::submit(tcmud_request& request) {
  if (!thread_.joinable()) {
    try {
      thread_ = std::thread([this] { run(); });
    } catch (const std::system_error&) {
      return TCMUD_NO_RESOURCE;
    }
  }
  Context& c = context_of(request);
  c.request = &request;
  c.in_flight = false;
  {
    const std::lock_guard lock(mutex_);
    list_.push(c);
  }
  wake_.notify_one();
  return TCMUD_QUEUED;
}

void SideThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || !list_.empty(); });
    Context* c = list_.pop();
    if (c == nullptr) {
      return;
    }
    lock.unlock();
    const Outcome outcome = io_.execute(*c->request);
    device_.complete(*c->request, outcome.status, outcome.info);
    lock.lock();
  }
}

}  // namespace tcmud::file
