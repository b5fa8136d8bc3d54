// SPDX-License-Identifier: Apache-2.0
//
// The handler API as C++: write a class that satisfies tcmud::api::Handler, register it with
// TCMUD_REGISTER_HANDLER_CLASS, and the shim below makes the C table of <tcmud/handler.h> of it.
//
//   class Ram {
//    public:
//     static constexpr const char* subtype = "ram";
//     static constexpr const char* description = "memory, gone at close";
//     static constexpr const char* config_help = "ram/";
//     static tcmud::api::Result<std::unique_ptr<Ram>> open(const tcmud::api::OpenArgs& args);
//     int32_t submit(tcmud_request& request);
//   };
//   TCMUD_REGISTER_HANDLER_CLASS(Ram);
//
// Members that a class may add, each found by its name and described at its callback in handler.h:
//   void get_props(tcmud_props& props);       lun_size, block sizes and event_fd = -1 are already
//   filled in void flush_batch(); uint32_t reap(); void cancel(tcmud_request& request);
//   std::optional<Refusal> resize(uint64_t lun_size);
//   static std::optional<Refusal> check_config(const Config& config);
//   static const void* get_extension(const char* name, uint32_t version);
//   void acquire_lock(int32_t group); void enable_lock(); void release_lock();
//   void get_lock_status(tcmud_lock_status& status);      all four: the lock extension
//   void set_command_timeout(uint32_t seconds);
//   struct Context;                           per-request state, reached by
//   context<Context>(request)
// The destructor is close.
//
// No exception crosses the ABI. One that leaves open, check_config or resize becomes a refusal; one
// that leaves submit becomes TCMUD_NO_RESOURCE (std::bad_alloc) or TCMUD_INTERNAL, so a submit that
// throws must not have queued the request; one that leaves any other member is logged and dropped.
#pragma once

#include <cerrno>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <tcmud/handler.h>

namespace tcmud::api {

// Why something was refused.
struct Refusal {
  int code = EINVAL;  // positive errno
  std::string why;    // one line that names cause and remedy
};

// A T, or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  template <class U>
  requires(std::convertible_to<U&&, T> && !std::same_as<std::remove_cvref_t<U>, Result>)
      // Copies and moves are excluded above.
      Result(U&& value)  // NOLINT(bugprone-forwarding-reference-overload)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Refusal refusal) : state_(std::in_place_index<1>, std::move(refusal)) {}

  [[nodiscard]] explicit operator bool() const { return state_.index() == 0; }
  [[nodiscard]] T& operator*() { return std::get<0>(state_); }
  [[nodiscard]] const T& operator*() const { return std::get<0>(state_); }
  [[nodiscard]] T* operator->() { return &std::get<0>(state_); }
  [[nodiscard]] const T* operator->() const { return &std::get<0>(state_); }
  [[nodiscard]] const Refusal& refusal() const { return std::get<1>(state_); }

 private:
  std::variant<T, Refusal> state_;
};

// The host's face towards one LUN. Cheap to copy; valid until the handler is destroyed.
class Device {
 public:
  Device() = default;
  Device(const tcmud_host* host, tcmud_device* device) : host_(host), device_(device) {}

  // Ends a request that submit queued: exactly once, from any thread.
  void complete(tcmud_request& request, int32_t status, uint64_t info = TCMUD_NO_INFO) const {
    host_->complete(&request, status, info);
  }
  // Any thread, but not on the way of every request.
  void log(tcmud_log_level level, const std::string& message) const {
    host_->log(device_, level, message.c_str());
  }
  void event(tcmud_event what) const { host_->event(device_, what); }
  // Nothing happens where the host is older than this header.
  void backend_state(tcmud_backend_state state, const std::string& why) const {
    if (host_->size >= offsetof(tcmud_host, backend_state) + sizeof(host_->backend_state)) {
      host_->backend_state(device_, state, why.c_str());
    }
  }

  [[nodiscard]] const tcmud_host* host() const { return host_; }
  [[nodiscard]] tcmud_device* handle() const { return device_; }

 private:
  const tcmud_host* host_ = nullptr;
  tcmud_device* device_ = nullptr;
};

// A view of what stands behind "subtype/": valid during the call that received it.
struct Config {
  std::string_view path;
  std::span<const tcmud_option> options;
  const tcmud_host* host = nullptr;  // for find_handler
};

struct OpenArgs {
  Device device;
  Config config;
  std::string_view name;    // "<hba>/<name>"
  uint64_t lun_size = 0;    // bytes
  uint32_t block_size = 0;  // bytes
  uint32_t flags = 0;       // enum tcmud_open_flag
  [[nodiscard]] bool read_only() const { return (flags & TCMUD_OPEN_READ_ONLY) != 0; }
};

// The handler's own bytes of a request: zero at first, afterwards as an earlier request left them.
template <class Context>
[[nodiscard]] Context& context(const tcmud_request& request) {
  static_assert(sizeof(Context) <= 4096, "ctx_size has this limit");
  static_assert(alignof(Context) <= 64, "ctx has this alignment");
  static_assert(std::is_trivially_destructible_v<Context>, "nobody runs its destructor");
  return *static_cast<Context*>(request.ctx);
}

