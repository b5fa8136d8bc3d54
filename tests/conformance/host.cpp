// SPDX-License-Identifier: Apache-2.0
#include "conformance/host.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace tcmud::conformance {
namespace {

constexpr size_t kPage = 4096;

struct SplitConfig {
  std::string subtype, path;
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<tcmud_option> c_options;
  tcmud_config c{};

  explicit SplitConfig(const std::string& text) {
    const size_t slash = text.find('/');
    subtype = text.substr(0, slash);
    std::string rest = slash == std::string::npos ? "" : text.substr(slash + 1);
    size_t end = rest.find(';');
    path = rest.substr(0, end);
    while (end != std::string::npos) {
      const size_t begin = end + 1;
      end = rest.find(';', begin);
      const std::string option =
          rest.substr(begin, end == std::string::npos ? std::string::npos : end - begin);
      const size_t equals = option.find('=');
      options.emplace_back(option.substr(0, equals),
                           equals == std::string::npos ? "" : option.substr(equals + 1));
    }
    for (const auto& [key, value] : options) {
      c_options.push_back({key.c_str(), value.c_str()});
    }
    c.size = sizeof(c);
    c.noptions = static_cast<uint32_t>(c_options.size());
    c.path = path.c_str();
    c.options = c_options.data();
  }
};

struct Loaded {
  std::mutex mutex;
  std::map<std::string, const tcmud_handler*> by_subtype;
  std::map<std::string, const tcmud_handler*> by_path;
  std::vector<std::unique_ptr<tcmud_handler>> handlers;
};

Loaded& loaded() {
  static Loaded instance;
  return instance;
}

}  // namespace

// Behind the opaque pointer that handlers hold: the LUN itself.
class HostTable {
 public:
  static const tcmud_host* get() {
    static const tcmud_host kHost = {sizeof(tcmud_host), TCMUD_ABI, complete, log, event, find,
                                     backend_state};
    return &kHost;
  }

 private:
  static void complete(tcmud_request* c, int32_t status, uint64_t info) {
    auto* request = reinterpret_cast<Request*>(c);
    Lun* lun = request->lun_;
    if (request->state_.exchange(Request::kOurs, std::memory_order_acq_rel) !=
        Request::kHandedOver) {
      lun->violation("complete() for a request that the handler does not have");
      return;
    }
    lun->answered(*request, status, info);
  }
  static void log(tcmud_device* device, int32_t, const char* message) {
    auto* lun = reinterpret_cast<Lun*>(device);
    const std::lock_guard lock(lun->mutex_);
    lun->log_.emplace_back(message);
  }
  static void event(tcmud_device* device, int32_t what) {
    auto* lun = reinterpret_cast<Lun*>(device);
    const std::lock_guard lock(lun->mutex_);
    lun->events_.push_back(what);
  }
  static void backend_state(tcmud_device* device, int32_t state, const char* why) {
    auto* lun = reinterpret_cast<Lun*>(device);
    const std::lock_guard lock(lun->mutex_);
    lun->backend_state_ = {state, why};
  }
  static const tcmud_handler* find(const char* subtype) { return find_handler(subtype); }
};

