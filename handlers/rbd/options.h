// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <tcmud/handler.hpp>

namespace tcmud::rbd {

enum class Encryption : uint8_t { kNone, kLuks1, kLuks2 };

struct Options {
  std::string pool;
  std::string name_space;  // "" = the pool's own
  std::string image;
  std::string snapshot;  // "" = the image itself; a snapshot makes a read-only LUN

  std::string conf;              // "" = where Ceph looks for it
  std::string cluster = "ceph";  // names the configuration file and the keyring
  std::string id = "admin";      // client.<id>
  uint32_t osd_op_timeout = 0;   // seconds; 0 = as Ceph's configuration says, or long enough
  uint32_t mon_op_timeout = 0;   // seconds; 0 = osd_op_timeout
  bool cache = false;            // librbd's write-back cache
  bool read_only = false;        // the LUN refuses writes
  bool lock = true;              // off: writes need no exclusive lock of ours
  uint32_t lock_hold_ms = 3000;  // a lock that became ours stays so at least so long
  Encryption encryption = Encryption::kNone;
  std::string passphrase_file;

  // "<pool>[/<namespace>]/<image>[@<snapshot>]": how people and the service map name it.
  [[nodiscard]] std::string spec() const;
};

inline constexpr const char* kConfigHelp =
    "rbd/pool[/namespace]/image[@snapshot][;conf=path][;id=user][;cluster=name]"
    "[;osd_op_timeout=seconds][;mon_op_timeout=seconds][;cache][;readonly][;nolock]"
    "[;lock_hold=milliseconds][;encryption=luks1|luks2;passphrase_file=path]";

// Judges the words alone; asks no cluster and looks at no file.
[[nodiscard]] api::Result<Options> parse_options(const api::Config& config);

}  // namespace tcmud::rbd
