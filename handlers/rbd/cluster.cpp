// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <sys/utsname.h>

namespace tcmud::rbd {
namespace {

// Beyond the time in which the cluster notices a dead OSD: to learn of it, and to ask the next one.
constexpr uint32_t kSlackSeconds = 5;

std::string node_name() {
  utsname name;
  return ::uname(&name) == 0 ? name.nodename : "localhost";
}

// A word as it stands between quotes in a monitor's command.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  return out + "\"";
}

// Is there a line that consists of `word`?
bool has_line(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    while (!line.empty() && line.back() == ' ') {
      line.remove_suffix(1);
    }
    if (line == word) {
      return true;
    }
    if (end == std::string_view::npos) {
      return false;
    }
    text.remove_prefix(end + 1);
  }
  return false;
}

}  // namespace

uint32_t choose_osd_op_timeout(uint32_t wanted, uint32_t configured, uint32_t grace,
                               uint32_t command_seconds) {
  uint32_t seconds = grace + kSlackSeconds;
  if (wanted > grace) {
    seconds = wanted;
  } else if (configured > grace) {
    seconds = configured;
  }
  if (command_seconds > 0) {
    seconds = std::min(seconds, std::max(1u, command_seconds * 5 / 6));
  }
  return seconds;
}

std::string pack(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string packed;
  for (const auto& [key, value] : pairs) {
    packed.append(key).append(1, '\0').append(value).append(1, '\0');
  }
  return packed + '\0';
}

api::Result<Cluster> Cluster::connect(const Ceph& ceph, const Options& options,
                                      uint32_t command_seconds) {
  const std::string client = "client." + options.id;
  rados_t rados = nullptr;
  if (const int r = ceph.create(&rados, options.cluster.c_str(), client.c_str(), 0); r < 0) {
    return api::Refusal{-r, "rbd: cannot make a client " + client + " of cluster " +
                                options.cluster + ": " + std::strerror(-r)};
  }
  Cluster cluster(ceph, rados);
  if (auto refusal = cluster.configure(options, command_seconds)) {
    return *refusal;
  }
  if (const int r = ceph.connect(rados); r < 0) {
    const char* remedy = "; are the monitors of its configuration file up and reachable?";
    if (r == -EACCES || r == -EPERM) {
      remedy = "; check the keyring and the capabilities of this client";
    } else if (r == -ENOENT) {
      remedy = "; is there a configuration file with mon_host, and a keyring?";
    }
    return api::Refusal{-r, "rbd: cannot connect to cluster " + options.cluster + " as " + client +
                                ": " + std::strerror(-r) + remedy};
  }
  return cluster;
}

Cluster::Cluster(Cluster&& other) noexcept
    : ceph_(other.ceph_),
      rados_(std::exchange(other.rados_, nullptr)),
      configured_timeout_(other.configured_timeout_),
      osd_op_timeout_(other.osd_op_timeout_) {}

Cluster::~Cluster() {
  if (rados_ != nullptr) {
    ceph_->shutdown(rados_);
  }
}

void Cluster::set(const char* key, const std::string& value) {
  // A key that this release of Ceph doesn't know has nothing to do there.
  (void)ceph_->conf_set(rados_, key, value.c_str());
}

std::string Cluster::get(const char* key) const {
  std::array<char, 256> value{};
  return ceph_->conf_get(rados_, key, value.data(), value.size()) < 0 ? "" : value.data();
}

uint32_t Cluster::get_seconds(const char* key) const {
  // Some of them are fractions.
  const double value = std::strtod(get(key).c_str(), nullptr);
  return value > 0 && value < 1e6 ? static_cast<uint32_t>(value + 0.999) : 0;
}

