// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/result.h"
#include "kernel/kernel_port.h"
#include "kernel/uio.h"

namespace tcmud::kernel {

// Counts the changes that anybody makes in configfs to what initiators are told of a LUN: its
// wwn/ and alua/, and the fabrics' ports, of which it takes any for one that may be the LUN's.
// configfs tells as other file systems do, by inotify: what is written, made and removed through
// it, which is how all of this changes. The kernel by itself changes none of it.
//
// There is one inotify descriptor. Its events are read by the main thread, which thereby never
// waits for configfs. To watch a directory its path has to be looked up, which may wait while an
// rmdir has it locked; that is done by who calls watch(), and for the fabrics' directories, which
// come and go, by a thread of this class's own. Neither holds a lock meanwhile that the main thread
// may want.
class ConfigfsWatch {
 public:
  explicit ConfigfsWatch(const KernelPaths& paths);
  // Does not wait for a thread that configfs keeps waiting.
  ~ConfigfsWatch();
  ConfigfsWatch(const ConfigfsWatch&) = delete;
  ConfigfsWatch& operator=(const ConfigfsWatch&) = delete;

  // Readable when there is something for take_events(); -1: the kernel gave none.
  [[nodiscard]] int fd() const;
  // The main thread.
  void take_events();

  // The directories of a device, by any path that leads to them.
  struct Directories {
    std::string wwn;
    std::string attrib;
    std::string alua;
  };
  // See DeviceDirectory::watch.
  Result<void> watch(const Directories& device, const std::shared_ptr<ChangeCount>& changes);

 private:
  struct State;
  std::shared_ptr<State> state_;  // also the thread's
};

}  // namespace tcmud::kernel
