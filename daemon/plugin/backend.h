// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tcmud/handler.h>

#include "base/result.h"
#include "plugin/host_services.h"
#include "plugin/parsed_config.h"
#include "plugin/registry.h"
#include "plugin/request.h"

namespace tcmud::plugin {

struct OpenParameters {
  std::string name;  // "<hba>/<name>" as the log says it
  std::string subtype;
  std::string config;
  uint64_t lun_size = 0;
  uint32_t block_size = 512;
  bool read_only = false;
};

// One LUN's handle on its handler: the adapter that gives every handler the same face. A missing
// callback is never called, defaults are filled in, and what the handler says of itself is checked.
class Backend {
 public:
  // May block; the LUN's strand. The error names cause and remedy. `news` outlives the backend.
  static Result<std::unique_ptr<Backend>> open(const Registry& registry,
                                               const OpenParameters& parameters, HandlerNews& news);
  // Closes; every request must have been completed. May block.
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  [[nodiscard]] const tcmud_props& props() const { return props_; }
  [[nodiscard]] uint32_t context_size() const { return handler_->ctx_size; }
  [[nodiscard]] const std::vector<ParsedConfig::Option>& core_options() const {
    return core_options_;
  }

  // Hands a request over; TCMUD_QUEUED or the final status. The caller filled everything in
  // request.c, and the sink.
  int32_t submit(Request& request) {
    request.hand_over();
    const int32_t status = handler_->submit(handle_, &request.c);
    return status == TCMUD_QUEUED ? status : take_back(request, status);
  }

  void flush_batch() {
    if (handler_->flush_batch != nullptr) {
      handler_->flush_batch(handle_);
    }
  }

  // True if something was completed.
  bool reap() { return handler_->reap != nullptr && handler_->reap(handle_) > 0; }

  // The LUN's strand; requests go on meanwhile. New properties count from here on.
  Result<void> resize(uint64_t lun_size);
  // What the backend could serve now, in bytes; props() stays as it is. The LUN's strand.
  [[nodiscard]] uint64_t served_size() const;

  // After how many seconds the kernel answers in our place; 0 = never. The LUN's strand.
  void set_command_timeout(uint32_t seconds) {
    if (handler_->set_command_timeout != nullptr) {
      handler_->set_command_timeout(handle_, seconds);
    }
  }

  // The lock extension; the LUN's strand. Only where has_lock().
  [[nodiscard]] bool has_lock() const { return lock_.get_status != nullptr; }
  void acquire_lock(int32_t group) { lock_.acquire(handle_, group); }
  void enable_lock() { lock_.enable(handle_); }
  void release_lock() { lock_.release(handle_); }
  [[nodiscard]] tcmud_lock_status lock_status() const;

 private:
  Backend() = default;
  static int32_t take_back(Request& request, int32_t status);
  Result<void> read_props(uint64_t lun_size, uint32_t block_size);
  Result<void> find_lock();

  tcmud_lock lock_{};
  const tcmud_handler* handler_ = nullptr;
  void* handle_ = nullptr;
  std::unique_ptr<tcmud_device> device_;
  tcmud_props props_{};
  uint32_t block_size_ = 512;
  std::vector<ParsedConfig::Option> core_options_;
};

}  // namespace tcmud::plugin
