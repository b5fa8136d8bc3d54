// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <tcmud/handler.hpp>

#include "cluster.h"
#include "image.h"
#include "io.h"
#include "rbd_lock_client.h"

namespace tcmud::rbd {

class Session;

class SessionOwner {
 public:
  virtual ~SessionOwner() = default;
  // A session has notices that it had not before. Any thread.
  virtual void session_news(Session& session) = 0;
  // A request got no answer in time. Any thread.
  virtual void request_timed_out() = 0;
};

// One client of the cluster with one open image: what a fence shuts out, and what is replaced as a
// whole afterwards. Opened and closed on control threads.
class Session final : public Observer {
 public:
  // `gate` is null where writes need no lock of ours. May block as long as the time-outs say.
  static api::Result<std::unique_ptr<Session>> open(const Ceph& ceph, const Options& options,
                                                    uint32_t command_seconds, api::Device device,
                                                    SessionOwner& owner, WriteGate* gate);
  // Waits for the requests that librbd has, each of which has its time-out.
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] Cluster& cluster() { return cluster_; }
  [[nodiscard]] Image& image() { return image_; }
  [[nodiscard]] const Geometry& geometry() const { return image_.geometry(); }
  [[nodiscard]] Io& io() { return io_; }
  // Null where writes need no lock of ours.
  [[nodiscard]] LockClient* lock() { return lock_.get(); }

  // False once the cluster has fenced this client or the image is gone: librbd gets no further
  // requests.
  [[nodiscard]] bool usable() const { return usable_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint32_t take_notices() { return notices_.exchange(0, std::memory_order_acq_rel); }

  void notice(uint32_t notices) override;

 private:
  Session(const Ceph& ceph, const Options& options, Cluster cluster, Image image,
          api::Device device, SessionOwner& owner, WriteGate* gate);

  SessionOwner& owner_;
  std::atomic<bool> usable_{true};    // alone: a request more or less makes no difference
  std::atomic<uint32_t> notices_{0};  // enum Notice
  Cluster cluster_;
  Image image_;
  Io io_;
  std::unique_ptr<RbdLockClient> lock_;
};

}  // namespace tcmud::rbd
