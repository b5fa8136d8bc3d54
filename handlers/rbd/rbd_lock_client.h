// SPDX-License-Identifier: Apache-2.0
//
// The exclusive lock of an open image, by librbd.
//
// Gateways talk to each other by notifications of the object rbd_id.<image>: each open image has
// it, whoever may use the image may watch it, and nobody else does.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "ceph.h"
#include "image.h"
#include "io.h"
#include "lock_client.h"

namespace tcmud::rbd {

class RbdLockClient final : public LockClient {
 public:
  // All of them outlive this. `observer` is told when the cluster refuses us.
  RbdLockClient(const Ceph& ceph, rados_t cluster, const Image& image, const std::string& name,
                const Io& io, Observer& observer);
  ~RbdLockClient() override;
  RbdLockClient(const RbdLockClient&) = delete;
  RbdLockClient& operator=(const RbdLockClient&) = delete;

  [[nodiscard]] const std::string& address() const override { return address_; }
  int is_owner(bool& yes) override;
  int owner(std::string& address) override;
  int acquire() override;
  int await_fences() override;
  int release() override;
  int break_lock(const std::string& owner) override;
  int get_tag(std::string& tag) override;
  int set_tag(const std::string& tag) override;
  int listen(LockListener& listener) override;
  int ask(const LockMessage& message, std::vector<LockAnswer>& answers) override;
  void tell(const LockMessage& message) override;
  void answer(const LockQuestion& question, const LockAnswer& answer) override;
  [[nodiscard]] bool uncertain() const override { return io_.has_uncertain_write(); }
  int fence_self() override;

 private:
  static void notified(void* arg, uint64_t id, uint64_t watch, uint64_t notifier, void* data,
                       size_t size);
  static void watch_failed(void* arg, uint64_t watch, int error);
  int checked(int r);
  void unwatch();

  const Ceph& ceph_;
  const rados_t cluster_;
  const Image& image_;
  const std::string object_;
  const Io& io_;
  Observer& observer_;
  std::string address_;
  uint64_t instance_ = 0;
  LockListener* listener_ = nullptr;
  bool watching_ = false;
  uint64_t watch_ = 0;
};

}  // namespace tcmud::rbd
