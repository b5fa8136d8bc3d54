// SPDX-License-Identifier: Apache-2.0
#include "support/fake_device.h"

#include <algorithm>
#include <system_error>

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "support/ring_layout.h"

namespace tcmud::test {
namespace {

constexpr int kTickMs = 100;
constexpr std::chrono::milliseconds kManualPause{1};

}  // namespace

FakeDevice::FakeDevice(const DeviceSpec& spec, uint32_t minor, uint32_t device_id,
                       std::shared_ptr<Violations> violations)
    : spec_(spec),
      minor_(minor),
      device_id_(device_id),
      violations_(std::move(violations)),
      region_(spec.ring.geometry),
      ring_(region_, spec.ring, *this, *violations_),
      attributes_(initial_attributes(spec)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  attributes_["statistics/scsi_dev/indx"] = std::to_string(device_id);
  if (!wake_.valid()) {
    throw std::system_error(errno, std::generic_category(), "eventfd of a fake device");
  }
  if (spec_.drive == Drive::kThread) {
    thread_ = std::thread([this] { kernel_thread(); });
  }
}

FakeDevice::~FakeDevice() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) {
    wake_thread();
    thread_.join();
  }
  verify();
  hang_up();
}

Ticket FakeDevice::submit(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                          size_t data_in_length) {
  return submit_request(cdb, data_out, data_in_length, layout::kOpCommand);
}

Ticket FakeDevice::submit_ring_opcode(uint8_t ring_opcode) {
  const std::array<uint8_t, 6> test_unit_ready{};
  return submit_request(test_unit_ready, {}, 0, ring_opcode);
}

Ticket FakeDevice::submit_request(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                                  size_t data_in_length, uint8_t ring_opcode) {
  auto state = std::make_shared<Ticket::State>();
  state->cdb.assign(cdb.begin(), cdb.end());
  state->data_out.assign(data_out.begin(), data_out.end());
  state->outcome.data_in.resize(data_in_length);
  if (spec_.drive == Drive::kManual) {
    state->pump = [weak = weak_from_this()] {
      const auto device = weak.lock();
      if (device && !device->process_kicks()) {
        std::this_thread::sleep_for(kManualPause);
      }
    };
  }
  state->overdue = [weak = weak_from_this(), opcode = state->cdb[0]] {
    if (const auto device = weak.lock()) {
      device->violations_->record(Violation::kNoAnswer,
                                  fmt::format("{}: operation code {:#04x} was not answered in time",
                                              device->uio_name(), opcode));
    }
  };
  Lock lock(mutex_);
  state->tag = next_tag_++;
  waiting_.emplace(state->tag, state);
  const RingRequest request{state->tag, state->cdb, state->data_out, state->outcome.data_in,
                            ring_opcode};
  if (state_ == State::kGone) {
    RingAnswer gone;
    gone.status = kStatusCheckCondition;
    gone.sense = {0x70, 0, 0x02, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x08};
    answered(state->tag, gone);
  } else {
    if (spec_.eager) {
      ring_.handle_completions(now());
    }
    ring_.submit(request, now());
  }
  deliver(lock);
  return Ticket(std::move(state));
}

// Under the lock, from within the ring.
void FakeDevice::answered(CommandTag tag, const RingAnswer& answer) {
  const auto found = waiting_.find(tag);
  Outcome& outcome = found->second->outcome;
  outcome.answered = true;
  outcome.status = answer.status;
  outcome.sense = answer.sense;
  outcome.residual = static_cast<uint32_t>(outcome.data_in.size()) - answer.data_in_length;
  outcome.data_in.resize(answer.data_in_length);
  finished_.push_back(std::move(found->second));
  waiting_.erase(found);
}

// Ends a critical section: the event goes out, then the initiators learn what is done.
void FakeDevice::deliver(Lock& lock) {
  if (ring_.take_event(plugged_) && channel_) {
    channel_->notify();
  }
  const auto finished = std::exchange(finished_, {});
  lock.unlock();
  for (const auto& state : finished) {
    const std::lock_guard guard(state->mutex);
    state->done = true;
    state->changed.notify_all();
  }
}

void FakeDevice::task_management(uint8_t type, std::span<const Ticket> commands) {
  std::vector<CommandTag> tags;
  tags.reserve(commands.size());
  for (const Ticket& ticket : commands) {
    tags.push_back(ticket.tag());
  }
  Lock lock(mutex_);
  ring_.task_management(type, tags);
  deliver(lock);
}

void FakeDevice::plug() {
  const std::lock_guard lock(mutex_);
  plugged_ = true;
}

void FakeDevice::unplug() {
  Lock lock(mutex_);
  plugged_ = false;
  deliver(lock);
}

void FakeDevice::spurious_event() {
  const std::lock_guard lock(mutex_);
  if (channel_) {
    channel_->notify();
  }
}

bool FakeDevice::publish_raw(std::span<const std::byte> entry) {
  Lock lock(mutex_);
  const bool done = ring_.publish_raw(entry);
  deliver(lock);
  return done;
}

void FakeDevice::break_ring() {
  const std::lock_guard lock(mutex_);
  ring_.break_ring();
}

void FakeDevice::reset_ring(int how) {
  Lock lock(mutex_);
  ring_.reset(how, now());
  unkicked_since_.reset();
  deliver(lock);
}

void FakeDevice::set_blocked(bool blocked) {
  Lock lock(mutex_);
  ring_.set_blocked(blocked, now());
  deliver(lock);
}

