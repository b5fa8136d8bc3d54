// SPDX-License-Identifier: Apache-2.0
//
// Keeps the exclusive lock of one LUN's image: gets it from whoever has it, gives it to who asks
// for it, and notices when it is lost.
//
// Gateways that serve one image ask each other for its lock. Who has it keeps it for a while, so
// that initiators which send to all of them at once don't make it change hands all the time; then
// no write is let in any more, those under way end, the lock is released, and the other takes it.
// Nobody is fenced for that. Fenced is an owner that does not answer, or that can't tell whether a
// write of its is still to come.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <tcmud/handler.hpp>

#include "lock_client.h"
#include "write_gate.h"

namespace tcmud::rbd {

// Where the keeper's work is done: one piece after the other.
class LockTasks {
 public:
  using Clock = std::chrono::steady_clock;
  virtual ~LockTasks() = default;
  virtual void post_after(std::chrono::milliseconds delay, std::function<void()> task) = 0;
  [[nodiscard]] virtual Clock::time_point now() const = 0;
};

// For the service map.
struct LockCounts {
  bool owner = false;
  uint64_t lost = 0;
};

class LockKeeper final : public LockListener {
 public:
  // `image` is how messages name it. All of them outlive this.
  LockKeeper(std::string image, std::chrono::milliseconds hold, api::Device device, WriteGate& gate,
             LockTasks& tasks);
  LockKeeper(const LockKeeper&) = delete;
  LockKeeper& operator=(const LockKeeper&) = delete;

  // The lock extension of the handler API. Return at once.
  void acquire(int32_t group);
  void enable();
  void release();
  void get_status(tcmud_lock_status& status);

  // On `tasks`, as all that follows:
  // A new session; the one before it was detached.
  void attach(LockClient& client);
  // The session is fenced, or its image is gone. Its client is not used any more.
  void detach();
  // The image's header changed: the lock may have another owner, or the image no lock any more.
  void look();
  // A write came back because the lock is not ours.
  void suspect();
  // The LUN closes: the lock is given up. No task runs any more, and none is posted.
  void close();

  // Any thread.
  [[nodiscard]] LockCounts counts();

  // Threads of librados'.
  void asked(LockClient& from, const LockQuestion& question) override;
  void told(const LockMessage& message) override;
  void deaf() override;

 private:
  using Clock = LockTasks::Clock;
  enum class State : uint8_t {
    kNone,      // not ours
    kTaking,    // the cluster was asked for it, and may have given it to us
    kAcquired,  // ours; the gate is closed
    kEnabled,   // ours; the gate is open
    kReleasing  // ours; the gate is closed, writes under way end
  };
  enum class Step : uint8_t { kAgain, kWait, kEnd };

  [[nodiscard]] bool ours() const { return state_ != State::kNone && state_ != State::kTaking; }
  void post(std::chrono::milliseconds delay, void (LockKeeper::*task)());
  void log(tcmud_log_level level, const std::string& message) const;

  // The attempt to get the lock.
  void attempt();
  Step try_once();
  Step take();
  Step ask(const std::string& owner);
  Step fence(const std::string& owner);
  Step fail(const std::string& what, int error);
  Step wait(uint32_t wait_ms);
  void end_attempt();
  void introduce();

  // The way out.
  void begin_release();  // under mutex_
  void drain();
  void finish_release();
  void answer_all(LockAnswer answer);

  void listen();
  void verify();
  void lose(const std::string& how);
  void look_at(const std::string& owner);
  [[nodiscard]] bool set_holder(const std::string& owner, int32_t group);  // under mutex_

  const std::string image_;
  const std::chrono::milliseconds hold_;
  const api::Device device_;
  WriteGate& gate_;
  LockTasks& tasks_;

  std::mutex mutex_;  // guards all that follows; not held while the cluster or the host is called
  LockClient* client_ = nullptr;  // changed on `tasks` alone, which therefore reads it freely
  State state_ = State::kNone;
  bool pending_ = false;   // acquire() was called and its attempt has not ended
  bool unwanted_ = false;  // release() was called during the attempt
  bool busy_ = false;      // `tasks` is in a call that may last: nothing can be released now
  int32_t group_ = -1;     // our own
  std::optional<int32_t> introduced_;  // as which group others know us, since the lock is ours
  Clock::time_point attempt_began_;
  Clock::time_point acquired_at_;
  Clock::time_point drain_began_;
  std::vector<LockQuestion> questions_;  // to be answered when the release is done
  std::string holder_;                   // another one; "" = nobody, or not known
  int32_t holder_group_ = -1;
  Clock::time_point wait_until_;
  uint64_t attempts_ = 0;
  uint64_t acquired_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace tcmud::rbd
