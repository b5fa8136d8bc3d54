// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "kernel/fabric_tree.h"
#include "support/attributes.h"

namespace tcmud::test {

// configfs of the fabrics. A directory is there as long as something is in it. Any thread.
class FakeFabrics final : public kernel::FabricTree {
 public:
  Result<std::vector<Entry>> list(std::string_view path) override;
  Result<std::string> read(std::string_view path) override;

  // ---- The administrator.
  void set_attribute(std::string_view path, std::string_view value);
  // ln -s TARGET PATH
  void link(std::string_view path, std::string_view target);
  // A file, or a directory with all that is in it.
  void remove(std::string_view path);
  // Exports LUN "user_0/disk" as GROUP/lun/DIRECTORY.
  void add_lun(const std::string& group, const std::string& directory, const std::string& lun);
  // Maps GROUP/lun/DIRECTORY for an initiator, as the mapped LUN of the same name.
  void map(const std::string& group, const std::string& initiator, const std::string& directory,
           bool write_protect = false);

  // list() of this path fails; 0: no longer.
  void fail_list(std::string_view path, int error);
  // list() keeps everybody waiting until it is called again, as an rmdir would.
  void hang(bool hang);
  // How often somebody has looked at the top.
  [[nodiscard]] int walks() const { return walks_; }

 private:
  std::mutex mutex_;
  std::condition_variable freed_;
  bool hanging_ = false;
  AttributeMap attributes_;
  AttributeMap links_;
  std::map<std::string, int, std::less<>> errors_;
  std::atomic<int> walks_{0};
};

}  // namespace tcmud::test
