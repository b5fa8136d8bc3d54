// SPDX-License-Identifier: Apache-2.0
#include "fault_handler.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace tcmud::fault {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(10);

using Clock = Timer<FaultHandler::Call>::Clock;

bool file_is_there(const std::string& path) {
  return !path.empty() && ::access(path.c_str(), F_OK) == 0;
}

int32_t status_for(const Rule& rule, const tcmud_request& request) {
  if (rule.status != TCMUD_QUEUED) {
    return rule.status;
  }
  return request.op == TCMUD_OP_READ ? TCMUD_READ_ERROR : TCMUD_WRITE_ERROR;
}

tcmud_config inner_config(const Options& options) {
  tcmud_config config{};
  config.size = sizeof(config);
  config.noptions = static_cast<uint32_t>(options.inner_options.size());
  config.path = options.inner_path.c_str();
  config.options = options.inner_options.data();
  return config;
}

api::Result<tcmud_handler> find_inner(const tcmud_host* host, const Options& options) {
  const tcmud_handler* found = host->find_handler(options.inner_subtype.c_str());
  if (found == nullptr) {
    return api::Refusal{ENOENT, "fault: there is no handler \"" + options.inner_subtype +
                                    "\"; install it or correct fault/<subtype>/<path>"};
  }
  return api::copy_sized(*found);
}

}  // namespace

std::optional<api::Refusal> FaultHandler::check_config(const api::Config& config) {
  const auto options = parse_options(config);
  if (!options) {
    return options.refusal();
  }
  const auto inner = find_inner(config.host, *options);
  if (!inner) {
    return inner.refusal();
  }
  const tcmud_config c = inner_config(*options);
  char why[512] = "";
  const int32_t r =
      inner->check_config == nullptr ? 0 : inner->check_config(config.host, &c, why, sizeof(why));
  return r == 0 ? std::nullopt : std::optional(api::Refusal{-r, why});
}

FaultHandler::FaultHandler(const api::OpenArgs& args, Options options)
    : device_(args.device),
      host_(api::copy_sized(*args.device.host())),
      block_size_(args.block_size) {
  host_.size = sizeof(host_);
  host_.complete = inner_completed;
  for (Rule& rule : options.rules) {
    rules_.push_back(std::make_unique<RuleState>(std::move(rule)));
  }
}

api::Result<std::unique_ptr<FaultHandler>> FaultHandler::open(const api::OpenArgs& args) {
  const auto options = parse_options(args.config);
  if (!options) {
    return options.refusal();
  }
  std::unique_ptr<FaultHandler> handler(new FaultHandler(args, *options));
  if (auto refusal = handler->open_inner(args, *options)) {
    return *refusal;
  }
  if (handler->async()) {
    if (auto refusal = handler->set_up_events()) {
      return *refusal;
    }
    handler->timer_ =
        std::make_unique<Timer<Call>>([h = handler.get()](Call& call) { h->expired(call); });
  }
  return handler;
}

std::optional<api::Refusal> FaultHandler::open_inner(const api::OpenArgs& args,
                                                     const Options& options) {
  const auto inner = find_inner(args.device.host(), options);
  if (!inner) {
    return inner.refusal();
  }
  inner_ = *inner;
  if (inner_.ctx_size > sizeof(Context::inner)) {
    return api::Refusal{EINVAL, "fault: handler \"" + options.inner_subtype +
                                    "\" keeps more for each request than fits in here"};
  }
  const std::string name(args.name);
  tcmud_open_args inner_args{};
  inner_args.size = sizeof(inner_args);
  inner_args.flags = args.flags;
  inner_args.host = &host_;
  inner_args.device = args.device.handle();
  inner_args.name = name.c_str();
  inner_args.config = inner_config(options);
  inner_args.lun_size = args.lun_size;
  inner_args.block_size = args.block_size;
  char why[512] = "";
  const int32_t r = inner_.open(&inner_args, &inner_handle_, why, sizeof(why));
  if (r != 0) {
    inner_handle_ = nullptr;
    return api::Refusal{-r, why};
  }
  tcmud_props props{};
  props.size = sizeof(props);
  props.event_fd = -1;
  inner_.get_props(inner_handle_, &props);
  model_ = props.model;
  return std::nullopt;
}

std::optional<api::Refusal> FaultHandler::set_up_events() {
  tcmud_props props{};
  props.size = sizeof(props);
  props.event_fd = -1;
  inner_.get_props(inner_handle_, &props);
  epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_fd_ < 0 || wake_fd_ < 0 ||
      ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) != 0 ||
      (props.event_fd >= 0 && ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, props.event_fd, &event) != 0)) {
    return api::Refusal{errno, std::string("fault: cannot watch events: ") + std::strerror(errno)};
  }
  return std::nullopt;
}

FaultHandler::~FaultHandler() {
  timer_.reset();
  if (inner_handle_ != nullptr) {
    inner_.close(inner_handle_);
  }
  for (const int fd : {epoll_fd_, wake_fd_}) {
    if (fd >= 0) {
      ::close(fd);
    }
  }
}

