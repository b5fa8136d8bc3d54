// SPDX-License-Identifier: Apache-2.0
#include "device/way_reader.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"

namespace tcmud::device {
namespace {

using namespace std::chrono_literals;
using kernel::FabricTree;
using Entries = std::vector<FabricTree::Entry>;

// How long the end waits for the thread, before it is left where it is.
constexpr auto kPatience = 1s;

// What is gone by now has led nowhere any more.
Result<Entries> list(FabricTree& tree, const std::string& path) {
  return tree.list(path).or_else([](const Error& error) -> Result<Entries> {
    if (error.code == ENOENT || error.code == ENOTDIR) {
      return Entries{};
    }
    return tl::unexpected(error);
  });
}

// Takes the last component off a path.
std::string_view take_last(std::string_view& path) {
  const size_t slash = path.rfind('/');
  const std::string_view last = slash == path.npos ? path : path.substr(slash + 1);
  path = slash == path.npos ? std::string_view() : path.substr(0, slash);
  return last;
}

// The one link of a LUN's directory, or of a mapped LUN's; "" where it has none, or none any more.
Result<std::string> link_in(FabricTree& tree, const std::string& path) {
  return list(tree, path).map([](const Entries& entries) -> std::string {
    for (const FabricTree::Entry& entry : entries) {
      if (!entry.target.empty()) {
        return entry.target;
      }
    }
    return {};
  });
}

// "…/target/core/user_0/disk" is LUN "user_0/disk"; "" for what is no LUN of TCMU.
std::string lun_of(std::string_view target) {
  const std::string_view name = take_last(target);
  const std::string_view hba = take_last(target);
  return hba.starts_with("user_") && take_last(target) == "core"
             ? std::string(hba) + "/" + std::string(name)
             : std::string();
}

// One portal group.
class Group {
 public:
  Group(FabricTree& tree, std::string path, std::vector<copy::Way>& ways)
      : tree_(tree), path_(std::move(path)), ways_(ways) {}

  Result<void> read() {
    return read_luns().and_then([this]() -> Result<void> {
      if (luns_.empty() || says("enable", "0")) {
        return {};
      }
      if (admits_anyone()) {
        copy::Way& way = ways_.emplace_back(copy::Way{.name = path_});
        const bool writable = tree_.read(path_ + "/attrib/demo_mode_write_protect")
                                  .map([](const std::string& value) { return value == "0"; })
                                  .or_else([](const Error& error) -> Result<bool> {
                                    return error.code == ENOENT;  // not known to this fabric
                                  })
                                  .value();
        for (const auto& [directory, lun] : luns_) {
          way.add(lun, writable);
        }
      }
      return read_acls();
    });
  }

 private:
  [[nodiscard]] bool says(const std::string& attribute, std::string_view value) {
    const auto read = tree_.read(path_ + "/" + attribute);
    return read && *read == value;
  }

  [[nodiscard]] bool admits_anyone() {
    const auto left = tree_.read(path_ + "/dynamic_sessions");
    return !says("attrib/generate_node_acls", "0") || says("attrib/cache_dynamic_acls", "1") ||
           (left && !left->empty());
  }

  Result<void> read_luns() {
    const auto directories = list(tree_, path_ + "/lun");
    if (!directories) {
      return tl::unexpected(directories.error());
    }
    for (const auto& directory : *directories) {
      const auto target = link_in(tree_, path_ + "/lun/" + directory.name);
      if (!target) {
        return tl::unexpected(target.error());
      }
      if (std::string lun = lun_of(*target); !lun.empty()) {
        luns_.emplace(directory.name, std::move(lun));
      }
    }
    return {};
  }

  Result<void> read_acls() {
    const auto initiators = list(tree_, path_ + "/acls");
    if (!initiators) {
      return tl::unexpected(initiators.error());
    }
    for (const auto& initiator : *initiators) {
      copy::Way way{.name = path_ + "/acls/" + initiator.name};
      if (auto read = read_mapped(way); !read) {
        return read;
      }
      ways_.push_back(std::move(way));
    }
    return {};
  }