Pages::Pages(size_t bytes)
    : data_(static_cast<uint8_t*>(
          std::aligned_alloc(kPage, (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage))),
      size_(bytes) {}
Pages::~Pages() {
  std::free(data_);
}
Pages::Pages(Pages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

void Request::scatter(uint64_t length, uint32_t vectors, uint32_t block_size) {
  uint64_t left = length;
  for (uint32_t i = 0; i < vectors && left > 0; ++i) {
    const uint64_t share = left / (vectors - i) / block_size * block_size;
    const uint64_t n = i + 1 == vectors ? left : std::max<uint64_t>(share, block_size);
    pages_.emplace_back(n);
    std::memset(pages_.back().data(), 0xEE, n);
    iov_.push_back({pages_.back().data(), n});
    left -= n;
  }
  c.length = length;
  c.iov = iov_.data();
  c.iovcnt = static_cast<uint32_t>(iov_.size());
}

std::unique_ptr<Request> Request::of(uint16_t op, uint64_t offset, uint64_t length) {
  auto request = std::make_unique<Request>();
  request->c.size = sizeof(tcmud_request);
  request->c.op = op;
  request->c.offset = offset;
  request->c.length = length;
  return request;
}

std::unique_ptr<Request> Request::read(uint64_t offset, uint64_t length, uint32_t vectors,
                                       uint32_t block_size) {
  auto request = of(TCMUD_OP_READ, offset, length);
  request->scatter(length, vectors, block_size);
  return request;
}

std::unique_ptr<Request> Request::write(uint64_t offset, const std::vector<uint8_t>& data,
                                        uint32_t vectors, uint16_t flags, uint32_t block_size) {
  auto request = of(TCMUD_OP_WRITE, offset, data.size());
  request->c.flags = flags;
  request->scatter(data.size(), vectors, block_size);
  size_t done = 0;
  for (const iovec& v : request->iov_) {
    std::memcpy(v.iov_base, data.data() + done, v.iov_len);
    done += v.iov_len;
  }
  return request;
}

std::unique_ptr<Request> Request::flush() {
  return of(TCMUD_OP_FLUSH, 0, 0);
}

std::unique_ptr<Request> Request::unmap(std::vector<tcmud_range> ranges) {
  auto request = of(TCMUD_OP_UNMAP, 0, 0);
  request->ranges_ = std::move(ranges);
  request->c.ranges = request->ranges_.data();
  request->c.nranges = static_cast<uint32_t>(request->ranges_.size());
  return request;
}

std::unique_ptr<Request> Request::write_zeroes(uint64_t offset, uint64_t length, uint16_t flags) {
  auto request = of(TCMUD_OP_WRITE_ZEROES, offset, length);
  request->c.flags = flags;
  return request;
}

std::vector<uint8_t> Request::data() const {
  std::vector<uint8_t> bytes;
  for (const iovec& v : iov_) {
    const auto* p = static_cast<const uint8_t*>(v.iov_base);
    bytes.insert(bytes.end(), p, p + v.iov_len);
  }
  return bytes;
}

const tcmud_handler* load_handler(const std::string& path, std::string& why) {
  Loaded& all = loaded();
  const std::lock_guard lock(all.mutex);
  if (const auto it = all.by_path.find(path); it != all.by_path.end()) {
    return it->second;
  }
  void* object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    why = ::dlerror();
    return nullptr;
  }
  const auto init = reinterpret_cast<tcmud_handler_init_fn>(::dlsym(object, "tcmud_handler_init"));
  if (init == nullptr) {
    why = path + " exports no tcmud_handler_init";
    return nullptr;
  }
  const tcmud_handler* theirs = init(HostTable::get());
  if (theirs == nullptr || theirs->abi > TCMUD_ABI) {
    why = path + ": no handler, or of a newer ABI";
    return nullptr;
  }
  // The rule of handler.h: the smaller of both sizes, the rest is zero.
  // As long-lived as the object, which is never unloaded.
  auto* mine = all.handlers.emplace_back(std::make_unique<tcmud_handler>()).get();
  std::memcpy(mine, theirs, std::min<size_t>(theirs->size, sizeof(*mine)));
  mine->size = sizeof(*mine);
  all.by_path[path] = mine;
  all.by_subtype[mine->subtype] = mine;
  return mine;
}

const tcmud_handler* find_handler(const std::string& subtype) {
  {
    Loaded& all = loaded();
    const std::lock_guard lock(all.mutex);
    if (const auto it = all.by_subtype.find(subtype); it != all.by_subtype.end()) {
      return it->second;
    }
  }
  std::string why;
  return load_handler(std::string(TCMUD_HANDLER_DIRECTORY "/handler_") + subtype + ".so", why);
}

int32_t check_config(const std::string& config, std::string& why) {
  const SplitConfig split(config);
  const tcmud_handler* handler = find_handler(split.subtype);
  if (handler == nullptr || handler->check_config == nullptr) {
    why = handler == nullptr ? "no such handler" : "";
    return handler == nullptr ? -ENOENT : 0;
  }
  char reason[512] = "";
  const int32_t r = handler->check_config(HostTable::get(), &split.c, reason, sizeof(reason));
  why = reason;
  return r;
}

// As the core does for the first command that needs it. False: it was not to be had.
bool Lun::take_lock() {
  const auto* lock = handler_->get_extension == nullptr
                         ? nullptr
                         : static_cast<const tcmud_lock*>(
                               handler_->get_extension(TCMUD_LOCK_EXTENSION, TCMUD_LOCK_VERSION));
  if (lock == nullptr) {
    ADD_FAILURE() << "the handler wants a lock and offers no lock extension";
    return false;
  }
  lock->acquire(handle_, -1);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (std::chrono::steady_clock::now() < end) {
    tcmud_lock_status status{};
    status.size = sizeof(status);
    lock->get_status(handle_, &status);
    if (status.state == TCMUD_LOCK_ACQUIRED) {
      lock->enable(handle_);
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

std::unique_ptr<Lun> Lun::open(const std::string& config, uint64_t size, uint32_t block_size,
                               std::string& why, uint32_t flags) {
  const SplitConfig split(config);
  std::unique_ptr<Lun> lun(new Lun);
  lun->handler_ = find_handler(split.subtype);
  if (lun->handler_ == nullptr) {
    why = "no handler " + split.subtype;
    return nullptr;
  }
  tcmud_open_args args{};
  args.size = sizeof(args);
  args.flags = flags;
  args.host = HostTable::get();
  args.device = reinterpret_cast<tcmud_device*>(lun.get());
  args.name = "user_0/conformance";
  args.config = split.c;
  args.lun_size = size;
  args.block_size = block_size;
  char reason[512] = "";
  const int32_t r = lun->handler_->open(&args, &lun->handle_, reason, sizeof(reason));
  if (r != 0) {
    why = std::string(reason) + " (" + std::strerror(-r) + ")";
    EXPECT_LT(r, 0) << "open must answer 0 or a negative errno";
    EXPECT_NE(reason[0], '\0') << "a refusal must give its reason";
    EXPECT_EQ(std::string(reason).find('\n'), std::string::npos) << "of one line";
    lun->handle_ = nullptr;
    return nullptr;
  }
  lun->props_.size = sizeof(lun->props_);
  lun->props_.event_fd = -1;
  lun->handler_->get_props(lun->handle_, &lun->props_);
  EXPECT_GE(lun->props_.lun_size, size);
  EXPECT_LE(lun->handler_->ctx_size, 4096u);
  if (lun->props_.model == TCMUD_MODEL_ASYNC) {
    lun->wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lun->threads_.emplace_back([l = lun.get(), fd = lun->props_.event_fd] { l->run_loop(fd); });
  } else {
    EXPECT_GE(lun->props_.threads, 1u);
    EXPECT_LE(lun->props_.threads, 64u);
    for (uint32_t i = 0; i < lun->props_.threads; ++i) {
      lun->threads_.emplace_back([l = lun.get()] { l->run_pool_thread(); });
    }
  }
  if (lun->props_.lock != 0 && !lun->take_lock()) {
    why = "the lock was not to be had";
    return nullptr;
  }
  return lun;
}

Lun::~Lun() {
  if (handle_ != nullptr) {
    {
      std::unique_lock lock(mutex_);
      const bool drained =
          changed_.wait_for(lock, std::chrono::seconds(30), [this] { return unanswered_ == 0; });
      EXPECT_TRUE(drained) << unanswered_ << " requests were never answered";
      if (!drained) {
        std::abort();  // their memory is on the caller's stack
      }
      stop_ = true;
    }
    changed_.notify_all();
    if (wake_fd_ >= 0) {
      ::eventfd_write(wake_fd_, 1);
    }
    for (std::thread& thread : threads_) {
      thread.join();
    }
    handler_->close(handle_);
    EXPECT_TRUE(violations_.empty()) << violations_.front();
  }
  if (wake_fd_ >= 0) {
    ::close(wake_fd_);
  }
}

void Lun::submit(Request& request) {
  if (request.ctx_ == nullptr) {
    request.ctx_ = std::make_unique<Pages>(handler_->ctx_size);
    std::memset(request.ctx_->data(), 0, handler_->ctx_size);
  }
  request.c.ctx = request.ctx_->data();
  request.lun_ = this;
  request.status = TCMUD_QUEUED;
  {
    const std::lock_guard lock(mutex_);
    request.done_ = false;
    ++unanswered_;
    queue_.push_back(&request);
  }
  if (wake_fd_ >= 0) {
    ::eventfd_write(wake_fd_, 1);
  } else {
    changed_.notify_all();
  }
}

bool Lun::wait(Request& request, std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return request.done_ && request.cancels_ == 0; });
}

bool Lun::done(Request& request) {
  const std::lock_guard lock(mutex_);
  return request.done_;
}

void Lun::cancel(Request& request) {
  if (handler_->cancel == nullptr || props_.model != TCMUD_MODEL_ASYNC) {
    return;  // there is no loop to say it on
  }
  {
    const std::lock_guard lock(mutex_);
    cancels_.push_back(&request);
    ++request.cancels_;
  }
  ::eventfd_write(wake_fd_, 1);
}

int32_t Lun::run(Request& request) {
  submit(request);
  if (!wait(request)) {
    ADD_FAILURE() << "a request of op " << request.c.op << " was never answered";
    std::abort();
  }
  return request.status;
}

int32_t Lun::resize(uint64_t size, std::string& why) {
  if (handler_->resize == nullptr) {
    why = "the handler cannot resize";
    return -EOPNOTSUPP;
  }
  char reason[512] = "";
  const int32_t r = handler_->resize(handle_, size, reason, sizeof(reason));
  why = reason;
  if (r == 0) {
    refresh_props();
    EXPECT_GE(props_.lun_size, size);
  }
  return r;
}

void Lun::refresh_props() {
  props_ = {};
  props_.size = sizeof(props_);
  handler_->get_props(handle_, &props_);
}

void Lun::set_command_timeout(uint32_t seconds) {
  if (handler_->set_command_timeout != nullptr) {
    handler_->set_command_timeout(handle_, seconds);
  }
}

std::vector<int32_t> Lun::events() {
  const std::lock_guard lock(mutex_);
  return events_;
}

std::pair<int32_t, std::string> Lun::backend_state() {
  const std::lock_guard lock(mutex_);
  return backend_state_;
}

std::vector<std::string> Lun::violations() {
  const std::lock_guard lock(mutex_);
  return std::exchange(violations_, {});
}

std::vector<std::string> Lun::log_lines() {
  const std::lock_guard lock(mutex_);
  return log_;
}

void Lun::violation(const std::string& what) {
  const std::lock_guard lock(mutex_);
  violations_.push_back(what);
}

void Lun::answered(Request& request, int32_t status, uint64_t info) {
  if (status < TCMUD_OK || status > TCMUD_NO_LOCK) {
    violation("unknown status " + std::to_string(status));
  }
  const std::lock_guard lock(mutex_);
  request.status = status;
  request.info = info;
  request.done_ = true;
  --unanswered_;
  changed_.notify_all();
}

void Lun::hand_over(Request& request) {
  request.state_.store(Request::kHandedOver, std::memory_order_relaxed);
  const int32_t status = handler_->submit(handle_, &request.c);
  if (status == TCMUD_QUEUED) {
    return;  // not to be touched any more: complete() may have come
  }
  if (request.state_.exchange(Request::kOurs, std::memory_order_acq_rel) != Request::kHandedOver) {
    violation("a final status from submit, and complete() as well");
    return;
  }
  answered(request, status, TCMUD_NO_INFO);
}

void Lun::run_loop(int event_fd) {
  std::array<pollfd, 2> fds = {{{wake_fd_, POLLIN, 0}, {event_fd, POLLIN, 0}}};
  for (;;) {
    std::deque<Request*> requests;
    std::deque<Request*> cancels;
    {
      const std::lock_guard lock(mutex_);
      requests.swap(queue_);
      cancels.swap(cancels_);
      if (stop_) {
        return;
      }
    }
    for (Request* request : requests) {
      hand_over(*request);
    }
    for (Request* request : cancels) {
      if (request->state_.load(std::memory_order_acquire) == Request::kHandedOver) {
        handler_->cancel(handle_, &request->c);
      }
      const std::lock_guard lock(mutex_);
      --request->cancels_;
      changed_.notify_all();
    }
    if (!requests.empty() && handler_->flush_batch != nullptr) {
      handler_->flush_batch(handle_);
    }
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      continue;
    }
    if ((fds[0].revents & POLLIN) != 0) {
      eventfd_t ignored;
      ::eventfd_read(wake_fd_, &ignored);
    }
    if (fds[1].revents != 0 && handler_->reap != nullptr) {
      handler_->reap(handle_);
    }
  }
}

void Lun::run_pool_thread() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || !queue_.empty(); });
    if (stop_) {
      return;
    }
    Request* request = queue_.front();
    queue_.pop_front();
    lock.unlock();
    hand_over(*request);
    lock.lock();
  }
}

}  // namespace tcmud::conformance
