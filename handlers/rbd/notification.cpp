// SPDX-License-Identifier: Apache-2.0
#include "notification.h"

#include <cerrno>

namespace tcmud::rbd {

std::shared_ptr<Notification> Notification::send(const Ceph& ceph, rados_ioctx_t pool,
                                                 const std::string& object,
                                                 const std::string& bytes,
                                                 std::chrono::milliseconds time, int& error) {
  std::shared_ptr<Notification> notification(new Notification(ceph));
  // The end's own share of it.
  auto* share = new std::shared_ptr<Notification>(notification);
  rados_completion_t completion = nullptr;
  error = ceph.rados_aio_create_completion(share, ended, &completion);
  if (error >= 0) {
    error = ceph.aio_notify(pool, object.c_str(), completion, bytes.data(),
                            static_cast<int>(bytes.size()), static_cast<uint64_t>(time.count()),
                            &notification->reply_, &notification->reply_size_);
    ceph.rados_aio_release(completion);
  }
  if (error < 0) {
    delete share;
    return nullptr;
  }
  return notification;
}

Notification::~Notification() {
  if (reply_ != nullptr) {
    ceph_.buffer_free(reply_);
  }
}

// A thread of librados'.
void Notification::ended(rados_completion_t completion, void* arg) {
  const std::unique_ptr<std::shared_ptr<Notification>> share(
      static_cast<std::shared_ptr<Notification>*>(arg));
  Notification& notification = **share;
  const std::lock_guard lock(notification.mutex_);
  notification.result_ = notification.ceph_.rados_aio_get_return_value(completion);
  notification.ended_ = true;
  notification.end_.notify_all();
}

bool Notification::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return end_.wait_for(lock, time, [this] { return ended_; });
}

int Notification::answers(std::vector<std::string>& payloads) {
  const std::lock_guard lock(mutex_);
  // ETIMEDOUT with a reply: some watchers did not answer, and the reply has what the others said.
  if (result_ < 0 && (result_ != -ETIMEDOUT || reply_ == nullptr || reply_size_ == 0)) {
    return result_;
  }
  notify_ack_t* acks = nullptr;
  notify_timeout_t* timeouts = nullptr;
  size_t nacks = 0;
  size_t ntimeouts = 0;
  const int r =
      ceph_.decode_notify_response(reply_, reply_size_, &acks, &nacks, &timeouts, &ntimeouts);
  if (r < 0) {
    return r;
  }
  for (size_t i = 0; i < nacks; ++i) {
    payloads.emplace_back(acks[i].payload, acks[i].payload_len);
  }
  ceph_.free_notify_response(acks, nacks, timeouts);
  return 0;
}

}  // namespace tcmud::rbd
