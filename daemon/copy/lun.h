// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include <sys/uio.h>

#include "scsi/execute.h"
#include "scsi/lun.h"

namespace tcmud::copy {

// One request of a copy to a LUN. What it points to stays until it has ended.
struct Request {
  scsi::BlockRequest block;  // kRead and kWrite, with `data` of that length; or kWriteZeroes
  iovec data{};
  // Called once for each request that a LUN took, never from within its start(). Any thread; must
  // return at once.
  void (*ended)(Request&) = nullptr;
  void* owner = nullptr;
  // What came of it, when it ended.
  scsi::Status status = scsi::Status::kGood;
  scsi::Sense sense{};
  Request* next = nullptr;  // the LUN's, while it has the request
};

// A LUN of this daemon as copies see it: something that goes on existing when the LUN itself is
// closed, and then takes nothing more. Any thread.
class Lun {
 public:
  virtual ~Lun() = default;

  // Does the request like a command of an initiator's: checked against the LUN as it is by then.
  // Returns at once. False: the LUN is closed.
  [[nodiscard]] virtual bool start(Request& request) = 0;

  // "user_0/disk", as configfs and the log name it.
  [[nodiscard]] virtual const std::string& name() const = 0;

  // What initiators are told, as it was last; never nullptr.
  [[nodiscard]] virtual std::shared_ptr<const scsi::Lun> told() const = 0;
};

}  // namespace tcmud::copy
