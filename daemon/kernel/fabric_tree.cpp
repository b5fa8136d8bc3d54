// SPDX-License-Identifier: Apache-2.0
#include "kernel/fabric_tree.h"

#include <array>
#include <climits>
#include <cstring>

#include <dirent.h>
#include <unistd.h>

#include "kernel/configfs.h"

namespace tcmud::kernel {
namespace {

class ConfigfsTree final : public FabricTree {
 public:
  explicit ConfigfsTree(KernelPaths paths) : paths_(std::move(paths)) {}

  Result<std::vector<Entry>> list(std::string_view path) override {
    return path.empty() ? entries(paths_.target()) : fabric_path(paths_, path).and_then(entries);
  }
  Result<std::string> read(std::string_view path) override {
    return fabric_path(paths_, path).and_then(read_small_file);
  }

 private:
  static Result<std::vector<Entry>> entries(const std::string& path) {
    const std::unique_ptr<DIR, decltype([](DIR* d) { ::closedir(d); })> listing(
        ::opendir(path.c_str()));
    if (!listing) {
      return fail(errno, "{}: {}", path, std::strerror(errno));
    }
    std::vector<Entry> found;
    while (true) {
      errno = 0;
      const dirent* entry = ::readdir(listing.get());
      if (entry == nullptr && errno != 0) {
        return fail(errno, "{}: {}", path, std::strerror(errno));
      }
      if (entry == nullptr) {
        return found;
      }
      const std::string_view name = entry->d_name;
      if (entry->d_type == DT_DIR && name != "." && name != "..") {
        found.push_back({.name = std::string(name)});
      } else if (entry->d_type == DT_LNK) {
        std::array<char, PATH_MAX> target{};
        const ssize_t length =
            ::readlinkat(::dirfd(listing.get()), entry->d_name, target.data(), target.size());
        if (length < 0 && errno != ENOENT) {
          return fail(errno, "{}/{}: {}", path, name, std::strerror(errno));
        }
        if (length > 0) {
          found.push_back({.name = std::string(name),
                           .target = std::string(target.data(), static_cast<size_t>(length))});
        }
      }
    }
  }

  const KernelPaths paths_;
};

}  // namespace

std::shared_ptr<FabricTree> make_fabric_tree(const KernelPaths& paths) {
  return std::make_shared<ConfigfsTree>(paths);
}

}  // namespace tcmud::kernel
