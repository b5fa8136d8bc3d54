// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tcmud::copy {

// For how long what was read of ways counts, in ns.
inline constexpr uint64_t kWaysFresh = 1'000'000'000;

// One way by which commands come to LUNs: a portal group of a fabric, for one initiator that has an
// ACL there, or for all those that need none.
struct Way {
  struct Reach {
    std::string lun;  // "user_0/disk"
    bool writable = false;
  };
  std::string name;            // its directory: "iscsi/iqn.x:y/tpgt_1/acls/iqn.x:z"
  std::vector<Reach> reach{};  // each LUN once, ascending

  // Puts a LUN in its place; of one that is mapped twice, what is allowed by either is.
  void add(std::string lun, bool writable);
  // nullptr: it does not lead there.
  [[nodiscard]] const Reach* find(std::string_view lun) const;
};

// All ways of the machine, when read_at (CLOCK_MONOTONIC, ns) was.
struct Ways {
  uint64_t read_at = 0;
  std::vector<Way> ways;
};

// Why a command that came to one LUN may not touch another.
struct Objection {
  // By which a command can come to the one and not do the same at the other; nullptr: there is none
  // by which it can have come.
  const Way* way = nullptr;
  bool only_reads = false;  // it does lead to the other
};

// Nobody knows by which way a command came to LUN `home`. So it may read LUN `other`, and with
// `writes` write it, if that can be done by each that leads to `home`: then whoever sent it could
// do as much without us. A LUN may always be copied within itself: the kernel takes no EXTENDED
// COPY from where it is write-protected. nullopt: no objection.
[[nodiscard]] std::optional<Objection> objection(const Ways& ways, std::string_view home,
                                                 std::string_view other, bool writes);

}  // namespace tcmud::copy
