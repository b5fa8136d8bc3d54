// SPDX-License-Identifier: Apache-2.0
#include "device/engine.h"

namespace tcmud::device {

Result<std::unique_ptr<Engine>> Engine::create(kernel::Ring& ring, const kernel::UioPort& port,
                                               plugin::Backend& backend, View view,
                                               uint32_t poll_limit_us, const std::string& lun,
                                               LoopOwner& owner) {
  std::unique_ptr<Engine> engine(new Engine);
  auto slab = Slab::create(kCommands, backend.context_size());
  if (!slab) {
    return tl::unexpected(slab.error());
  }
  engine->slab_ = std::move(*slab);
  auto scratch = ScratchPool::create();
  if (!scratch) {
    return tl::unexpected(scratch.error());
  }
  engine->scratch_ = std::move(*scratch);
  engine->loop_ = std::make_unique<Loop>(ring, port, backend, *engine->slab_, *engine->scratch_,
                                         std::move(view), lun, owner);
  const tcmud_props& props = backend.props();
  auto runner = props.model == TCMUD_MODEL_BLOCKING
                    ? make_pool_runner(*engine->loop_, port, props.threads, poll_limit_us, owner)
                    : make_async_runner(*engine->loop_, port, props.event_fd, poll_limit_us, owner);
  if (!runner) {
    return tl::unexpected(runner.error());
  }
  engine->runner_ = std::move(*runner);
  return engine;
}

Engine::~Engine() {
  if (loop_ != nullptr) {
    loop_->close();  // before the runner goes, whom a post wakes
  }
}

bool Engine::stop(std::chrono::steady_clock::time_point deadline) {
  loop_->stop_taking();
  // Nobody reads configfs for those that wait for it any more, nor puts in force what MODE SELECT
  // wants.
  post([](Dispatcher& dispatcher) {
    dispatcher.refuse_modes(true);
    dispatcher.refuse_internal(true);
    dispatcher.refuse_copies(true);
    dispatcher.refuse_lockless(true);
  });
  return runner_->join(deadline);
}

}  // namespace tcmud::device
