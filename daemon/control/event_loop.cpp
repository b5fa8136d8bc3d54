// SPDX-License-Identifier: Apache-2.0
#include "control/event_loop.h"

#include <cstring>
#include <system_error>

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/log.h"

namespace tcmud::control {
namespace {

constexpr uint64_t kTimerAccuracyUs = 1000;  // 0 would mean 250 ms

}  // namespace

struct EventLoop::Waiting : std::enable_shared_from_this<Waiting> {
  explicit Waiting(Task what) : task(std::move(what)) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { sd_event_source_disable_unref(source); }

  // What sd-event calls. The task may drop the last share of us.
  static void run(void* waiting) {
    const auto alive = static_cast<Waiting*>(waiting)->shared_from_this();
    alive->task();
  }

  Task task;
  sd_event_source* source = nullptr;
};

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  sd_event* loop = nullptr;
  if (const int error = sd_event_new(&loop); error < 0) {
    return fail(-error, "can't make the main loop: {}", std::strerror(-error));
  }
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) {
    const int error = errno;
    sd_event_unref(loop);
    return fail(error, "can't make the main loop: {}", std::strerror(error));
  }
  std::unique_ptr<EventLoop> made(new EventLoop(loop, std::move(wake)));
  auto source = made->on_readable(made->wake_.get(), [loop = made.get()] { loop->run_posted(); });
  if (!source) {
    return tl::unexpected(std::move(source.error()));
  }
  made->wake_source_ = std::move(*source);
  return made;
}

EventLoop::~EventLoop() = default;

Result<EventLoop::Source> EventLoop::on_readable(int fd, Task task) {
  auto waiting = std::make_shared<Waiting>(std::move(task));
  const int error = sd_event_add_io(
      get(), &waiting->source, fd, EPOLLIN,
      [](sd_event_source*, int, uint32_t, void* data) {
        Waiting::run(data);
        return 0;
      },
      waiting.get());
  if (error < 0) {
    return fail(-error, "the main loop can't wait for a descriptor: {}", std::strerror(-error));
  }
  return waiting;
}

Result<EventLoop::Source> EventLoop::on_signal(int signal, Task task) {
  auto waiting = std::make_shared<Waiting>(std::move(task));
  const int error = sd_event_add_signal(
      get(), &waiting->source, signal,
      [](sd_event_source*, const signalfd_siginfo*, void* data) {
        Waiting::run(data);
        return 0;
      },
      waiting.get());
  if (error < 0) {
    return fail(-error, "the main loop can't wait for signal {}: {}", signal,
                std::strerror(-error));
  }
  return waiting;
}

EventLoop::Timer EventLoop::after(std::chrono::milliseconds delay, Task task) {
  auto waiting = std::make_shared<Waiting>(std::move(task));
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(delay);
  const int error = sd_event_add_time_relative(
      get(), &waiting->source, CLOCK_MONOTONIC, static_cast<uint64_t>(microseconds.count()),
      kTimerAccuracyUs,
      [](sd_event_source*, uint64_t, void* data) {
        Waiting::run(data);
        return 0;
      },
      waiting.get());
  if (error < 0) {
    throw std::system_error(-error, std::generic_category(), "timer");
  }
  return waiting;
}

void EventLoop::post(Task task) {
  const std::lock_guard lock(mutex_);
  posted_.push_back(std::move(task));
  if (posted_.size() == 1) {
    static_cast<void>(::eventfd_write(wake_.get(), 1));  // can't be full: run_posted empties it
  }
}

void EventLoop::run_posted() {
  std::vector<Task> tasks;
  {
    const std::lock_guard lock(mutex_);
    eventfd_t count = 0;
    static_cast<void>(::eventfd_read(wake_.get(), &count));
    tasks.swap(posted_);
  }
  for (const Task& task : tasks) {
    task();
  }
}

void EventLoop::feed_watchdog() {
  if (const int error = sd_event_set_watchdog(get(), 1); error < 0) {
    log::warning("", "can't feed systemd's watchdog: {}", std::strerror(-error));
  }
}

Result<void> EventLoop::run() {
  if (const int error = sd_event_loop(get()); error < 0) {
    return fail(-error, "the main loop failed: {}", std::strerror(-error));
  }
  return {};
}

void EventLoop::stop() {
  sd_event_exit(get(), 0);
}

void block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    sigaddset(&set, signal);
  }
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace tcmud::control