// A whole number in decimal, nothing around it.
[[nodiscard]] inline std::optional<uint64_t> parse_number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// Bytes: a whole number, and then k, M, G or T for powers of 1024.
[[nodiscard]] inline std::optional<uint64_t> parse_bytes(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
      case 'K':
        shift = 10;
        break;
      case 'M':
        shift = 20;
        break;
      case 'G':
        shift = 30;
        break;
      case 'T':
        shift = 40;
        break;
      default:
        break;
    }
  }
  const auto number = parse_number(shift == 0 ? text : text.substr(0, text.size() - 1));
  if (!number || *number > UINT64_MAX >> shift) {
    return std::nullopt;
  }
  return *number << shift;
}

// Copies a size-prefixed structure of the other side: what it does not know is zero here.
template <class T>
[[nodiscard]] T copy_sized(const T& other) {
  T mine;
  std::memset(&mine, 0, sizeof(mine));
  std::memcpy(&mine, &other, other.size < sizeof(mine) ? other.size : sizeof(mine));
  return mine;
}

// A class with the members of the lock extension.
template <class H>
concept Lockable = requires(H& handler, tcmud_lock_status& status) {
  handler.acquire_lock(int32_t{});
  handler.enable_lock();
  handler.release_lock();
  handler.get_lock_status(status);
};

template <class H>
concept Handler = requires(const OpenArgs& args, H& handler, tcmud_request& request) {
  { H::subtype } -> std::convertible_to<const char*>;
  { H::description } -> std::convertible_to<const char*>;
  { H::config_help } -> std::convertible_to<const char*>;
  { H::open(args) } -> std::same_as<Result<std::unique_ptr<H>>>;
  { handler.submit(request) } -> std::same_as<int32_t>;
};

// The C callbacks of one handler class.
template <Handler H>
class Shim {
 public:
  static constexpr tcmud_handler table() {
    tcmud_handler t = {};
    t.size = sizeof(t);
    t.abi = TCMUD_ABI;
    t.subtype = H::subtype;
    t.description = H::description;
    t.config_help = H::config_help;
    if constexpr (requires { sizeof(typename H::Context); }) {
      t.ctx_size = sizeof(typename H::Context);
    }
    if constexpr (requires(const Config& c) { H::check_config(c); }) {
      t.check_config = check_config;
    }
    t.open = open;
    t.get_props = get_props;
    t.submit = submit;
    if constexpr (requires(H & h) { h.flush_batch(); }) {
      t.flush_batch = flush_batch;
    }
    if constexpr (requires(H & h) { h.reap(); }) {
      t.reap = reap;
    }
    if constexpr (requires(H & h, tcmud_request & r) { h.cancel(r); }) {
      t.cancel = cancel;
    }
    if constexpr (requires(H & h) { h.resize(uint64_t{}); }) {
      t.resize = resize;
    }
    t.close = close;
    if constexpr (Lockable<H> || requires(const char* n) { H::get_extension(n, 1u); }) {
      t.get_extension = get_extension;
    }
    if constexpr (requires(H & h) { h.set_command_timeout(uint32_t{}); }) {
      t.set_command_timeout = set_command_timeout;
    }
    return t;
  }

 private:
  struct Instance {
    std::unique_ptr<H> handler;
    Device device;
    uint64_t lun_size;
  };

  static H& handler_of(void* handle) { return *static_cast<Instance*>(handle)->handler; }

  static Config view(const tcmud_config& config, const tcmud_host* host) {
    return {config.path, {config.options, config.noptions}, host};
  }

  static int32_t refuse(const Refusal& refusal, char* why, size_t why_size) {
    if (why != nullptr && why_size != 0) {
      std::snprintf(why, why_size, "%s", refusal.why.c_str());
    }
    return refusal.code > 0 ? -refusal.code : -EINVAL;
  }

  // Runs a cold call: an exception becomes a refusal.
  template <class F>
  static int32_t guard_cold(char* why, size_t why_size, F&& call) noexcept {
    try {
      return call();
    } catch (const std::bad_alloc&) {
      return refuse({ENOMEM, {}}, why, why_size);
    } catch (const std::exception& e) {
      if (why != nullptr && why_size != 0) {
        std::snprintf(why, why_size, "%s: unexpected error: %s", H::subtype, e.what());
      }
      return -EIO;
    } catch (...) {
      return refuse({EIO, {}}, why, why_size);
    }
  }

  // Runs a call that has no way to fail: an exception is logged.
  template <class F>
  static void guard_void(void* handle, const char* what, F&& call) noexcept {
    try {
      call();
    } catch (...) {
      const Device& device = static_cast<Instance*>(handle)->device;
      char line[128];
      std::snprintf(line, sizeof(line), "%s: an exception left %s", H::subtype, what);
      device.host()->log(device.handle(), TCMUD_LOG_ERROR, line);
    }
  }