void FaultHandler::get_props(tcmud_props& props) {
  const uint32_t size = props.size;
  props.size = sizeof(props);
  inner_.get_props(inner_handle_, &props);
  props.size = size;
  if (async()) {
    props.event_fd = epoll_fd_;
  }
}

std::optional<api::Refusal> FaultHandler::resize(uint64_t lun_size) {
  if (inner_.resize == nullptr) {
    return api::Refusal{EOPNOTSUPP, "fault: the inner handler cannot resize"};
  }
  char why[512] = "";
  const int32_t r = inner_.resize(inner_handle_, lun_size, why, sizeof(why));
  return r == 0 ? std::nullopt : std::optional(api::Refusal{-r, why});
}

RuleState* FaultHandler::rule_for(const tcmud_request& request) {
  for (const auto& rule : rules_) {
    if (rule->hits(request)) {
      return rule.get();
    }
  }
  return nullptr;
}

int32_t FaultHandler::submit(tcmud_request& request) {
  auto& context = api::context<Context>(request);
  Call& call = context.call;
  call = Call{};
  call.inner = api::copy_sized(request);
  call.inner.ctx = context.inner;
  call.outer = &request;
  call.owner = this;
  call.rule = rule_for(request);
  if (call.rule == nullptr) {
    return forward(call);
  }
  switch (call.rule->rule().action) {
    case Action::kError:
      return status_for(call.rule->rule(), request);
    case Action::kShort:
      shorten(call);
      return call.inner.length == 0 ? settle(call, TCMUD_OK, TCMUD_NO_INFO, true) : forward(call);
    case Action::kDelay:
    case Action::kHang:
    case Action::kReorder:
      return async() ? hold_before(call) : wait_before(call);
    case Action::kLate:
    case Action::kDouble:
      break;
  }
  return forward(call);
}

// To the inner handler: TCMUD_QUEUED, or the final status, which is then ours to return or to
// complete.
int32_t FaultHandler::forward(Call& call) {
  call.forwarded = true;
  const int32_t status = inner_.submit(inner_handle_, &call.inner);
  return status == TCMUD_QUEUED ? status : settle(call, status, TCMUD_NO_INFO, true);
}

// Any thread.
void FaultHandler::inner_completed(tcmud_request* inner, int32_t status, uint64_t info) {
  Call& call = *reinterpret_cast<Call*>(inner);
  call.owner->settle(call, status, info, false);
}

// The inner handler is done. From submit the result goes up as a return value, else by complete().
int32_t FaultHandler::settle(Call& call, int32_t status, uint64_t info, bool from_submit) {
  if (call.rule != nullptr) {
    const Rule& rule = call.rule->rule();
    if (rule.action == Action::kShort) {
      const uint64_t done = call.inner.length;
      {
        const std::lock_guard lock(mutex_);
        prefixes_.erase(&call);
      }
      if (status == TCMUD_OK) {
        status = status_for(rule, *call.outer);
        const bool medium = status == TCMUD_READ_ERROR || status == TCMUD_WRITE_ERROR;
        complete(call, status, medium ? call.outer->offset + done : TCMUD_NO_INFO);
        return TCMUD_QUEUED;
      }
    } else if (rule.action == Action::kLate) {
      const auto wait = std::chrono::microseconds(call.rule->pick(rule.least_us, rule.most_us));
      if (async()) {
        call.status = status;
        call.info = info;
        call.inner_done = true;
        timer_->add(call, Clock::now() + wait);
        return TCMUD_QUEUED;
      }
      std::this_thread::sleep_for(wait);
    } else if (rule.action == Action::kDouble) {
      tcmud_request& outer = *call.outer;
      device_.complete(outer, status, info);
      device_.complete(outer, status, info);
      return TCMUD_QUEUED;
    }
  }
  if (!from_submit) {
    complete(call, status, info);
  }
  return status;
}

void FaultHandler::complete(Call& call, int32_t status, uint64_t info) {
  device_.complete(*call.outer, status, info);
}

// kShort: the inner request covers whole blocks of the front only. Requests without data of their
// own stay whole.
void FaultHandler::shorten(Call& call) {
  if (call.inner.op != TCMUD_OP_READ && call.inner.op != TCMUD_OP_WRITE) {
    return;
  }
  const uint64_t wanted = std::min(call.rule->rule().bytes, call.inner.length / 2);
  uint64_t left = wanted / block_size_ * block_size_;
  call.inner.length = left;
  std::vector<iovec> prefix;
  for (uint32_t i = 0; left > 0 && i < call.inner.iovcnt; ++i) {
    prefix.push_back(call.inner.iov[i]);
    prefix.back().iov_len = std::min<uint64_t>(prefix.back().iov_len, left);
    left -= prefix.back().iov_len;
  }
  const std::lock_guard lock(mutex_);
  std::vector<iovec>& kept = prefixes_[&call] = std::move(prefix);
  call.inner.iov = kept.data();
  call.inner.iovcnt = static_cast<uint32_t>(kept.size());
}

