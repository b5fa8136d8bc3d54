// SPDX-License-Identifier: Apache-2.0
#include "control/config_file.h"

#include <cstring>

#include <fcntl.h>
#include <sys/inotify.h>

#include "base/log.h"

namespace tcmud::control {
namespace {

// A configuration has a few lines; more is a mistake (a device, a log).
constexpr size_t kMaxSize = 1 << 20;

// nullopt: there is no such file.
Result<std::optional<std::string>> read_text(const std::filesystem::path& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid() && (errno == ENOENT || errno == ENOTDIR)) {
    return std::nullopt;
  }
  std::string text(kMaxSize + 1, '\0');
  size_t size = 0;
  while (file.valid() && size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got > 0) {
      size += static_cast<size_t>(got);
    } else if (got == 0) {
      text.resize(size);
      return text;
    } else if (errno != EINTR) {
      break;
    }
  }
  if (size > kMaxSize) {
    return fail(EFBIG, "{}: larger than {} bytes", path.string(), kMaxSize);
  }
  return fail(errno, "{}: {}", path.string(), std::strerror(errno));
}

}  // namespace

ConfigFile::ConfigFile(std::filesystem::path path) : path_(std::move(path)) {
  const auto directory = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
  Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  // Not IN_MODIFY: a file is read when its writer has finished. Any name counts: the file may be a
  // symbolic link into a directory that is replaced as a whole.
  if (watch.valid() &&
      ::inotify_add_watch(watch.get(), directory.c_str(),
                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) >= 0) {
    watch_ = std::move(watch);
  } else if (errno != ENOENT) {
    log::warning("", "{}: changes won't be noticed, only SIGHUP will: {}", directory.string(),
                 std::strerror(errno));
  }
}

Result<bool> ConfigFile::reload() {
  auto text = read_text(path_);
  if (!text) {
    return tl::unexpected(std::move(text.error()));
  }
  if (read_ && *text == text_) {
    return false;
  }
  read_ = true;
  text_ = std::move(*text);
  auto config = parse_config(text_ ? *text_ : std::string());
  if (!config) {
    return fail(config.error().code, "{}:{}", path_.string(), config.error().message);
  }
  config_ = std::move(*config);
  return true;
}

bool ConfigFile::take_events() {
  alignas(inotify_event) char buffer[4096];
  bool any = false;
  for (;;) {
    const ssize_t got = ::read(watch_.get(), buffer, sizeof buffer);
    if (got > 0) {
      any = true;
    } else if (got == 0 || errno != EINTR) {
      return any;
    }
  }
}

}  // namespace tcmud::control