  Result<void> read_mapped(copy::Way& way) {
    const auto mapped = list(tree_, way.name);
    if (!mapped) {
      return tl::unexpected(mapped.error());
    }
    for (const auto& entry : *mapped) {
      if (!entry.name.starts_with("lun_")) {
        continue;
      }
      const std::string directory = way.name + "/" + entry.name;
      const auto target = link_in(tree_, directory);
      if (!target) {
        return tl::unexpected(target.error());
      }
      std::string_view path = *target;
      const auto lun = luns_.find(take_last(path));
      if (lun == luns_.end()) {
        continue;
      }
      const auto write_protect = tree_.read(directory + "/write_protect");
      way.add(lun->second, write_protect && *write_protect == "0");
    }
    return {};
  }

  FabricTree& tree_;
  const std::string path_;
  std::vector<copy::Way>& ways_;
  std::map<std::string, std::string, std::less<>> luns_;  // lun/<directory> → LUN
};

}  // namespace

Result<copy::Ways> read_ways(FabricTree& tree) {
  copy::Ways ways{.read_at = monotonic_ns(), .ways = {}};
  const auto fabrics = list(tree, "");
  if (!fabrics) {
    return tl::unexpected(fabrics.error());
  }
  for (const auto& fabric : *fabrics) {
    if (fabric.name == "core") {
      continue;
    }
    const auto targets = list(tree, fabric.name);
    if (!targets) {
      return tl::unexpected(targets.error());
    }
    for (const auto& target : *targets) {
      const std::string path = fabric.name + "/" + target.name;
      const auto groups = list(tree, path);
      if (!groups) {
        return tl::unexpected(groups.error());
      }
      for (const auto& group : *groups) {
        if (!group.name.starts_with("tpgt_")) {
          continue;
        }
        if (auto read = Group(tree, path + "/" + group.name, ways.ways).read(); !read) {
          return tl::unexpected(read.error());
        }
      }
    }
  }
  return ways;
}

struct WayReader::State {
  explicit State(std::shared_ptr<FabricTree> fabrics) : tree(std::move(fabrics)) {}

  void run();

  const std::shared_ptr<FabricTree> tree;
  std::mutex mutex;  // never held during a system call
  std::condition_variable changed;
  std::shared_ptr<const copy::Ways> last;
  uint64_t reading_since = 0;  // 0: there is no thread
};

void WayReader::State::run() {
  ::pthread_setname_np(::pthread_self(), "tcmud-ways");
  auto ways = read_ways(*tree);
  if (!ways) {
    log::info("", "who reaches which LUN can't be read: {}", ways.error().message);
  }
  const std::lock_guard lock(mutex);
  last = ways ? std::make_shared<const copy::Ways>(std::move(*ways)) : nullptr;
  reading_since = 0;
  changed.notify_all();
}

WayReader::WayReader(std::shared_ptr<FabricTree> tree)
    : state_(std::make_shared<State>(std::move(tree))) {}

WayReader::~WayReader() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, kPatience, [this] { return state_->reading_since == 0; });
}

std::shared_ptr<const copy::Ways> WayReader::read(uint64_t since,
                                                  std::chrono::milliseconds patience) {
  if (state_->tree == nullptr) {
    return std::make_shared<const copy::Ways>(copy::Ways{.read_at = monotonic_ns(), .ways = {}});
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::unique_lock lock(state_->mutex);
  // One that began too early is waited for, too: two threads are no faster.
  while (true) {
    if (state_->last != nullptr && state_->last->read_at >= since) {
      return state_->last;
    }
    if (state_->reading_since == 0) {
      state_->reading_since = monotonic_ns();
      std::thread([state = state_] { state->run(); }).detach();
    }
    const uint64_t begun = state_->reading_since;
    if (!state_->changed.wait_until(lock, deadline,
                                    [&] { return state_->reading_since != begun; })) {
      return nullptr;
    }
    if (begun >= since) {
      return state_->last;
    }
  }
}

}  // namespace tcmud::device
