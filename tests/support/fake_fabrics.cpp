// SPDX-License-Identifier: Apache-2.0
#include "support/fake_fabrics.h"

#include <set>

namespace tcmud::test {

Result<std::vector<kernel::FabricTree::Entry>> FakeFabrics::list(std::string_view path) {
  std::unique_lock lock(mutex_);
  walks_ += path.empty() ? 1 : 0;
  freed_.wait(lock, [this] { return !hanging_; });
  if (const auto error = errors_.find(path); error != errors_.end()) {
    return fail(error->second, "{}: made to fail", path);
  }
  const std::string prefix = path.empty() ? "" : std::string(path) + "/";
  std::set<std::string> directories;
  std::vector<Entry> found;
  for (const AttributeMap* map : {&attributes_, &links_}) {
    for (const auto& [name, value] : *map) {
      if (!name.starts_with(prefix)) {
        continue;
      }
      const std::string below = name.substr(prefix.size());
      if (const size_t slash = below.find('/'); slash != below.npos) {
        directories.insert(below.substr(0, slash));
      } else if (map == &links_) {
        found.push_back({.name = below, .target = value});
      }
    }
  }
  for (const std::string& name : directories) {
    found.push_back({.name = name});
  }
  if (found.empty() && !path.empty()) {
    return fail(ENOENT, "{}: no such directory", path);
  }
  return found;
}

Result<std::string> FakeFabrics::read(std::string_view path) {
  const std::lock_guard lock(mutex_);
  const auto found = attributes_.find(path);
  if (found == attributes_.end()) {
    return fail(ENOENT, "{}: no such attribute", path);
  }
  return found->second;
}

void FakeFabrics::set_attribute(std::string_view path, std::string_view value) {
  const std::lock_guard lock(mutex_);
  attributes_.insert_or_assign(std::string(path), std::string(value));
}

void FakeFabrics::link(std::string_view path, std::string_view target) {
  const std::lock_guard lock(mutex_);
  links_.insert_or_assign(std::string(path), std::string(target));
}

void FakeFabrics::remove(std::string_view path) {
  const std::lock_guard lock(mutex_);
  const std::string below = std::string(path) + "/";
  for (AttributeMap* map : {&attributes_, &links_}) {
    std::erase_if(*map, [&](const auto& file) {
      return file.first == path || file.first.starts_with(below);
    });
  }
}

void FakeFabrics::add_lun(const std::string& group, const std::string& directory,
                          const std::string& lun) {
  link(group + "/lun/" + directory + "/backstore", "../../../../../../target/core/" + lun);
}

void FakeFabrics::map(const std::string& group, const std::string& initiator,
                      const std::string& directory, bool write_protect) {
  const std::string mapped = group + "/acls/" + initiator + "/" + directory;
  link(mapped + "/default", "../../../../../../../target/" + group + "/lun/" + directory);
  set_attribute(mapped + "/write_protect", write_protect ? "1" : "0");
}

void FakeFabrics::fail_list(std::string_view path, int error) {
  const std::lock_guard lock(mutex_);
  errors_.erase(std::string(path));
  if (error != 0) {
    errors_.insert_or_assign(std::string(path), error);
  }
}

void FakeFabrics::hang(bool hang) {
  const std::lock_guard lock(mutex_);
  hanging_ = hang;
  freed_.notify_all();
}

}  // namespace tcmud::test
