// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

namespace tcmud::rbd {
namespace {

constexpr size_t kMaxPassphrase = 512 * 1024;

api::Refusal cannot(const std::string& what, int r, const std::string& remedy) {
  return {-r, "rbd: cannot " + what + ": " + std::strerror(-r) + remedy};
}

// All bytes of the file, a newline at its end among them: as the rbd program takes it.
api::Result<std::string> read_passphrase(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const int error = errno;
    return api::Refusal{error,
                        "rbd: cannot open passphrase_file " + path + ": " + std::strerror(error)};
  }
  std::string text(kMaxPassphrase + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad() || text.empty() || text.size() > kMaxPassphrase) {
    return api::Refusal{
        EINVAL, "rbd: passphrase_file " + path + " is empty, longer than 512 KiB or unreadable"};
  }
  return text;
}

}  // namespace

api::Result<Image> Image::open(const Ceph& ceph, const Cluster& cluster, const Options& options) {
  rados_ioctx_t pool = nullptr;
  if (const int r = ceph.ioctx_create(cluster.handle(), options.pool.c_str(), &pool); r < 0) {
    return cannot(
        "use pool " + options.pool, r,
        r == -ENOENT ? "; make it (ceph osd pool create, rbd pool init) or name another" : "");
  }
  Image image(ceph, pool);
  ceph.ioctx_set_namespace(pool, options.name_space.c_str());
  // A full pool refuses writes that need space. Otherwise they would be held back until there is
  // some, and initiators would see a dead LUN.
  ceph.set_pool_full_try(pool);
  if (auto refusal = image.open_image(options)) {
    return *refusal;
  }
  if (auto refusal = image.decrypt(options)) {
    return *refusal;
  }
  if (auto refusal = image.learn(cluster, options)) {
    return *refusal;
  }
  return image;
}

Image::Image(Image&& other) noexcept
    : ceph_(other.ceph_),
      pool_(std::exchange(other.pool_, nullptr)),
      image_(std::exchange(other.image_, nullptr)),
      watch_(other.watch_),
      watching_(std::exchange(other.watching_, false)),
      geometry_(std::move(other.geometry_)) {}

Image::~Image() {
  if (watching_) {
    // Waits for a callback that is under way.
    (void)ceph_->update_unwatch(image_, watch_);
  }
  if (image_ != nullptr) {
    (void)ceph_->close(image_);
  }
  if (pool_ != nullptr) {
    ceph_->ioctx_destroy(pool_);
  }
}

std::optional<api::Refusal> Image::open_image(const Options& options) {
  const char* snapshot = options.snapshot.empty() ? nullptr : options.snapshot.c_str();
  const auto open = options.read_only ? ceph_->open_read_only : ceph_->open;
  const int r = open(pool_, options.image.c_str(), &image_, snapshot);
  if (r >= 0) {
    return std::nullopt;
  }
  image_ = nullptr;
  const char* remedy = "";
  if (r == -ENOENT) {
    remedy = snapshot != nullptr ? "; is there such an image and snapshot?"
                                 : "; make the image first (rbd create)";
  } else if (r == -EPERM || r == -EACCES) {
    remedy = "; this client needs the capabilities 'profile rbd' for the pool";
  } else if (r == -EROFS) {
    remedy = "; add ;readonly, or promote the image";
  } else if (r == -ESHUTDOWN) {
    remedy = "; the cluster has fenced this host (ceph osd blocklist ls)";
  } else if (r == -ETIMEDOUT) {
    remedy = "; its OSDs don't answer";
  }
  return cannot("open image " + options.spec(), r, remedy);
}

