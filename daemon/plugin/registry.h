// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tcmud/handler.h>

#include "base/result.h"

namespace tcmud::plugin {

// What D-Bus and the log tell about a handler.
struct HandlerInfo {
  std::string subtype;
  std::string description;
  std::string config_help;
  std::filesystem::path file;
};

// The handlers that were found at start-up. Filled on the main thread before any LUN opens, then
// constant: every const call may come from any thread. Handlers stay loaded as long as the registry
// lives.
class Registry {
 public:
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Loads every handler_*.so of a directory in the order of names. A file that is not a handler,
  // has a wrong ABI or a subtype that is taken is left out, with a line in the log that says why.
  // Returns how many were loaded; fails with the errno of opening the directory.
  Result<size_t> load_directory(const std::filesystem::path& directory);

  // Takes a handler that lives in this program (tests, benches).
  Result<void> add(const tcmud_handler& handler, const std::filesystem::path& file = {});

  // nullptr: none of that name. Exact match: "q" does not find "qcow".
  [[nodiscard]] const tcmud_handler* find(std::string_view subtype) const;

  // Ordered by subtype.
  [[nodiscard]] std::vector<HandlerInfo> list() const;

  // Is "<subtype>/<config>" something its handler could serve? No side effects. The error is for
  // people.
  [[nodiscard]] Result<void> check_config(std::string_view dev_config) const;

 private:
  struct LibraryCloser {
    void operator()(void* library) const;
  };
  using Library = std::unique_ptr<void, LibraryCloser>;
  struct Entry {
    tcmud_handler handler{};  // as far as the handler's own header went, zero behind
    std::filesystem::path file;
  };

  Result<void> load(const std::filesystem::path& file);

  std::vector<Library> libraries_;  // before handlers_: their code goes last
  std::map<std::string, Entry, std::less<>> handlers_;
};

}  // namespace tcmud::plugin
