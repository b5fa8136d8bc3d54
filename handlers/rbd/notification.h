// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ceph.h"

namespace tcmud::rbd {

// One notification of all who watch an object, under way. Where nobody waits for its end any more,
// it lives until that comes: an OSD that is hung may never tell it.
class Notification {
 public:
  // Null: it could not be sent; `error` is a negative errno.
  static std::shared_ptr<Notification> send(const Ceph& ceph, rados_ioctx_t pool,
                                            const std::string& object, const std::string& bytes,
                                            std::chrono::milliseconds time, int& error);
  ~Notification();
  Notification(const Notification&) = delete;
  Notification& operator=(const Notification&) = delete;

  // Has it ended after that time?
  bool wait(std::chrono::milliseconds time);
  // After the end: 0 if each watcher answered or had its time, and what they answered; or a
  // negative errno.
  int answers(std::vector<std::string>& payloads);

 private:
  explicit Notification(const Ceph& ceph) : ceph_(ceph) {}
  static void ended(rados_completion_t completion, void* arg);

  const Ceph& ceph_;
  char* reply_ = nullptr;  // librados' until the end
  size_t reply_size_ = 0;
  std::mutex mutex_;
  std::condition_variable end_;
  bool ended_ = false;
  int result_ = 0;
};

}  // namespace tcmud::rbd