  static int32_t check_config(const tcmud_host* host, const tcmud_config* config, char* why,
                              size_t why_size) {
    return guard_cold(why, why_size, [&]() -> int32_t {
      const auto refusal = H::check_config(view(*config, host));
      return refusal ? refuse(*refusal, why, why_size) : 0;
    });
  }

  static int32_t open(const tcmud_open_args* raw, void** handle, char* why, size_t why_size) {
    return guard_cold(why, why_size, [&]() -> int32_t {
      const tcmud_open_args in = copy_sized(*raw);
      OpenArgs args;
      args.device = Device(in.host, in.device);
      args.config = view(in.config, in.host);
      args.name = in.name != nullptr ? in.name : "";
      args.lun_size = in.lun_size;
      args.block_size = in.block_size;
      args.flags = in.flags;
      Result<std::unique_ptr<H>> opened = H::open(args);
      if (!opened) {
        return refuse(opened.refusal(), why, why_size);
      }
      *handle = new Instance{std::move(*opened), args.device, args.lun_size};
      return 0;
    });
  }

  static void get_props(void* handle, tcmud_props* out) {
    tcmud_props props = copy_sized(*out);
    props.lun_size = static_cast<Instance*>(handle)->lun_size;
    props.event_fd = -1;
    if constexpr (requires(H & h) { h.get_props(props); }) {
      guard_void(handle, "get_props", [&] { handler_of(handle).get_props(props); });
    }
    props.size = out->size;
    std::memcpy(out, &props, out->size < sizeof(props) ? out->size : sizeof(props));
  }

  static int32_t submit(void* handle, tcmud_request* request) {
    try {
      return handler_of(handle).submit(*request);
    } catch (const std::bad_alloc&) {
      return TCMUD_NO_RESOURCE;
    } catch (...) {
      return TCMUD_INTERNAL;
    }
  }

  static void flush_batch(void* handle) {
    guard_void(handle, "flush_batch", [&] { handler_of(handle).flush_batch(); });
  }

  static uint32_t reap(void* handle) {
    uint32_t n = 0;
    guard_void(handle, "reap", [&] { n = handler_of(handle).reap(); });
    return n;
  }

  static void cancel(void* handle, tcmud_request* request) {
    guard_void(handle, "cancel", [&] { handler_of(handle).cancel(*request); });
  }

  static int32_t resize(void* handle, uint64_t lun_size, char* why, size_t why_size) {
    return guard_cold(why, why_size, [&]() -> int32_t {
      const auto refusal = handler_of(handle).resize(lun_size);
      if (refusal) {
        return refuse(*refusal, why, why_size);
      }
      static_cast<Instance*>(handle)->lun_size = lun_size;
      return 0;
    });
  }

  static void close(void* handle) { delete static_cast<Instance*>(handle); }

  static void set_command_timeout(void* handle, uint32_t seconds) {
    guard_void(handle, "set_command_timeout",
               [&] { handler_of(handle).set_command_timeout(seconds); });
  }

  static void acquire_lock(void* handle, int32_t group) {
    guard_void(handle, "acquire_lock", [&] { handler_of(handle).acquire_lock(group); });
  }

  static void enable_lock(void* handle) {
    guard_void(handle, "enable_lock", [&] { handler_of(handle).enable_lock(); });
  }

  static void release_lock(void* handle) {
    guard_void(handle, "release_lock", [&] { handler_of(handle).release_lock(); });
  }

  static void get_lock_status(void* handle, tcmud_lock_status* out) {
    tcmud_lock_status status = copy_sized(*out);
    guard_void(handle, "get_lock_status", [&] { handler_of(handle).get_lock_status(status); });
    status.size = out->size;
    std::memcpy(out, &status, out->size < sizeof(status) ? out->size : sizeof(status));
  }

  static const void* get_extension(const char* name, uint32_t version) {
    if constexpr (Lockable<H>) {
      static constexpr tcmud_lock lock = {.size = sizeof(tcmud_lock),
                                          .reserved_ = 0,
                                          .acquire = acquire_lock,
                                          .enable = enable_lock,
                                          .release = release_lock,
                                          .get_status = get_lock_status};
      if (std::string_view(name) == TCMUD_LOCK_EXTENSION && version == TCMUD_LOCK_VERSION) {
        return &lock;
      }
    }
    if constexpr (requires { H::get_extension(name, version); }) {
      try {
        return H::get_extension(name, version);
      } catch (...) {
        return nullptr;
      }
    }
    return nullptr;
  }
};

}  // namespace tcmud::api

// At file scope, once per shared object.
#define TCMUD_REGISTER_HANDLER_CLASS(Class)                                                        \
  static constexpr struct tcmud_handler tcmud_handler_table_ = ::tcmud::api::Shim<Class>::table(); \
  TCMUD_REGISTER_HANDLER(tcmud_handler_table_)
