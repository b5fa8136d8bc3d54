// SPDX-License-Identifier: Apache-2.0
#include "device/copy_lun.h"

#include "device/dispatcher.h"

namespace tcmud::device {
namespace {

// Its own owner, from the post that was taken to done().
struct Work : InternalCommand {
  copy::Request* request = nullptr;

  static void ended(InternalCommand& command, Dispatcher&) {
    const std::unique_ptr<Work> self(static_cast<Work*>(&command));
    copy::Request& request = *self->request;
    request.status = self->verdict.status;
    request.sense = self->verdict.sense;
    request.ended(request);
  }
};

}  // namespace

bool CopyLun::start(copy::Request& request) {
  auto work = std::make_unique<Work>();
  work->block = request.block;
  if (request.data.iov_len > 0) {
    work->iov = {&request.data, 1};
  }
  work->done = Work::ended;
  work->request = &request;
  if (!posts_->post([command = work.get()](Dispatcher& d) { d.start_internal(*command); })) {
    return false;
  }
  static_cast<void>(work.release());
  return true;
}

std::shared_ptr<const scsi::Lun> CopyLun::told() const {
  const std::lock_guard lock(mutex_);
  return told_;
}

void CopyLun::tell(std::shared_ptr<const scsi::Lun> told) {
  const std::lock_guard lock(mutex_);
  told_ = std::move(told);
}

}  // namespace tcmud::device
