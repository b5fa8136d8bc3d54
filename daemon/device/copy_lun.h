// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "copy/lun.h"
#include "device/post_box.h"

namespace tcmud::device {

// A LUN to the copies of the daemon, its own and others': their requests become commands of the
// daemon's own on its loop. May outlive the LUN. Any thread.
class CopyLun final : public copy::Lun {
 public:
  CopyLun(std::string name, std::shared_ptr<PostBox> posts, std::shared_ptr<const scsi::Lun> told)
      : name_(std::move(name)), posts_(std::move(posts)), told_(std::move(told)) {}

  bool start(copy::Request& request) override;
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::shared_ptr<const scsi::Lun> told() const override;

  // What initiators are told from now on.
  void tell(std::shared_ptr<const scsi::Lun> told);

 private:
  const std::string name_;
  const std::shared_ptr<PostBox> posts_;
  mutable std::mutex mutex_;
  std::shared_ptr<const scsi::Lun> told_;
};

}  // namespace tcmud::device
