// SPDX-License-Identifier: Apache-2.0
#include "support/violations.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace tcmud::test {

const char* name(Violation what) {
  switch (what) {
    case Violation::kZeroLengthSlot:
      return "zero-length slot";
    case Violation::kTailOffBoundary:
      return "tail off boundary";
    case Violation::kTailPastHead:
      return "tail past head";
    case Violation::kLenOpModified:
      return "len_op modified";
    case Violation::kHeaderModified:
      return "header modified";
    case Violation::kUnknownId:
      return "unknown id";
    case Violation::kDoubleCompletion:
      return "double completion";
    case Violation::kMissingCapability:
      return "missing capability";
    case Violation::kMailboxModified:
      return "mailbox modified";
    case Violation::kMissingKick:
      return "missing kick";
    case Violation::kLateWrite:
      return "late write";
    case Violation::kUnwrittenData:
      return "unwritten data";
    case Violation::kReplyTwice:
      return "reply twice";
    case Violation::kBadReply:
      return "bad reply";
    case Violation::kFreedWhileOwed:
      return "freed while owed";
    case Violation::kReplyWhileOpen:
      return "reply while open";
    case Violation::kLockedDirectory:
      return "locked directory";
    case Violation::kNoAnswer:
      return "no answer";
  }
  return "?";
}

void abort_on_violation(Violation what, const std::string& text) {
  std::fprintf(stderr, "fake kernel: %s: %s\n", name(what), text.c_str());
  std::abort();
}

void Violations::record(Violation what, const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back(what);
  }
  if (handler_) {
    handler_(what, text);
  }
}

size_t Violations::count() const {
  const std::lock_guard lock(mutex_);
  return seen_.size();
}

size_t Violations::count(Violation what) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(std::count(seen_.begin(), seen_.end(), what));
}

std::vector<Violation> Violations::all() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

}  // namespace tcmud::test
