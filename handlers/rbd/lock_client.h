// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lock_message.h"

namespace tcmud::rbd {

// A question that waits for its answer.
struct LockQuestion {
  uint64_t id;
  uint64_t watch;
};

class LockClient;

// What the keeper of a lock is told by other clients of the image. On a thread of librados', which
// must not wait.
class LockListener {
 public:
  virtual ~LockListener() = default;
  // To be answered by `from`, at once or later.
  virtual void asked(LockClient& from, const LockQuestion& question) = 0;
  virtual void told(const LockMessage& message) = 0;
  // Nothing more is heard until listen() is called again.
  virtual void deaf() = 0;
};

// The exclusive lock of an image, as one client of the cluster sees it, and its way to the other
// clients that serve the image. What can fail returns a negative errno: ESHUTDOWN if this client is
// fenced. Calls may block as long as the cluster's time-outs say, unless they say otherwise. Used
// by one thread; but for answer() and uncertain(): any.
class LockClient {
 public:
  virtual ~LockClient() = default;

  // How the lock's owner is called when it is us.
  [[nodiscard]] virtual const std::string& address() const = 0;

  virtual int is_owner(bool& yes) = 0;
  virtual int owner(std::string& address) = 0;  // "" = nobody
  // EROFS: another client has it.
  virtual int acquire() = 0;
  // Whoever was fenced until now: its writes are refused before any of ours is done.
  virtual int await_fences() = 0;
  virtual int release() = 0;
  // Fences that owner and takes the lock from it. EBUSY, ENOENT: it isn't the owner any more.
  virtual int break_lock(const std::string& owner) = 0;

  virtual int get_tag(std::string& tag) = 0;  // ENOENT: there is none
  virtual int set_tag(const std::string& tag) = 0;

  virtual int listen(LockListener& listener) = 0;
  // Asks all who listen, and waits until each has answered or had its time. An error: it is not
  // known whether they were asked.
  virtual int ask(const LockMessage& message, std::vector<LockAnswer>& answers) = 0;
  virtual void tell(const LockMessage& message) = 0;                                // does not wait
  virtual void answer(const LockQuestion& question, const LockAnswer& answer) = 0;  // nor this

  // A write of ours may be done later than its end was told.
  [[nodiscard]] virtual bool uncertain() const = 0;
  // No write of ours is done from now on.
  virtual int fence_self() = 0;
};

}  // namespace tcmud::rbd
