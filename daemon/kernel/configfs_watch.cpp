// SPDX-License-Identifier: Apache-2.0
#include "kernel/configfs_watch.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <pthread.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "kernel/configfs.h"

namespace tcmud::kernel {
namespace {

using namespace std::chrono_literals;

constexpr uint32_t kEvents = IN_MODIFY | IN_CREATE | IN_DELETE | IN_ONLYDIR;
// How long the end waits for the thread, before it is left where it is.
constexpr auto kPatience = 1s;

// A directory of the fabrics' tree, target/<fabric>/<wwn>/tpgt_<tag>/lun/lun_<n>.
enum class Level : uint8_t { kTarget, kFabric, kWwn, kGroup, kLuns, kLun };

// The level of a directory's subdirectory that matters; nullopt: that one doesn't.
std::optional<Level> below(Level level, std::string_view name) {
  switch (level) {
    case Level::kTarget:
      return name != "core" ? std::optional(Level::kFabric) : std::nullopt;
    case Level::kFabric:
      return name != "discovery_auth" ? std::optional(Level::kWwn) : std::nullopt;
    case Level::kWwn:
      return name.starts_with("tpgt_") ? std::optional(Level::kGroup) : std::nullopt;
    case Level::kGroup:
      return name == "lun" ? std::optional(Level::kLuns) : std::nullopt;
    case Level::kLuns:
      return name.starts_with("lun_") ? std::optional(Level::kLun) : std::nullopt;
    case Level::kLun:
      break;
  }
  return std::nullopt;
}

// Does something in a fabric's directory say which ports there are, or what group one is in?
bool matters(Level level, uint32_t mask, std::string_view name) {
  switch (level) {
    case Level::kGroup:
      return name == "enable" || name == "rtpi";
    case Level::kLun:
      // The link to the LUN comes and goes, under any name.
      return (mask & IN_MODIFY) == 0 || name == "alua_tg_pt_gp";
    default:
      return false;
  }
}

struct Directory {
  std::string path;
  Level level = Level::kTarget;
};

}  // namespace

struct ConfigfsWatch::State {
  // What a watch descriptor stands for.
  struct Watched {
    std::weak_ptr<ChangeCount> device{};  // of a device's directory
    bool of_device = false;
    bool attributes = false;  // attrib/, of which little matters
    Directory fabric{};
  };

  explicit State(const KernelPaths& kernel_paths)
      : paths(kernel_paths), inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

  Result<void> add(const std::string& path, Watched what);
  void take(const inotify_event& event);
  void count_all();
  void find_fabrics(Directory directory);
  void run();
  bool walk(const Directory& directory);

  const KernelPaths paths;
  const Fd inotify;

  std::mutex mutex;  // never held during a system call
  std::unordered_map<int, Watched> watched;
  std::vector<std::weak_ptr<ChangeCount>> devices;

