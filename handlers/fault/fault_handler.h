// SPDX-License-Identifier: Apache-2.0
//
// fault/<subtype>/<path>: another handler, with faults. For tests, and for looking at how
// initiators take them.
//
// The inner handler gets requests of our own, which live in the ctx of the outer ones together with
// its own ctx, and a host table whose complete() is ours.
//
// Over an async inner handler, what must wait stands with the timer; what has waited is handed to
// the inner handler on the loop, from reap(). Over a blocking one, the pool's thread waits: that is
// what a slow handler of that kind looks like.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <tcmud/handler.hpp>

#include "rules.h"
#include "timer.h"

namespace tcmud::fault {

class FaultHandler {
 public:
  static constexpr const char* subtype = "fault";
  static constexpr const char* description = "another handler with injected faults, for tests";
  static constexpr const char* config_help = kConfigHelp;

  // One request on its way. Its first member is what the inner handler sees.
  struct Call {
    tcmud_request inner;
    tcmud_request* outer;
    FaultHandler* owner;
    RuleState* rule;                         // that hit it, or null
    Timer<Call>::Clock::time_point give_up;  // kHang
    int32_t status;                          // kLate: how the inner handler ended it
    uint64_t info;
    bool forwarded;   // the inner handler has seen it; the loop alone looks
    bool inner_done;  // kLate: what is left is the answer; passed on through the timer's lock
  };
  struct Context {
    Call call;
    alignas(64) unsigned char inner[4096 - 256];
  };
  static_assert(sizeof(Call) <= 256 && sizeof(Context) <= 4096);

  static std::optional<api::Refusal> check_config(const api::Config& config);
  static api::Result<std::unique_ptr<FaultHandler>> open(const api::OpenArgs& args);
  ~FaultHandler();

  void get_props(tcmud_props& props);
  int32_t submit(tcmud_request& request);
  void flush_batch();
  uint32_t reap();
  void cancel(tcmud_request& request);
  std::optional<api::Refusal> resize(uint64_t lun_size);

 private:
  FaultHandler(const api::OpenArgs& args, Options options);
  std::optional<api::Refusal> open_inner(const api::OpenArgs& args, const Options& options);
  std::optional<api::Refusal> set_up_events();

  static void inner_completed(tcmud_request* inner, int32_t status, uint64_t info);
  RuleState* rule_for(const tcmud_request& request);
  int32_t forward(Call& call);
  int32_t settle(Call& call, int32_t status, uint64_t info, bool from_submit);
  int32_t hold_before(Call& call);
  int32_t wait_before(Call& call);
  void make_ready(Call& call);
  void release_reordered();
  void expired(Call& call);
  void shorten(Call& call);
  void complete(Call& call, int32_t status, uint64_t info);
  [[nodiscard]] bool async() const { return model_ == TCMUD_MODEL_ASYNC; }

  const api::Device device_;
  tcmud_host host_;  // what the inner handler is given
  tcmud_handler inner_{};
  void* inner_handle_ = nullptr;
  uint32_t model_ = TCMUD_MODEL_ASYNC;
  uint32_t block_size_;
  int epoll_fd_ = -1;  // over wake_fd_ and the inner handler's event_fd
  int wake_fd_ = -1;
  std::vector<std::unique_ptr<RuleState>> rules_;

  std::mutex
      mutex_;  // guards what follows, and wake_fd_ being readable exactly if ready_ holds something
  std::vector<Call*> ready_;      // to be handed to the inner handler by reap(), in this order
  std::vector<Call*> reordered_;  // held until there are enough
  std::map<const Call*, std::vector<iovec>>
      prefixes_;  // kShort: what the inner handler's iov points to
  std::unique_ptr<Timer<Call>> timer_;
};

}  // namespace tcmud::fault
