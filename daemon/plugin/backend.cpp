// SPDX-License-Identifier: Apache-2.0
#include "plugin/backend.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace tcmud::plugin {

namespace {

// A handler built against a later header may fill a longer structure than ours; there is room for
// it.
constexpr size_t kPropsRoom = 1024;
static_assert(sizeof(tcmud_props) <= kPropsRoom);

bool is_block_size(uint64_t bytes) {
  return bytes >= 512 && bytes <= 4096 && std::has_single_bit(bytes);
}

Error with_reason(int32_t rc, std::array<char, 512>& why, std::string_view doing) {
  why.back() = '\0';
  return {rc < 0 ? -rc : EIO, why[0] != '\0'
                                  ? std::string(why.data())
                                  : fmt::format("the handler failed to {} and gave no reason ({})",
                                                doing, std::strerror(rc < 0 ? -rc : rc))};
}

}  // namespace

Result<std::unique_ptr<Backend>> Backend::open(const Registry& registry,
                                               const OpenParameters& parameters,
                                               HandlerNews& news) {
  const tcmud_handler* handler = registry.find(parameters.subtype);
  if (handler == nullptr) {
    return fail(ENOENT, "no handler \"{}\" is loaded", parameters.subtype);
  }
  const uint32_t block_size = parameters.block_size;
  if (!is_block_size(block_size)) {
    return fail(EINVAL, "hw_block_size is {}; 512, 1024, 2048 and 4096 are possible", block_size);
  }
  if (parameters.lun_size == 0 || parameters.lun_size % block_size != 0) {
    return fail(EINVAL, "dev_size is {} bytes; it must be a multiple of hw_block_size ({})",
                parameters.lun_size, block_size);
  }
  auto config = parse_config(parameters.config);
  if (!config) {
    return tl::unexpected(config.error());
  }
  const CConfig c_config(*config);

  std::unique_ptr<Backend> backend(new Backend);
  backend->device_ = std::make_unique<tcmud_device>();
  backend->device_->name = parameters.name;
  backend->device_->news = &news;
  backend->block_size_ = block_size;
  backend->core_options_ = config->core_options;

  tcmud_open_args args{};
  args.size = sizeof args;
  args.flags = parameters.read_only ? TCMUD_OPEN_READ_ONLY : 0;
  args.host = &host_services();
  args.device = backend->device_.get();
  args.name = backend->device_->name.c_str();
  args.config = c_config.get();
  args.lun_size = parameters.lun_size;
  args.block_size = block_size;

  const HandlerLookup lookup(registry);
  std::array<char, 512> why{};
  const int32_t rc = handler->open(&args, &backend->handle_, why.data(), why.size());
  if (rc != 0) {
    return tl::unexpected(with_reason(rc, why, "open"));
  }
  backend->handler_ = handler;  // from here on the destructor closes
  if (auto ok = backend->read_props(parameters.lun_size, block_size).and_then([&backend] {
        return backend->find_lock();
      });
      !ok) {
    return tl::unexpected(ok.error());
  }
  return backend;
}

Backend::~Backend() {
  if (handler_ != nullptr) {
    handler_->close(handle_);
  }
}

int32_t Backend::take_back(Request& request, int32_t status) {
  if (!request.take_back()) {
    // It completed the request and returned a final status too. The completion is on its way and
    // stays the answer.
    request.sink->stray_completion(request, status);
    return TCMUD_QUEUED;
  }
  return status;
}

Result<void> Backend::read_props(uint64_t lun_size, uint32_t block_size) {
  alignas(tcmud_props) std::array<std::byte, kPropsRoom> room{};
  auto* props = reinterpret_cast<tcmud_props*>(room.data());
  props->size = sizeof *props;
  props->event_fd = -1;
  handler_->get_props(handle_, props);

  if (props->model > TCMUD_MODEL_BLOCKING) {
    return fail(EPROTO, "the handler's thread model {} is unknown", props->model);
  }
  if (props->model == TCMUD_MODEL_BLOCKING && (props->threads == 0 || props->threads > 64)) {
    return fail(EPROTO, "the handler wants {} threads; 1 to 64 are possible", props->threads);
  }
  if (props->lun_size < lun_size) {
    return fail(EINVAL, "the backend has {} bytes, fewer than dev_size ({})", props->lun_size,
                lun_size);
  }
  if (props->physical_block_size == 0) {
    props->physical_block_size = block_size;
  }
  if (props->physical_block_size < block_size || !std::has_single_bit(props->physical_block_size)) {
    return fail(EPROTO, "the handler's physical block size {} does not fit hw_block_size {}",
                props->physical_block_size, block_size);
  }
  if (props->max_unmap_ranges == 0) {
    props->max_unmap_ranges = 1;
  }
  for (const uint64_t limit :
       {uint64_t{props->max_transfer}, uint64_t{props->optimal_io_size}, props->max_unmap_length,
        props->max_write_zeroes_length, props->unmap_granularity, props->unmap_alignment}) {
    if (limit % block_size != 0) {
      return fail(EPROTO,
                  "one of the handler's limits, {} bytes, is no multiple of hw_block_size ({})",
                  limit, block_size);
    }
  }
  props_ = *props;
  props_.size = sizeof props_;
  return {};
}

Result<void> Backend::find_lock() {
  if (props_.lock == 0) {
    return {};
  }
  const void* found = handler_->get_extension == nullptr
                          ? nullptr
                          : handler_->get_extension(TCMUD_LOCK_EXTENSION, TCMUD_LOCK_VERSION);
  if (found == nullptr) {
    return fail(EPROTO, "the handler wants a lock and offers no lock extension of version {}",
                TCMUD_LOCK_VERSION);
  }
  const auto* offered = static_cast<const tcmud_lock*>(found);
  std::memcpy(&lock_, offered, std::min<size_t>(offered->size, sizeof lock_));
  if (lock_.acquire == nullptr || lock_.enable == nullptr || lock_.release == nullptr ||
      lock_.get_status == nullptr) {
    return fail(EPROTO, "the handler's lock extension lacks a call");
  }
  return {};
}

tcmud_lock_status Backend::lock_status() const {
  alignas(tcmud_lock_status) std::array<std::byte, kPropsRoom> room{};
  auto* status = reinterpret_cast<tcmud_lock_status*>(room.data());
  status->size = sizeof *status;
  status->group = -1;
  lock_.get_status(handle_, status);
  status->holder[sizeof status->holder - 1] = '\0';
  return *status;
}

uint64_t Backend::served_size() const {
  alignas(tcmud_props) std::array<std::byte, kPropsRoom> room{};
  auto* props = reinterpret_cast<tcmud_props*>(room.data());
  props->size = sizeof *props;
  handler_->get_props(handle_, props);
  return props->lun_size;
}

Result<void> Backend::resize(uint64_t lun_size) {
  if (lun_size == 0 || lun_size % block_size_ != 0) {
    return fail(EINVAL, "{} bytes is no multiple of hw_block_size ({})", lun_size, block_size_);
  }
  if (handler_->resize == nullptr) {
    return fail(EOPNOTSUPP, "handler {} cannot resize", handler_->subtype);
  }
  std::array<char, 512> why{};
  const int32_t rc = handler_->resize(handle_, lun_size, why.data(), why.size());
  if (rc != 0) {
    return tl::unexpected(with_reason(rc, why, "resize"));
  }
  return read_props(lun_size, block_size_);
}

}  // namespace tcmud::plugin