std::optional<api::Refusal> Cluster::configure(const Options& options, uint32_t command_seconds) {
  const char* file = options.conf.empty() ? nullptr : options.conf.c_str();
  const int r = ceph_->conf_read_file(rados_, file);
  if (r < 0) {
    return api::Refusal{-r, "rbd: cannot read " +
                                (options.conf.empty() ? "the configuration of Ceph (/etc/ceph/" +
                                                            options.cluster + ".conf)"
                                                      : options.conf) +
                                ": " + std::strerror(-r) + "; name it by conf=/path"};
  }
  set_command_timeout(options, command_seconds);

  // Written data is on its way to the disks, not in a cache of ours, unless that is asked for.
  set("rbd_cache", options.cache ? "true" : "false");
  // librbd 16 without the copy waits until nobody has the buffer any more before it ends a write,
  // and forgets to let go of it where a write is refused early, as a fenced client's are: it never
  // ends.
  set("rbd_disable_zero_copy_writes", "true");
  // Only this host has the log that such a cache keeps, but another one may take the image over.
  set("rbd_persistent_cache_mode", "disabled");
  // An owner of the image's lock that is taken for dead must not write again. For how long is left
  // to the monitors (mon_osd_blocklist_default_expire): with a time of its own librbd's fence fails
  // in Ceph 16 (EINVAL).
  set("rbd_blocklist_on_break_lock", "true");
  set("rbd_blocklist_expire_seconds", "0");
  // A LUN's submitting thread must not wait for those before it. How much is under way is limited
  // by the ring.
  set("objecter_inflight_ops", "65536");
  set("objecter_inflight_op_bytes", std::to_string(uint64_t{4} << 30));
  // Threads are per connection, and there may be hundreds. Whoever has set them gets them.
  if (get("ms_async_op_threads") == "3") {
    set("ms_async_op_threads", "1");
  }
  if (get("librados_thread_count") == "2") {
    set("librados_thread_count", "1");
  }
  return std::nullopt;
}

void Cluster::set_command_timeout(const Options& options, uint32_t command_seconds) {
  if (!configured_timeout_) {
    configured_timeout_ = get_seconds("rados_osd_op_timeout");
  }
  const uint32_t grace = get_seconds("osd_heartbeat_grace") + get_seconds("osd_heartbeat_interval");
  osd_op_timeout_ =
      choose_osd_op_timeout(options.osd_op_timeout, *configured_timeout_, grace, command_seconds);
  const uint32_t mon = options.mon_op_timeout > 0 ? options.mon_op_timeout : osd_op_timeout_;
  set("rados_osd_op_timeout", std::to_string(osd_op_timeout_));
  set("rados_mon_op_timeout", std::to_string(mon));
  set("client_mount_timeout", std::to_string(mon));
}

int Cluster::register_service(const Options& options, const std::string& image_id) {
  const std::string node = node_name();
  const std::string metadata = pack({{"pool_name", options.pool},
                                     {"image_name", options.image},
                                     {"image_id", image_id},
                                     {"daemon_type", "portal"},
                                     {"daemon_prefix", node}});
  const std::string daemon = node + ":" + options.spec();
  return ceph_->service_register(rados_, "tcmu-runner", daemon.c_str(), metadata.c_str());
}

void Cluster::update_status(const ServiceStatus& status) {
  std::string packed = pack({{"lock_owner", status.lock_owner ? "true" : "false"},
                             {"lock_lost_cnt", std::to_string(status.lock_lost)},
                             {"conn_lost_cnt", std::to_string(status.connection_lost)},
                             {"cmd_timed_out_cnt", std::to_string(status.timed_out)}});
  // The type of the argument lacks its const in some releases.
  (void)ceph_->service_update_status(rados_, packed.data());
}

std::optional<std::string> Cluster::ask_monitors(const std::string& command) const {
  const char* commands[] = {command.c_str()};
  char* out = nullptr;
  char* status = nullptr;
  size_t out_length = 0;
  size_t status_length = 0;
  const int r =
      ceph_->mon_command(rados_, commands, 1, "", 0, &out, &out_length, &status, &status_length);
  std::optional<std::string> answer;
  if (r >= 0) {
    answer = std::string(out != nullptr ? out : "", out != nullptr ? out_length : 0);
  }
  if (out != nullptr) {
    ceph_->buffer_free(out);
  }
  if (status != nullptr) {
    ceph_->buffer_free(status);
  }
  return answer;
}

bool Cluster::rotational(const std::string& pool) const {
  const std::optional<std::string> rule = ask_monitors(
      R"({"prefix":"osd pool get","var":"crush_rule","pool":)" + json_string(pool) + "}");
  constexpr std::string_view kBefore = "crush_rule: ";
  if (!rule || !rule->starts_with(kBefore)) {
    return true;
  }
  std::string name = rule->substr(kBefore.size());
  name.erase(std::min(name.find('\n'), name.size()));
  for (const char* device_class : {"ssd", "nvme"}) {
    const std::optional<std::string> rules = ask_monitors(
        std::string(R"({"prefix":"osd crush rule ls-by-class","class":")") + device_class + "\"}");
    if (rules && has_line(*rules, name)) {
      return false;
    }
  }
  return true;
}

}  // namespace tcmud::rbd
