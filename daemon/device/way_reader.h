// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "copy/ways.h"
#include "kernel/fabric_tree.h"

namespace tcmud::device {

// Every way to LUNs of TCMU that the fabrics have. Blocks, see FabricTree. An error: not all of it
// can be read, so that nothing is known.
//
// Counted are portal groups that aren't disabled, and in each
// - every ACL, with the LUNs that it maps and whether they are write-protected there;
// - whoever needs no ACL, who reaches all of its LUNs: where generate_node_acls says so, where
//   cache_dynamic_acls or dynamic_sessions say that such initiators may be left from before, and in
//   fabrics that have no such attribute (tcm_loop, vhost). One way too many never allows anything.
Result<copy::Ways> read_ways(kernel::FabricTree& tree);

// Reads ways for all LUNs, on a thread of its own: a LUN's strand must not be the one that an rmdir
// keeps waiting, because the rmdir may wait for a command that waits for the strand. There is no
// thread while nobody asks. Any thread.
class WayReader {
 public:
  // nullptr: there are no ways.
  explicit WayReader(std::shared_ptr<kernel::FabricTree> tree);
  // Does not wait for a thread that configfs keeps waiting.
  ~WayReader();
  WayReader(const WayReader&) = delete;
  WayReader& operator=(const WayReader&) = delete;

  // As they were at `since` (CLOCK_MONOTONIC, ns) or later. Waits for no longer than `patience`.
  // nullptr: they could not be read, or not in time.
  [[nodiscard]] std::shared_ptr<const copy::Ways> read(uint64_t since,
                                                       std::chrono::milliseconds patience);

 private:
  struct State;
  const std::shared_ptr<State> state_;  // also the thread's
};

}  // namespace tcmud::device
