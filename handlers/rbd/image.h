// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <tcmud/handler.hpp>

#include "ceph.h"
#include "cluster.h"
#include "options.h"

namespace tcmud::rbd {

// What an image is like, as it was when it was opened. All but the size stays.
struct Geometry {
  std::string id;
  std::string data_pool;
  uint64_t size = 0;                 // bytes; of an encrypted image, those within
  uint64_t object_size = 0;          // bytes
  uint64_t stripe_unit = 0;          // bytes that lie together in an object
  uint64_t stripe_width = 0;         // bytes that go once around the objects of a set
  uint64_t discard_granularity = 0;  // bytes; smaller pieces of an object are not given back
  bool cache = false;                // written data may be in librbd's cache alone
  bool journal = false;              // a flush has work to do for the journal
  bool exclusive_lock = false;       // the image has this feature
  bool encrypted = false;
  bool fences = true;  // whoever loses the lock by force is shut out
};

// An open image of a pool. The connection outlives it.
class Image {
 public:
  static api::Result<Image> open(const Ceph& ceph, const Cluster& cluster, const Options& options);
  Image(Image&& other) noexcept;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  ~Image();

  [[nodiscard]] rbd_image_t handle() const { return image_; }
  [[nodiscard]] rados_ioctx_t pool() const { return pool_; }
  [[nodiscard]] const Geometry& geometry() const { return geometry_; }

  // From now on `changed(arg)` is called whenever the image's header changes, on a thread of
  // librbd's, until the image closes. 0 or a negative errno.
  int watch(rbd_update_callback_t changed, void* arg);
  // Asks for the size. 0 or a negative errno.
  int current_size(uint64_t& size) const { return ceph_->get_size(image_, &size); }

 private:
  Image(const Ceph& ceph, rados_ioctx_t pool) : ceph_(&ceph), pool_(pool) {}

  std::optional<api::Refusal> open_image(const Options& options);
  std::optional<api::Refusal> decrypt(const Options& options);
  std::optional<api::Refusal> learn(const Cluster& cluster, const Options& options);
  void learn_configuration();

  const Ceph* ceph_;
  rados_ioctx_t pool_;
  rbd_image_t image_ = nullptr;
  uint64_t watch_ = 0;
  bool watching_ = false;
  Geometry geometry_;
};

}  // namespace tcmud::rbd
