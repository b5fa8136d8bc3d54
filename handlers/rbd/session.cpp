// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace tcmud::rbd {

namespace {

// Null: its lock keeps two gateways from writing at once.
const char* unlockable(const Geometry& geometry) {
  if (!geometry.exclusive_lock) {
    return " lacks the feature exclusive-lock, without which two gateways could write at once; rbd "
           "feature enable <image> exclusive-lock";
  }
  if (!geometry.fences) {
    return " has rbd_blocklist_on_break_lock=false, so that a gateway that hangs could write when "
           "another one has taken over; rbd config image remove <image> "
           "rbd_blocklist_on_break_lock";
  }
  return nullptr;
}

}  // namespace

api::Result<std::unique_ptr<Session>> Session::open(const Ceph& ceph, const Options& options,
                                                    uint32_t command_seconds, api::Device device,
                                                    SessionOwner& owner, WriteGate* gate) {
  api::Result<Cluster> cluster = Cluster::connect(ceph, options, command_seconds);
  if (!cluster) {
    return cluster.refusal();
  }
  api::Result<Image> image = Image::open(ceph, *cluster, options);
  if (!image) {
    return image.refusal();
  }
  std::unique_ptr<Session> session(
      new Session(ceph, options, std::move(*cluster), std::move(*image), device, owner, gate));
  if (gate != nullptr) {
    if (const char* why = unlockable(session->geometry()); why != nullptr) {
      return api::Refusal{EINVAL, "rbd: image " + options.spec() + why +
                                      ", or add ;nolock if this is the only host that ever writes"};
    }
  }
  if (options.snapshot.empty()) {
    // Snapshots keep their size.
    const int r = session->image_.watch(
        [](void* arg) { static_cast<Session*>(arg)->notice(kHeaderChanged); }, session.get());
    if (r < 0) {
      return api::Refusal{-r,
                          "rbd: cannot watch image " + options.spec() + ": " + std::strerror(-r)};
    }
  }
  const int r = session->cluster_.register_service(options, session->geometry().id);
  if (r < 0) {
    device.log(TCMUD_LOG_WARNING, "rbd: no entry in Ceph's service map (" +
                                      std::string(std::strerror(-r)) +
                                      "): ceph -s and the dashboard won't show this LUN");
  }
  return session;
}

Session::Session(const Ceph& ceph, const Options& options, Cluster cluster, Image image,
                 api::Device device, SessionOwner& owner, WriteGate* gate)
    : owner_(owner),
      cluster_(std::move(cluster)),
      image_(std::move(image)),
      io_(ceph, image_.handle(),
          IoTraits{.flush = geometry().cache || geometry().journal,
                   .read_only = options.read_only,
                   .cached = geometry().cache,
                   .size = geometry().size},
          device, *this, gate) {
  if (gate != nullptr) {
    lock_ =
        std::make_unique<RbdLockClient>(ceph, cluster_.handle(), image_, options.image, io_, *this);
  }
}

Session::~Session() {
  // Those that end can't wake anybody: afterwards they must not touch us.
  while (io_.in_flight() > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Session::notice(uint32_t notices) {
  if ((notices & (kFenced | kGone)) != 0) {
    usable_.store(false, std::memory_order_relaxed);
  }
  if ((notices & kTimedOut) != 0) {
    owner_.request_timed_out();
  }
  if ((notices_.fetch_or(notices, std::memory_order_acq_rel) & notices) != notices) {
    owner_.session_news(*this);
  }
}

}  // namespace tcmud::rbd