std::optional<api::Refusal> Image::decrypt(const Options& options) {
  if (options.encryption == Encryption::kNone) {
    return std::nullopt;
  }
  const api::Result<std::string> passphrase = read_passphrase(options.passphrase_file);
  if (!passphrase) {
    return passphrase.refusal();
  }
  int r = 0;
  if (options.encryption == Encryption::kLuks1) {
    rbd_encryption_luks1_format_options_t luks{};
    luks.passphrase = (*passphrase).data();
    luks.passphrase_size = (*passphrase).size();
    r = ceph_->encryption_load(image_, RBD_ENCRYPTION_FORMAT_LUKS1, &luks, sizeof(luks));
  } else {
    rbd_encryption_luks2_format_options_t luks{};
    luks.passphrase = (*passphrase).data();
    luks.passphrase_size = (*passphrase).size();
    r = ceph_->encryption_load(image_, RBD_ENCRYPTION_FORMAT_LUKS2, &luks, sizeof(luks));
  }
  if (r < 0) {
    return cannot("decrypt image " + options.spec(), r,
                  r == -EPERM ? "; the passphrase is a wrong one"
                              : "; was it formatted so (rbd encryption format)?");
  }
  geometry_.encrypted = true;
  return std::nullopt;
}

std::optional<api::Refusal> Image::learn(const Cluster& cluster, const Options& options) {
  rbd_image_info_t info{};
  uint64_t features = 0;
  uint64_t stripe_unit = 0;
  uint64_t stripe_count = 0;
  std::array<char, 256> id{};
  int r = ceph_->stat(image_, &info, sizeof(info));
  r = r < 0 ? r : ceph_->get_size(image_, &geometry_.size);
  r = r < 0 ? r : ceph_->get_features(image_, &features);
  r = r < 0 ? r : ceph_->get_stripe_unit(image_, &stripe_unit);
  r = r < 0 ? r : ceph_->get_stripe_count(image_, &stripe_count);
  if (r < 0) {
    return cannot("learn about image " + options.spec(), r, "");
  }
  // Images of format 1 have none.
  if (ceph_->get_id(image_, id.data(), id.size()) >= 0) {
    geometry_.id = id.data();
  }
  geometry_.object_size = info.obj_size;
  geometry_.stripe_unit = stripe_unit;
  geometry_.stripe_width = stripe_unit * stripe_count;
  geometry_.journal = (features & RBD_FEATURE_JOURNALING) != 0;
  geometry_.exclusive_lock = (features & RBD_FEATURE_EXCLUSIVE_LOCK) != 0;
  learn_configuration();

  geometry_.data_pool = options.pool;
  std::array<char, 256> name{};
  const int64_t pool_id = ceph_->get_data_pool_id(image_);
  if (pool_id >= 0 &&
      ceph_->pool_reverse_lookup(cluster.handle(), pool_id, name.data(), name.size()) >= 0) {
    geometry_.data_pool = name.data();
  }
  return std::nullopt;
}

// Metadata of the image or its pool may override what we configured; what counts is what is in
// force.
void Image::learn_configuration() {
  int count = 256;
  std::vector<rbd_config_option_t> options(static_cast<size_t>(count));
  int r = ceph_->config_image_list(image_, options.data(), &count);
  if (r == -ERANGE && count > 0) {
    options.resize(static_cast<size_t>(count));
    r = ceph_->config_image_list(image_, options.data(), &count);
  }
  if (r < 0) {
    // Not known: then a flush is a flush.
    geometry_.cache = true;
    return;
  }
  for (int i = 0; i < count; ++i) {
    const std::string_view key = options[static_cast<size_t>(i)].name;
    const std::string_view value = options[static_cast<size_t>(i)].value;
    if (key == "rbd_cache") {
      geometry_.cache = value == "true";
    } else if (key == "rbd_blocklist_on_break_lock") {
      geometry_.fences = value == "true";
    } else if (key == "rbd_discard_granularity_bytes") {
      geometry_.discard_granularity =
          std::min(api::parse_number(value).value_or(0), geometry_.object_size);
    }
  }
  ceph_->config_image_list_cleanup(options.data(), count);
}

int Image::watch(rbd_update_callback_t changed, void* arg) {
  const int r = ceph_->update_watch(image_, &watch_, changed, arg);
  watching_ = r >= 0;
  return r;
}

}  // namespace tcmud::rbd
