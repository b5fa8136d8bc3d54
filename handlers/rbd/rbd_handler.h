// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <tcmud/handler.hpp>

#include "connection.h"
#include "io.h"
#include "options.h"

namespace tcmud::rbd {

class RbdHandler {
 public:
  static constexpr const char* subtype = "rbd";
  static constexpr const char* description = "an image of a Ceph cluster (RBD)";
  static constexpr const char* config_help = kConfigHelp;
  using Context = rbd::Context;

  static std::optional<api::Refusal> check_config(const api::Config& config);
  static api::Result<std::unique_ptr<RbdHandler>> open(const api::OpenArgs& args);

  void get_props(tcmud_props& props);
  int32_t submit(tcmud_request& request) { return connection_->submit(request); }
  uint32_t reap() { return connection_->reap(); }
  std::optional<api::Refusal> resize(uint64_t lun_size);
  void set_command_timeout(uint32_t seconds) { connection_->set_command_timeout(seconds); }
  // The lock extension; called where props.lock is 1.
  void acquire_lock(int32_t group) { connection_->keeper()->acquire(group); }
  void enable_lock() { connection_->keeper()->enable(); }
  void release_lock() { connection_->keeper()->release(); }
  void get_lock_status(tcmud_lock_status& status) { connection_->keeper()->get_status(status); }

 private:
  RbdHandler(Options options, uint32_t block_size, std::unique_ptr<Connection> connection)
      : options_(std::move(options)), block_size_(block_size), connection_(std::move(connection)) {}

  const Options options_;
  const uint32_t block_size_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace tcmud::rbd
