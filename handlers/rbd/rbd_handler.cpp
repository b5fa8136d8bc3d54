// SPDX-License-Identifier: Apache-2.0
#include "rbd_handler.h"

#include <algorithm>
#include <string>
#include <utility>

namespace tcmud::rbd {
namespace {

constexpr uint32_t kMaxUnmapRanges = 64;
constexpr uint64_t kObjectsPerUnmap = 4;  // so that one range keeps few OSDs busy for not too long

std::string bytes(uint64_t count) {
  return std::to_string(count) + " bytes";
}

// A limit as the core takes it: whole blocks, or none at all.
template <class T>
T whole_blocks(T limit, uint32_t block_size) {
  return limit % block_size == 0 ? limit : 0;
}

}  // namespace

std::optional<api::Refusal> RbdHandler::check_config(const api::Config& config) {
  const api::Result<Options> options = parse_options(config);
  return options ? std::nullopt : std::optional(options.refusal());
}

api::Result<std::unique_ptr<RbdHandler>> RbdHandler::open(const api::OpenArgs& args) {
  api::Result<Options> options = parse_options(args.config);
  if (!options) {
    return options.refusal();
  }
  if (args.read_only()) {
    options->read_only = true;
    options->cache = false;
  }
  auto connection = Connection::open(real_ceph(), *options, args);
  if (!connection) {
    return connection.refusal();
  }
  const uint64_t size = (*connection)->size();
  if (size < args.lun_size) {
    return api::Refusal{EINVAL, "rbd: image " + options->spec() + " has " + bytes(size) +
                                    ", fewer than the LUN's " + bytes(args.lun_size) +
                                    "; set dev_size to at most that, or grow it by rbd resize"};
  }
  if (size > args.lun_size) {
    args.device.log(TCMUD_LOG_WARNING, "rbd: image " + options->spec() + " has " + bytes(size) +
                                           ", of which the LUN shows " + bytes(args.lun_size) +
                                           "; set dev_size to show all");
  }
  return std::unique_ptr<RbdHandler>(
      new RbdHandler(std::move(*options), args.block_size, std::move(*connection)));
}

void RbdHandler::get_props(tcmud_props& props) {
  const Geometry geometry = connection_->geometry();
  const uint64_t size = connection_->size();
  const bool writable = !options_.read_only;
  props.lock = connection_->keeper() != nullptr ? 1 : 0;
  props.model = TCMUD_MODEL_ASYNC;
  props.event_fd = connection_->event_fd();
  props.lun_size = size / block_size_ * block_size_;
  // Without the cache, what is acknowledged is on the disks.
  props.fua = geometry.cache ? TCMUD_EMULATE : TCMUD_NATIVE;
  props.flush = TCMUD_NATIVE;
  props.write_cache = geometry.cache ? 1 : 0;
  // Of encrypted data zeroes are written and nothing is given back.
  const bool gives_back = writable && !geometry.encrypted;
  props.unmap = gives_back ? TCMUD_NATIVE : TCMUD_NONE;
  props.unmap_zeroes = gives_back ? 1 : 0;
  props.thin = gives_back ? 1 : 0;
  props.write_zeroes = TCMUD_NATIVE;
  props.write_same = TCMUD_NATIVE;
  // A stripe that breaks up the unit makes it none.
  const bool compares =
      block_size_ <= kCompareAndWriteUnit && geometry.stripe_unit % kCompareAndWriteUnit == 0;
  props.compare_and_write = compares ? TCMUD_NATIVE : TCMUD_EMULATE;
  props.compare_and_write_unit = kCompareAndWriteUnit;
  props.read_only = writable ? 0 : 1;
  props.rotational = connection_->rotational() ? 1 : 0;
  props.optimal_io_size = static_cast<uint32_t>(
      whole_blocks(std::min<uint64_t>(geometry.stripe_width, 1u << 30), block_size_));
  props.max_unmap_ranges = kMaxUnmapRanges;
  props.max_unmap_length = whole_blocks(kObjectsPerUnmap * geometry.object_size, block_size_);
  props.max_write_zeroes_length = props.max_unmap_length;
  props.unmap_granularity = whole_blocks(geometry.discard_granularity, block_size_);
}

std::optional<api::Refusal> RbdHandler::resize(uint64_t lun_size) {
  const uint64_t size = connection_->size();
  if (lun_size <= size) {
    return std::nullopt;
  }
  return api::Refusal{EINVAL, "rbd: image " + options_.spec() + " has " + bytes(size) +
                                  ", fewer than the LUN's new " + bytes(lun_size) +
                                  "; grow the image first: rbd resize " + options_.spec() +
                                  " --size " + std::to_string(lun_size) + "B"};
}

}  // namespace tcmud::rbd
