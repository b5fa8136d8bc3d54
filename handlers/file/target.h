// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include <tcmud/handler.hpp>

#include "discard.h"
#include "fd.h"
#include "options.h"
#include "system.h"

namespace tcmud::file {

// The opened and locked file or block device behind a LUN, and what was learned about it.
class Target {
 public:
  // Opens, creates where asked, locks, and compares sizes. May block.
  static api::Result<Target> open(const Options& options, uint64_t lun_size, uint32_t block_size,
                                  const System& system);
  Target(Target&&) = default;
  Target& operator=(Target&&) = delete;
  // Gives the locks back; every I/O must be done.
  ~Target();

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& path() const { return options_.path; }
  [[nodiscard]] bool direct() const { return options_.direct; }
  [[nodiscard]] bool read_only() const { return options_.read_only; }
  [[nodiscard]] uint32_t block_size() const { return block_size_; }
  [[nodiscard]] DiscardModes discard_modes() const { return discard_; }

  // The LUN is to have lun_size bytes from now on. A regular file must have that size already, but
  // with `create` it grows here; a block device must be large enough. The control thread, while I/O
  // goes on.
  std::optional<api::Refusal> resize(uint64_t lun_size);

  // The control thread.
  void fill_props(tcmud_props& props) const;

 private:
  Target(Fd fd, const Options& options, uint32_t block_size);
  std::optional<api::Refusal> prepare(uint64_t lun_size, const System& system);
  std::optional<api::Refusal> check_alignment() const;
  api::Result<uint64_t> current_size() const;
  std::optional<api::Refusal> fit_regular(uint64_t size, uint64_t lun_size, bool may_grow) const;
  void learn_regular(const System& system);
  void learn_block();

  Fd fd_;
  Options options_;
  uint32_t block_size_;  // of the LUN, bytes
  bool block_device_ = false;
  bool locked_ = false;
  uint64_t device_ = 0;               // dev_t whose queue tells about the medium
  uint64_t size_ = 0;                 // bytes the LUN may use
  uint32_t physical_block_size_ = 0;  // bytes
  uint32_t optimal_io_size_ = 0;      // bytes, 0 = unknown
  uint64_t discard_granularity_ = 0;  // bytes
  bool rotational_ = false;
  DiscardModes discard_;
};

// What check_config can say about a path without opening it: only what no later change of ours
// makes good.
[[nodiscard]] std::optional<api::Refusal> check_path(const std::string& path);

}  // namespace tcmud::file
