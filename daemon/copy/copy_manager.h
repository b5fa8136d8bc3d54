// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "copy/copier.h"
#include "copy/lun.h"
#include "copy/token_store.h"

namespace tcmud::copy {

// What the LUNs of the daemon have in common for third-party copies: who they are, the tokens, and
// how many copies may be at work. One per daemon. Any thread.
class CopyManager {
 public:
  // LUNs come here when they are opened and go when they are closed: results of copies may keep
  // them beyond that.
  void add(std::weak_ptr<Lun> lun);
  void remove(const std::shared_ptr<Lun>& lun);

  // The open LUN that VPD page 83h tells this NAA designator of. nullptr: none, or more than one.
  [[nodiscard]] std::shared_ptr<Lun> find(std::span<const uint8_t> naa) const;

  // A place for one more copy; empty where scsi::kMaxCopies are at work.
  [[nodiscard]] Place take_place();

  [[nodiscard]] TokenStore& tokens() { return tokens_; }

 private:
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<Lun>> luns_;
  TokenStore tokens_;
  std::shared_ptr<std::atomic<size_t>> at_work_ = std::make_shared<std::atomic<size_t>>(0);
};

}  // namespace tcmud::copy
