// SPDX-License-Identifier: Apache-2.0
#include "support/uio_channel.h"

#include <array>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

namespace tcmud::test {
namespace {

struct Pipe {
  Fd out;
  Fd in;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe of a fake UIO node");
  }
  return {Fd(ends[0]), Fd(ends[1])};
}

}  // namespace

UioChannel::UioChannel() {
  Pipe event = make_pipe();
  Pipe kick = make_pipe();
  event_in_ = std::move(event.in);
  event_out_ = std::move(event.out);
  kick_in_ = std::move(kick.in);
  kick_out_ = std::move(kick.out);
  // Not a duplicate: whether the daemon's end blocks is the daemon's to decide.
  event_drain_ = Fd(::open(fmt::format("/proc/self/fd/{}", event_out_.get()).c_str(),
                           O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!event_drain_.valid()) {
    throw std::system_error(errno, std::generic_category(), "second opening of an event pipe");
  }
}

void UioChannel::notify() {
  if (!event_in_.valid()) {
    return;
  }
  int32_t unread = 0;
  while (::read(event_drain_.get(), &unread, sizeof unread) > 0) {
  }
  ++events_;
  while (::write(event_in_.get(), &events_, sizeof events_) < 0 && errno == EINTR) {
  }
}

void UioChannel::hang_up() {
  notify();
  event_in_.reset();
  kick_out_.reset();
}

bool UioChannel::take_kicks() {
  std::array<char, 4096> values{};
  return kick_out_.valid() && ::read(kick_out_.get(), values.data(), values.size()) > 0;
}

void UioChannel::wait_for_kick() {
  pollfd kick{kick_out_.get(), POLLIN, 0};
  while (::poll(&kick, 1, -1) < 0 && errno == EINTR) {
  }
}

bool UioChannel::closed_by_daemon() const {
  pollfd kick{kick_out_.get(), 0, 0};
  return kick_in_.valid() ? false : !kick_out_.valid() || (::poll(&kick, 1, 0) == 1);
}

}  // namespace tcmud::test