void FakeDevice::set_queue_full_timeout(int seconds) {
  const std::lock_guard lock(mutex_);
  ring_.set_queue_full_timeout(seconds);
}

void FakeDevice::hang_up() {
  Lock lock(mutex_);
  state_ = State::kGone;
  ring_.fail_all();
  if (channel_) {
    channel_->hang_up();
    channel_.reset();
  }
  deliver(lock);
  wake_thread();
}

bool FakeDevice::take_kicks(Lock& lock) {
  if (!channel_ || !channel_->take_kicks()) {
    return false;
  }
  unkicked_since_.reset();
  ring_.handle_completions(now());
  deliver(lock);
  return true;
}

bool FakeDevice::process_kicks() {
  Lock lock(mutex_);
  return take_kicks(lock);
}

void FakeDevice::advance(std::chrono::milliseconds by) {
  process_kicks();
  Lock lock(mutex_);
  if (ring_.tail_moved() && !unkicked_since_) {
    unkicked_since_ = now();
  }
  skew_ += by;
  run_timers(lock);
  wake_thread();
}

void FakeDevice::run_timers(Lock& lock) {
  ring_.run_timers(now());
  if (!channel_ || !ring_.tail_moved()) {
    unkicked_since_.reset();
  } else if (!unkicked_since_) {
    unkicked_since_ = now();
  } else if (now() - *unkicked_since_ > spec_.kick_limit) {
    violations_->record(Violation::kMissingKick,
                        fmt::format("{}: cmd_tail has moved and nobody kicked for {} ms",
                                    uio_name(), spec_.kick_limit.count()));
    unkicked_since_.reset();
  }
  deliver(lock);
}

Result<kernel::UioPort> FakeDevice::open() {
  Lock lock(mutex_);
  if (state_ == State::kGone) {
    return fail(ENXIO, "{}: no such device", uio_name());
  }
  notice_close();
  if (channel_) {
    deliver(lock);
    return fail(EBUSY, "{}: open already", uio_name());
  }
  channel_ = std::make_shared<UioChannel>();
  daemon_map_ = region_.map_for_daemon();
  ring_.set_daemon_view(daemon_map_.bytes().data());
  // ThreadSanitizer must know nothing of addresses that are gone, while RaceMirror names them.
  kernel::UioPort port{
      channel_->take_event_fd(), channel_->take_kick_fd(),
      kRaceMirrorActive ? Mapping::borrowed(daemon_map_.bytes()) : std::move(daemon_map_)};
  deliver(lock);
  wake_thread();
  return port;
}

void FakeDevice::notice_close() {
  if (channel_ && channel_->closed_by_daemon()) {
    if (channel_->take_kicks()) {
      ring_.handle_completions(now());
    }
    channel_.reset();
    ring_.closed();
    daemon_map_.reset();
  }
}

bool FakeDevice::is_open() {
  Lock lock(mutex_);
  notice_close();
  const bool open = channel_ != nullptr;
  deliver(lock);
  return open;
}

void FakeDevice::protect_free_blocks(const kernel::UioPort& port) {
  const std::lock_guard lock(mutex_);
  ring_.blocks().protect(port.map.bytes().data() + spec_.ring.geometry.ring_bytes);
}

kernel::DeviceName FakeDevice::device_name() const {
  const size_t slash = spec_.dev_config.find('/');
  return {spec_.hba, spec_.name, spec_.dev_config.substr(0, slash),
          slash == std::string::npos ? "" : spec_.dev_config.substr(slash + 1)};
}

std::string FakeDevice::uio_name() const {
  return fmt::format("tcm-user/{}/{}/{}", spec_.hba, spec_.name, spec_.dev_config);
}

size_t FakeDevice::in_flight() const {
  const std::lock_guard lock(mutex_);
  return ring_.in_flight();
}

size_t FakeDevice::queued() const {
  const std::lock_guard lock(mutex_);
  return ring_.queued();
}

bool FakeDevice::broken() const {
  const std::lock_guard lock(mutex_);
  return ring_.broken();
}

bool FakeDevice::blocked() const {
  const std::lock_guard lock(mutex_);
  return ring_.blocked();
}

void FakeDevice::verify() {
  const std::lock_guard lock(mutex_);
  ring_.check_mailbox();
  ring_.blocks().verify_free();
}

void FakeDevice::set_state(State state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
}

FakeDevice::State FakeDevice::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void FakeDevice::wake_thread() {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

int FakeDevice::next_tick_ms() {
  const auto deadline = ring_.next_deadline();
  if (!channel_ && !deadline) {
    return -1;
  }
  int ms = kTickMs;
  if (deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - now()).count();
    ms = static_cast<int>(std::clamp<int64_t>(left, 0, kTickMs));
  }
  return ms;
}

void FakeDevice::kernel_thread() {
  for (;;) {
    Lock lock(mutex_);
    if (stop_) {
      return;
    }
    take_kicks(lock);
    if (!lock.owns_lock()) {
      lock.lock();
    }
    notice_close();
    run_timers(lock);
    lock.lock();
    if (stop_) {
      return;
    }
    const std::shared_ptr<UioChannel> channel = channel_;  // keeps the descriptor
    std::array<pollfd, 2> fds{pollfd{wake_.get(), POLLIN, 0},
                              pollfd{channel ? channel->kick_poll_fd() : -1, POLLIN, 0}};
    const int timeout = next_tick_ms();
    lock.unlock();
    ::poll(fds.data(), fds.size(), timeout);
    uint64_t wakes = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &wakes, sizeof wakes);
  }
}

}  // namespace tcmud::test
