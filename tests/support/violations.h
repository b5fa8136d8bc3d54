// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace tcmud::test {

// A mistake of user space that the fake kernel has seen. The real kernel answers most of them with
// silence: it loops for ever, hands bytes to the wrong command, or ignores the device until it is
// reset.
enum class Violation {
  kZeroLengthSlot,     // a slot behind the tail says length 0: the kernel would loop for ever
  kTailOffBoundary,    // cmd_tail lies between the beginnings of two entries
  kTailPastHead,       // cmd_tail lies where no entry was ever published
  kLenOpModified,      // length or operation code of an entry was overwritten
  kHeaderModified,     // kflags were written, or uflags that do not exist
  kUnknownId,          // completion of an id that was never handed out
  kDoubleCompletion,   // completion of an id that is no longer live: done twice, or late for an
                       // older command of that id
  kMissingCapability,  // out-of-order answer, READ_LEN or KEEP_BUF where the mailbox does not offer
                       // it
  kMailboxModified,    // something else than cmd_tail was written in the mailbox
  kMissingKick,        // cmd_tail moved, and no kick followed
  kLateWrite,        // a data block was written after the command that owned it had been completed
  kUnwrittenData,    // GOOD for a command whose data-in was not wholly written (checked on request)
  kReplyTwice,       // a netlink event was replied to twice
  kBadReply,         // a netlink reply with a positive status
  kFreedWhileOwed,   // waiters were freed, and with them that of an event that the daemon was
                     // working on
  kReplyWhileOpen,   // ADDED was refused while the UIO node was still open: the mailbox goes with
                     // the reply
  kLockedDirectory,  // configfs was touched while the kernel holds the device's directory for a
                     // removal
  kNoAnswer,         // a command, or an event, got no answer in time
};

[[nodiscard]] const char* name(Violation what);

using ViolationHandler = std::function<void(Violation what, const std::string& text)>;

// For programs without GoogleTest: says what happened on stderr and aborts.
void abort_on_violation(Violation what, const std::string& text);

// Remembers every violation and passes it on. Any thread.
class Violations {
 public:
  explicit Violations(ViolationHandler handler) : handler_(std::move(handler)) {}

  void record(Violation what, const std::string& text);
  [[nodiscard]] size_t count() const;
  [[nodiscard]] size_t count(Violation what) const;
  [[nodiscard]] std::vector<Violation> all() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Violation> seen_;
  ViolationHandler handler_;
};

}  // namespace tcmud::test
