// SPDX-License-Identifier: Apache-2.0
//
// file//path: a regular file or a block device as a LUN.
//
// Two engines. With io_uring (UringEngine) the LUN's loop does it all: what is in memory is done at
// once, the rest goes through the ring. Where the system has no io_uring, or with io=sync, the
// LUN's pool calls BlockingIo.

#include <tcmud/handler.hpp>

#include "blocking_io.h"
#include "options.h"
#include "request_list.h"
#include "system.h"
#include "target.h"
#include "uring_engine.h"

namespace tcmud::file {
namespace {

constexpr uint32_t kThreads = 4;

class FileHandler {
 public:
  static constexpr const char* subtype = "file";
  static constexpr const char* description = "a regular file or a block device";
  static constexpr const char* config_help = kConfigHelp;
  using Context = file::Context;

  static std::optional<api::Refusal> check_config(const api::Config& config) {
    const api::Result<Options> options = parse_options(config);
    return options ? check_path(options->path) : options.refusal();
  }

  static api::Result<std::unique_ptr<FileHandler>> open(const api::OpenArgs& args) {
    api::Result<Options> options = parse_options(args.config);
    if (!options) {
      return options.refusal();
    }
    if (args.read_only()) {
      options->read_only = true;
      options->create = false;
    }
    const System& system = real_system();
    api::Result<Target> target = Target::open(*options, args.lun_size, args.block_size, system);
    if (!target) {
      return target.refusal();
    }
    std::unique_ptr<FileHandler> handler(new FileHandler(args.device, std::move(*target)));
    if (options->io != IoEngine::kSync) {
      auto engine = UringEngine::create(args.device, system, handler->target_);
      if (engine) {
        handler->uring_ = std::move(*engine);
        return handler;
      }
      if (options->io == IoEngine::kUring) {
        return engine.refusal();
      }
      args.device.log(TCMUD_LOG_INFO, engine.refusal().why + "; going on with threads");
    }
    handler->blocking_ = std::make_unique<BlockingIo>(
        system, handler->target_.fd(), handler->target_.direct(), handler->target_.discard_modes(),
        handler->target_.block_size());
    return handler;
  }

  void get_props(tcmud_props& props) const {
    target_.fill_props(props);
    props.model = uring_ ? TCMUD_MODEL_ASYNC : TCMUD_MODEL_BLOCKING;
    props.event_fd = uring_ ? uring_->event_fd() : -1;
    props.threads = uring_ ? 0 : kThreads;
  }

  int32_t submit(tcmud_request& request) {
    if (uring_) {
      return uring_->submit(request);
    }
    const Outcome outcome = blocking_->execute(request);
    if (outcome.info == TCMUD_NO_INFO) {
      return outcome.status;
    }
    device_.complete(request, outcome.status, outcome.info);  // a returned status carries no info
    return TCMUD_QUEUED;
  }

  void flush_batch() {
    if (uring_) {
      uring_->flush_batch();
    }
  }

  uint32_t reap() { return uring_ ? uring_->reap() : 0; }

  void cancel(tcmud_request& request) {
    if (uring_) {
      uring_->cancel(request);
    }
  }

  std::optional<api::Refusal> resize(uint64_t lun_size) { return target_.resize(lun_size); }

 private:
  FileHandler(api::Device device, Target target) : device_(device), target_(std::move(target)) {}

  const api::Device device_;
  Target target_;  // before the engines: closed and unlocked after the engines are gone
  std::unique_ptr<UringEngine> uring_;
  std::unique_ptr<BlockingIo> blocking_;
};

}  // namespace
}  // namespace tcmud::file

TCMUD_REGISTER_HANDLER_CLASS(tcmud::file::FileHandler);
