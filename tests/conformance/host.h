// SPDX-License-Identifier: Apache-2.0
//
// The least of a host that can drive a handler as the daemon does: the C API and nothing of the
// daemon's own code, so that a plugin author tests against the contract and not against us.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <tcmud/handler.h>

namespace tcmud::conformance {

// Page-aligned memory, as the data area is.
class Pages {
 public:
  explicit Pages(size_t bytes);
  ~Pages();
  Pages(Pages&& other) noexcept;
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  [[nodiscard]] uint8_t* data() const { return data_; }
  [[nodiscard]] size_t size() const { return size_; }

 private:
  uint8_t* data_;
  size_t size_;
};

// One request and its memory.
class Request {
 public:
  // The bytes stand scattered over `vectors` iovecs of whole blocks, each on a page of its own.
  static std::unique_ptr<Request> read(uint64_t offset, uint64_t length, uint32_t vectors = 1,
                                       uint32_t block_size = 512);
  static std::unique_ptr<Request> write(uint64_t offset, const std::vector<uint8_t>& data,
                                        uint32_t vectors = 1, uint16_t flags = 0,
                                        uint32_t block_size = 512);
  static std::unique_ptr<Request> flush();
  static std::unique_ptr<Request> unmap(std::vector<tcmud_range> ranges);
  static std::unique_ptr<Request> write_zeroes(uint64_t offset, uint64_t length, uint16_t flags);
  static std::unique_ptr<Request> of(uint16_t op, uint64_t offset, uint64_t length);

  // What a READ has brought.
  [[nodiscard]] std::vector<uint8_t> data() const;

  tcmud_request c{};  // first: the handler knows this address
  int32_t status = TCMUD_QUEUED;
  uint64_t info = TCMUD_NO_INFO;

 private:
  friend class Lun;
  friend class HostTable;
  enum State : uint8_t { kOurs, kHandedOver };

  void scatter(uint64_t length, uint32_t vectors, uint32_t block_size);

  std::vector<Pages> pages_;
  std::vector<iovec> iov_;
  std::vector<tcmud_range> ranges_;
  std::unique_ptr<Pages> ctx_;
  class Lun* lun_ = nullptr;
  std::atomic<uint8_t> state_{kOurs};
  // Guarded by the LUN's mutex. A cancel that the loop has not seen yet refers to the request, so
  // whoever waits for the answer waits for that too before the memory may go.
  bool done_ = false;
  uint32_t cancels_ = 0;
};

// A handler that is loaded, by the path of its shared object; it stays loaded. Null and a reason in
// `why` on failure.
const tcmud_handler* load_handler(const std::string& path, std::string& why);
// The same by subtype, from the directory of the build or from those loaded before.
const tcmud_handler* find_handler(const std::string& subtype);

// check_config of the handler that `config` ("subtype/path;options") names: 0 or a negative errno,
// and the reason.
int32_t check_config(const std::string& config, std::string& why);

// An opened LUN with its loop thread (async) or its pool (blocking).
class Lun {
 public:
  static std::unique_ptr<Lun> open(const std::string& config, uint64_t size, uint32_t block_size,
                                   std::string& why, uint32_t flags = 0);
  // Waits for what is in flight and closes.
  ~Lun();
  Lun(const Lun&) = delete;
  Lun& operator=(const Lun&) = delete;

  [[nodiscard]] const tcmud_props& props() const { return props_; }

  void submit(Request& request);
  // For the answer, and until no cancel of it is under way. False if that did not come in time.
  bool wait(Request& request, std::chrono::milliseconds limit = std::chrono::seconds(30));
  [[nodiscard]] bool done(Request& request);
  void cancel(Request& request);
  // submit, wait, and the status; the test fails if no answer comes.
  int32_t run(Request& request);
  // Where props.lock is 1, open has done this. Blocks.
  bool take_lock();
  int32_t resize(uint64_t size, std::string& why);
  // Asks for the properties again.
  void refresh_props();
  void set_command_timeout(uint32_t seconds);

  // Breaches of the contract seen so far: a second completion, one after a final status, an unknown
  // status, ...
  [[nodiscard]] std::vector<std::string> violations();
  [[nodiscard]] std::vector<std::string> log_lines();
  // enum tcmud_event, in their order.
  [[nodiscard]] std::vector<int32_t> events();
  // What the handler told last of its backend, and why; UP and "" before.
  [[nodiscard]] std::pair<int32_t, std::string> backend_state();

 private:
  friend class HostTable;
  Lun() = default;

  void run_loop(int event_fd);
  void run_pool_thread();
  void hand_over(Request& request);
  void answered(Request& request, int32_t status, uint64_t info);
  void violation(const std::string& what);

  const tcmud_handler* handler_ = nullptr;
  void* handle_ = nullptr;
  tcmud_props props_{};
  int wake_fd_ = -1;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<Request*> queue_;
  std::deque<Request*> cancels_;
  uint32_t unanswered_ = 0;
  bool stop_ = false;
  std::vector<std::string> violations_;
  std::vector<std::string> log_;
  std::vector<int32_t> events_;
  std::pair<int32_t, std::string> backend_state_{TCMUD_BACKEND_UP, ""};
  std::vector<std::thread> threads_;
};

}  // namespace tcmud::conformance
