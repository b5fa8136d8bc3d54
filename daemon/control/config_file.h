// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "control/config.h"

namespace tcmud::control {

// tcmu.conf on disk: the last text of it that could be understood, and word of when to look again.
// Main thread.
class ConfigFile {
 public:
  explicit ConfigFile(std::filesystem::path path);

  // The last one that was understood; the defaults before the first.
  [[nodiscard]] const Config& current() const { return config_; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  // Reads the file again if its text changed. True: current() is another one now. A file that isn't
  // there counts as an empty one. The error is "<path>:<line>:<column>: ..." and leaves current()
  // alone; it is given once per text.
  Result<bool> reload();

  // Watches the directory of the file, as editors and configuration managers put a new file in its
  // place. Readable when something in the directory was written, or renamed into it. -1: nothing to
  // watch (no such directory).
  [[nodiscard]] int watch_fd() const { return watch_.get(); }
  // Takes what was readable. True: reload() is worth a try.
  bool take_events();

 private:
  std::filesystem::path path_;
  Fd watch_;
  std::optional<std::string> text_;  // nothing: never read, or there was no file
  bool read_ = false;
  Config config_;
};

}  // namespace tcmud::control
