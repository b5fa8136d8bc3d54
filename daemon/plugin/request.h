// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include <tcmud/handler.h>

namespace tcmud::plugin {

struct Request;

// Where the answers of one LUN's handler arrive.
class CompletionSink {
 public:
  // Any thread, once per request that submit() said was queued.
  virtual void completed(Request& request, int32_t status, uint64_t info) = 0;
  // The handler broke its contract: it completed a request that it does not have. Any thread.
  virtual void stray_completion(const Request& request, int32_t status) = 0;

 protected:
  ~CompletionSink() = default;
};

// A tcmud_request with the host's own part behind it. The handler gets a pointer to `c` and gives
// it back.
struct Request {
  tcmud_request c{};  // first: see from()
  CompletionSink* sink = nullptr;

  static Request& from(tcmud_request& c) { return reinterpret_cast<Request&>(c); }

  // Before submit: from now on exactly one completion is accepted.
  void hand_over() { state.store(kHandedOver, std::memory_order_relaxed); }

  // submit() returned a final status: a completion must not have come and may not come any more.
  // False: it did come.
  [[nodiscard]] bool take_back() {
    return state.exchange(kOurs, std::memory_order_acq_rel) == kHandedOver;
  }

  // The one completion; false for a second one. acq_rel: pairs a completion with the hand_over it
  // answers.
  [[nodiscard]] bool accept_completion() {
    return state.exchange(kOurs, std::memory_order_acq_rel) == kHandedOver;
  }

  enum : uint8_t { kOurs, kHandedOver };
  std::atomic<uint8_t> state{kOurs};
};
static_assert(std::is_standard_layout_v<Request>, "from() needs c at offset 0");

}  // namespace tcmud::plugin
