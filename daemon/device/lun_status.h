// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include <tcmud/handler.h>

namespace tcmud::device {

enum class State {
  kOpening,   // the backend is being opened for the first time
  kRunning,   // serving commands
  kRetrying,  // adopted, but the backend can't be opened: initiators get BUSY, opening is retried
  kRemoving,  // no new commands; what is in flight is being finished
  kClosed,    // nothing of it is left
};
[[nodiscard]] const char* to_string(State state);

// How the storage behind a LUN is, by the word of its handler.
enum class BackendState { kClosed, kUp, kSlow, kRecovering, kGone };
[[nodiscard]] const char* to_string(BackendState state);

// Where the handler offers a lock.
struct LockStatus {
  tcmud_lock_state state = TCMUD_LOCK_FREE;
  uint64_t since = 0;
  std::string holder{};  // for people; "" = nobody, or not known
  int32_t group = -1;    // the target port group of another holder; -1 = not known
  uint64_t acquired = 0, lost = 0;
  bool operator==(const LockStatus&) const = default;
};
[[nodiscard]] const char* to_string(tcmud_lock_state state);

// A LUN to administrators. Times are µs of CLOCK_REALTIME.
struct LunStatus {
  State state = State::kOpening;
  uint64_t state_since = 0;
  std::string state_reason{};  // why it isn't served; "" while it is
  const char* task = "";       // what its strand is at, if that may take long; a literal
  uint64_t retry_at = 0;  // kRetrying: when the backend is opened again; 0 = it is being opened

  uint64_t size = 0;  // bytes; 0 = not known yet, as the next
  uint32_t block_size = 0;

  BackendState backend = BackendState::kClosed;
  uint64_t backend_since = 0;
  std::string backend_reason{};

  std::optional<LockStatus> lock{};
  bool operator==(const LunStatus&) const = default;
};

// Where a LUN writes down how it is, and the main thread reads it. Also tells the log, each news
// once. Any thread; cold.
class StatusBoard {
 public:
  // Somebody shall read(). Not called again before that was done, so that whoever is slow to read
  // sees only the last of many changes. Any thread; must neither block nor call back.
  using Changed = std::function<void()>;

  // `lun` is how the log names it.
  StatusBoard(std::string lun, Changed changed);

  [[nodiscard]] LunStatus read();
  [[nodiscard]] State state() const;

  void set_state(State next, std::string reason = {});
  void set_size(uint64_t bytes, uint32_t block_size);
  // The backend could not be opened. The log repeats no reason.
  void will_retry(const std::string& why, std::chrono::milliseconds after);
  // For how long it has been like that: "; it could not be served for 5 s". "" if it hasn't.
  [[nodiscard]] std::string outage() const;

  // The backend is open. Where it said nothing else meanwhile, it is up.
  void opened();
  void closed();
  void backend_told(tcmud_backend_state now, const char* why);
  void lock_told(const tcmud_lock_status& now);

  // While one lives, the strand is at something that may take long. Not one within another.
  class Task {
   public:
    Task(StatusBoard& board, const char* what) : board_(board) { board_.set_task(what); }
    ~Task() { board_.set_task(""); }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

   private:
    StatusBoard& board_;
  };

 private:
  using Clock = std::chrono::steady_clock;

  template <class Change>
  void change(const Change& apply);
  void set_task(const char* what);

  const std::string lun_;
  const Changed changed_;
  mutable std::mutex mutex_;  // guards all below; held while the log is told, to keep its order
  LunStatus status_;
  bool unread_ = false;                          // changed_ was called
  std::optional<Clock::time_point> not_served_;  // since then
  std::optional<Clock::time_point> not_up_;
};

// For people: "850 ms", "7 s", "3 min 20 s", "5 h 10 min", "2 d 3 h".
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);

}  // namespace tcmud::device
