// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "device/loop.h"

namespace tcmud::device {

// The threads of one LUN. Two kinds, by what the handler says of itself.
class Runner {
 public:
  virtual ~Runner() = default;
  // Begins to serve the ring, also again after join().
  virtual Result<void> start() = 0;
  // The loop looks at its posts and flags soon. Any thread.
  virtual void wake() = 0;
  // After Loop::stop_taking: waits until everything taken is answered and the threads have ended.
  // False: not by then.
  virtual bool join(std::chrono::steady_clock::time_point deadline) = 0;
};

// One thread that does everything; the handler's submit does not block.
Result<std::unique_ptr<Runner>> make_async_runner(Loop& loop, const kernel::UioPort& port,
                                                  int handler_fd, uint32_t poll_limit_us,
                                                  LoopOwner& owner);

// Up to `threads` threads that take turns at the ring and execute what they took from it
// themselves.
Result<std::unique_ptr<Runner>> make_pool_runner(Loop& loop, const kernel::UioPort& port,
                                                 uint32_t threads, uint32_t poll_limit_us,
                                                 LoopOwner& owner);

// A LUN's ring, loop and threads, put together for the time that its backend is open.
class Engine {
 public:
  static constexpr uint32_t kCommands =
      1024;  // in flight at once; what is beyond waits in the ring

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  static Result<std::unique_ptr<Engine>> create(kernel::Ring& ring, const kernel::UioPort& port,
                                                plugin::Backend& backend, View view,
                                                uint32_t poll_limit_us, const std::string& lun,
                                                LoopOwner& owner);
  // Runs at once; before start().
  void prepare(const PostBox::Message& message) { loop_->prepare(message); }

  // Begins to serve the ring, also again after stop().
  Result<void> start() {
    loop_->start_taking();
    loop_->posts()->open([this] { runner_->wake(); });
    return runner_->start();
  }

  // Runs on the loop before the next command; returns at once. Any thread. False: the loop has
  // stopped.
  bool post(PostBox::Message message) { return loop_->posts()->post(std::move(message)); }
  // The same for those who may outlive the LUN.
  [[nodiscard]] const std::shared_ptr<PostBox>& posts() const { return loop_->posts(); }

  // Takes nothing more from the ring and finishes what it has. False: something is still with the
  // handler at the deadline; then nothing of this may be destroyed, and stop may be called again.
  [[nodiscard]] bool stop(std::chrono::steady_clock::time_point deadline);

 private:
  Engine() = default;
  std::unique_ptr<Slab> slab_;
  std::unique_ptr<ScratchPool> scratch_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<Runner> runner_;
};

}  // namespace tcmud::device