// Async, on the loop.
int32_t FaultHandler::hold_before(Call& call) {
  const Rule& rule = call.rule->rule();
  const auto now = Clock::now();
  if (rule.action == Action::kDelay) {
    timer_->add(call,
                now + std::chrono::microseconds(call.rule->pick(rule.least_us, rule.most_us)));
    return TCMUD_QUEUED;
  }
  call.give_up = now + std::chrono::milliseconds(rule.ms);
  if (rule.action == Action::kHang) {
    timer_->add(call, std::min(call.give_up, now + kLookAgain));
    return TCMUD_QUEUED;
  }
  bool enough = false;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    reordered_.push_back(&call);
    first = reordered_.size() == 1;
    enough = reordered_.size() >= rule.depth;
  }
  if (enough) {
    release_reordered();
  } else if (first) {
    timer_->add(call, call.give_up);
  }
  return TCMUD_QUEUED;
}

// Blocking, on a thread of the pool.
int32_t FaultHandler::wait_before(Call& call) {
  const Rule& rule = call.rule->rule();
  if (rule.action == Action::kDelay) {
    std::this_thread::sleep_for(
        std::chrono::microseconds(call.rule->pick(rule.least_us, rule.most_us)));
  } else if (rule.action == Action::kReorder) {
    // No thread waits for another here, so the depth has no say: each waits a while of its own,
    // which shuffles them.
    std::this_thread::sleep_for(std::chrono::microseconds(call.rule->pick(0, rule.ms * 1000)));
  } else {
    const auto give_up = Clock::now() + std::chrono::milliseconds(rule.ms);
    while (!file_is_there(rule.until)) {
      if (Clock::now() >= give_up) {
        return TCMUD_TIMEOUT;
      }
      std::this_thread::sleep_for(kLookAgain);
    }
  }
  return forward(call);
}

// The timer's thread.
void FaultHandler::expired(Call& call) {
  if (call.inner_done) {
    complete(call, call.status, call.info);
    return;
  }
  const Rule& rule = call.rule->rule();
  if (rule.action == Action::kReorder) {
    release_reordered();
  } else if (rule.action == Action::kHang && !file_is_there(rule.until)) {
    if (Clock::now() >= call.give_up) {
      complete(call, TCMUD_TIMEOUT, TCMUD_NO_INFO);
    } else {
      timer_->add(call, std::min(call.give_up, Clock::now() + kLookAgain));
    }
  } else {
    make_ready(call);
  }
}

void FaultHandler::make_ready(Call& call) {
  const std::lock_guard lock(mutex_);
  ready_.push_back(&call);
  ::eventfd_write(wake_fd_, 1);
}

void FaultHandler::release_reordered() {
  const std::lock_guard lock(mutex_);
  if (reordered_.empty()) {
    return;
  }
  timer_->remove(*reordered_.front());  // the one whose time limit counts for all
  ready_.insert(ready_.end(), reordered_.rbegin(), reordered_.rend());
  reordered_.clear();
  ::eventfd_write(wake_fd_, 1);
}

void FaultHandler::flush_batch() {
  if (inner_.flush_batch != nullptr) {
    inner_.flush_batch(inner_handle_);
  }
}

uint32_t FaultHandler::reap() {
  std::vector<Call*> ready;
  uint32_t completed = 0;
  if (async()) {
    const std::lock_guard lock(mutex_);
    if (!ready_.empty()) {
      eventfd_t ignored;
      ::eventfd_read(wake_fd_, &ignored);
      ready.swap(ready_);
    }
  }
  for (Call* call : ready) {
    const int32_t status = forward(*call);
    if (status != TCMUD_QUEUED) {
      complete(*call, status, TCMUD_NO_INFO);
      ++completed;
    }
  }
  if (!ready.empty()) {
    flush_batch();
  }
  return completed + (inner_.reap != nullptr ? inner_.reap(inner_handle_) : 0);
}

void FaultHandler::cancel(tcmud_request& request) {
  if (!async()) {
    return;  // it holds a thread of the pool, which nobody can take from it
  }
  Call& call = api::context<Context>(request).call;
  bool ours = timer_->remove(call);
  bool was_first = false;
  {
    const std::lock_guard lock(mutex_);
    was_first = !reordered_.empty() && reordered_.front() == &call;
    ours = ours || std::erase(reordered_, &call) + std::erase(ready_, &call) > 0;
    std::erase(reordered_, &call);
    if (ready_.empty()) {
      eventfd_t ignored;
      ::eventfd_read(wake_fd_, &ignored);
    }
  }
  if (was_first) {
    release_reordered();  // their time limit went with it
  }
  if (ours) {
    const bool done = call.inner_done;
    complete(call, done ? call.status : int32_t{TCMUD_ABORTED}, done ? call.info : TCMUD_NO_INFO);
  } else if (call.forwarded && inner_.cancel != nullptr) {
    inner_.cancel(inner_handle_, &call.inner);
  }
}

}  // namespace tcmud::fault