  // The thread's.
  bool running = false;
  bool stopping = false;
  bool fabrics_missed = false;  // a directory of theirs can't be watched
  std::vector<Directory> found;
  std::condition_variable changed;
  std::thread thread;
};

Result<void> ConfigfsWatch::State::add(const std::string& path, Watched what) {
  const int id = ::inotify_add_watch(inotify.get(), path.c_str(), kEvents);
  if (id < 0) {
    return fail(errno, "{}: can't be watched: {}", path, std::strerror(errno));
  }
  // An event that comes before this is of no account: who adds a watch looks afterwards.
  const std::lock_guard lock(mutex);
  watched.insert_or_assign(id, std::move(what));
  return {};
}

void ConfigfsWatch::State::count_all() {
  std::erase_if(devices, [](const std::weak_ptr<ChangeCount>& device) {
    const auto changes = device.lock();
    if (changes != nullptr) {
      changes->fetch_add(1);
    }
    return changes == nullptr;
  });
}

// Under the lock.
void ConfigfsWatch::State::find_fabrics(Directory directory) {
  found.push_back(std::move(directory));
  changed.notify_all();
}

void ConfigfsWatch::State::take(const inotify_event& event) {
  const std::lock_guard lock(mutex);
  if ((event.mask & IN_Q_OVERFLOW) != 0) {
    log::warning("", "changes of configfs came faster than they could be read; all is read again");
    count_all();
    find_fabrics({paths.target(), Level::kTarget});
    return;
  }
  const auto what = watched.find(event.wd);
  if (what == watched.end()) {
    return;
  }
  const std::string_view name = event.len > 0 ? std::string_view(event.name) : std::string_view();
  const Watched& directory = what->second;
  if (directory.of_device) {
    const auto changes = directory.device.lock();
    if (changes != nullptr &&
        (!directory.attributes || name == "alua_support" || name == "cmd_time_out")) {
      changes->fetch_add(1);
    }
  } else {
    if (matters(directory.fabric.level, event.mask, name)) {
      count_all();
    }
    if ((event.mask & IN_CREATE) != 0) {
      if (const auto level = below(directory.fabric.level, name)) {
        find_fabrics({fmt::format("{}/{}", directory.fabric.path, name), *level});
      }
    }
  }
  if ((event.mask & IN_IGNORED) != 0) {
    watched.erase(what);
  }
}

// Watches a directory and what matters below. False: one can't be watched.
bool ConfigfsWatch::State::walk(const Directory& directory) {
  const auto added = add(directory.path, {.fabric = directory});
  if (!added) {
    if (added.error().code == ENOENT) {
      return true;  // gone again
    }
    log::warning("", "{}; changes of ports are noticed after a second", added.error().message);
    return false;
  }
  if (directory.level == Level::kLun) {
    return true;
  }
  bool all = true;
  const auto names = subdirectories(directory.path);
  for (const std::string& name : names ? *names : std::vector<std::string>{}) {
    if (const auto level = below(directory.level, name)) {
      all &= walk({fmt::format("{}/{}", directory.path, name), *level});
    }
  }
  return all;
}

void ConfigfsWatch::State::run() {
  ::pthread_setname_np(::pthread_self(), "tcmud-fabrics");
  std::unique_lock lock(mutex);
  while (true) {
    changed.wait(lock, [this] { return stopping || !found.empty(); });
    if (stopping) {
      break;
    }
    std::vector<Directory> news;
    news.swap(found);
    lock.unlock();
    bool all = true;
    for (const Directory& directory : news) {
      all &= walk(directory);
    }
    lock.lock();
    fabrics_missed |= !all;
    // What happened in them before they were watched was not told.
    count_all();
  }
  running = false;
  changed.notify_all();
}

ConfigfsWatch::ConfigfsWatch(const KernelPaths& paths) : state_(std::make_shared<State>(paths)) {}

ConfigfsWatch::~ConfigfsWatch() {
  std::thread thread;
  bool ended = false;
  {
    std::unique_lock lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_all();
    ended = state_->changed.wait_for(lock, kPatience, [this] { return !state_->running; });
    thread = std::move(state_->thread);
  }
  if (!thread.joinable()) {
    return;
  }
  if (ended) {
    thread.join();
  } else {
    thread.detach();
  }
}

int ConfigfsWatch::fd() const {
  return state_->inotify.get();
}

void ConfigfsWatch::take_events() {
  alignas(inotify_event) char buffer[16384];
  while (true) {
    const ssize_t got = ::read(fd(), buffer, sizeof buffer);
    if (got <= 0) {
      return;
    }
    for (const char* at = buffer; at < buffer + got;) {
      const auto& event = *reinterpret_cast<const inotify_event*>(at);
      state_->take(event);
      at += sizeof(inotify_event) + event.len;
    }
  }
}

Result<void> ConfigfsWatch::watch(const Directories& device,
                                  const std::shared_ptr<ChangeCount>& changes) {
  if (fd() < 0) {
    return fail(ENOSYS, "the kernel doesn't tell of changes");
  }
  {
    const std::lock_guard lock(state_->mutex);
    const bool known =
        std::any_of(state_->devices.begin(), state_->devices.end(), [&changes](const auto& other) {
          return !other.owner_before(changes) && !changes.owner_before(other);
        });
    if (!known) {
      state_->devices.emplace_back(changes);
    }
    if (!state_->thread.joinable()) {
      state_->running = true;
      state_->thread = std::thread([state = state_] { state->run(); });
      state_->find_fabrics({state_->paths.target(), Level::kTarget});
    }
    if (state_->fabrics_missed) {
      return fail(ENOSPC, "not all ports can be watched");
    }
  }
  const auto add = [&](const std::string& path, bool attributes = false) {
    return state_->add(path, {.device = changes, .of_device = true, .attributes = attributes});
  };
  return add(device.wwn)
      .and_then([&] { return add(device.attrib, true); })
      .and_then([&] { return add(device.alua); })
      .and_then([&] { return subdirectories(device.alua); })
      .and_then([&](const std::vector<std::string>& groups) -> Result<void> {
        for (const std::string& group : groups) {
          auto added = add(device.alua + "/" + group);
          if (!added && added.error().code != ENOENT) {
            return added;
          }
        }
        return {};
      });
}

}  // namespace tcmud::kernel
