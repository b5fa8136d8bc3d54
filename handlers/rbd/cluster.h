// SPDX-License-Identifier: Apache-2.0
//
// One connection to a Ceph cluster. A LUN has one of its own: Ceph's service map and the
// performance counters that the manager shows are those of a connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tcmud/handler.hpp>

#include "ceph.h"
#include "options.h"

namespace tcmud::rbd {

// What the service map tells of a LUN besides who it is. Each number only grows.
struct ServiceStatus {
  bool lock_owner = false;
  uint64_t lock_lost = 0;
  uint64_t connection_lost = 0;
  uint64_t timed_out = 0;
  bool operator==(const ServiceStatus&) const = default;
};

class Cluster {
 public:
  // Connects; waits no longer than the time-outs say. `command_seconds` is after how long the
  // kernel answers in our place, 0 = never.
  static api::Result<Cluster> connect(const Ceph& ceph, const Options& options,
                                      uint32_t command_seconds);
  Cluster(Cluster&& other) noexcept;
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster();  // waits for callbacks that are under way

  [[nodiscard]] rados_t handle() const { return rados_; }
  // After so many seconds an operation ends with ETIMEDOUT.
  [[nodiscard]] uint32_t osd_op_timeout() const { return osd_op_timeout_; }
  // The same for another `command_seconds`.
  void set_command_timeout(const Options& options, uint32_t command_seconds);

  // A LUN's entry in the service map. 0 or a negative errno.
  int register_service(const Options& options, const std::string& image_id);
  void update_status(const ServiceStatus& status);

  // Does CRUSH put the pool on devices that rotate? Where that can't be told: yes.
  [[nodiscard]] bool rotational(const std::string& pool) const;

 private:
  Cluster(const Ceph& ceph, rados_t rados) : ceph_(&ceph), rados_(rados) {}

  std::optional<api::Refusal> configure(const Options& options, uint32_t command_seconds);
  void set(const char* key, const std::string& value);
  [[nodiscard]] std::string get(const char* key) const;
  [[nodiscard]] uint32_t get_seconds(const char* key) const;
  // The answer's text, or nothing.
  [[nodiscard]] std::optional<std::string> ask_monitors(const std::string& command) const;

  const Ceph* ceph_;
  rados_t rados_;
  std::optional<uint32_t> configured_timeout_;  // of Ceph's configuration
  uint32_t osd_op_timeout_ = 0;
};

// The seconds after which an operation shall end: `wanted` of the LUN's options, or `configured` of
// Ceph's, whichever is long enough for a peer to notice that an OSD is dead (`grace`) and to ask
// another one; and before the kernel gives up on the command after `command_seconds` (0 = never).
[[nodiscard]] uint32_t choose_osd_op_timeout(uint32_t wanted, uint32_t configured, uint32_t grace,
                                             uint32_t command_seconds);

// "key\0value\0...\0\0", as librados takes it.
[[nodiscard]] std::string pack(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace tcmud::rbd
