// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include <tcmud/handler.hpp>

#include "blocking_io.h"
#include "request_list.h"

namespace tcmud::file {

// One thread beside an io_uring LUN for what the ring cannot do on every kernel (discards, and
// zeroing by several ways in turn). Started by the first such request.
class SideThread {
 public:
  SideThread(api::Device device, BlockingIo& io) : device_(device), io_(io) {}
  ~SideThread();
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;

  // The LUN's loop. TCMUD_QUEUED, or TCMUD_NO_RESOURCE where no thread can be had.
  int32_t submit(tcmud_request& request);

 private:
  void run();

  const api::Device device_;
  BlockingIo& io_;
  std::mutex mutex_;  // guards list_ and stop_
  std::condition_variable wake_;
  RequestList list_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace tcmud::file
