// SPDX-License-Identifier: Apache-2.0
#include "device/waiter.h"

#include <array>
#include <cstring>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace tcmud::device {

Result<Waiter> Waiter::create(int kernel_fd, int handler_fd) {
  Waiter waiter;
  waiter.epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  waiter.wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  waiter.kernel_fd_ = kernel_fd;
  if (!waiter.epoll_.valid() || !waiter.wake_.valid()) {
    return fail(errno, "no file descriptors left to wait with: {}; raise LimitNOFILE",
                std::strerror(errno));
  }
  const auto watch = [&waiter](int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return fd < 0 || ::epoll_ctl(waiter.epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  };
  if (!watch(kernel_fd, EPOLLIN | EPOLLET) || !watch(waiter.wake_.get(), EPOLLIN | EPOLLET) ||
      !watch(handler_fd, EPOLLIN)) {
    return fail(errno, "cannot watch for events: {}", std::strerror(errno));
  }
  return waiter;
}

Waiter::Woken Waiter::wait(int timeout_ms) {
  std::array<epoll_event, 3> events;
  const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout_ms);
  if (n == 0) {
    return Woken::kTimeout;
  }
  for (int i = 0; i < n; ++i) {
    if (events[i].data.fd == kernel_fd_ && (events[i].events & (EPOLLERR | EPOLLHUP)) != 0) {
      // It stays in this state for ever: watching on would wake us without end.
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, kernel_fd_, nullptr);
      return Woken::kGone;
    }
  }
  return Woken::kEvent;
}

void Waiter::wake() const {
  const uint64_t one = 1;
  // EAGAIN: the counter is full, which takes 2^64 wake-ups. Nothing else can go wrong with an
  // eventfd.
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace tcmud::device
