// SPDX-License-Identifier: Apache-2.0
#include "plugin/registry.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>

#include <dlfcn.h>

#include "base/log.h"
#include "plugin/host_services.h"
#include "plugin/parsed_config.h"

namespace tcmud::plugin {

namespace {

constexpr uint32_t kMaxContextSize = 4096;

bool is_subtype(const char* text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  return text != nullptr && *text != '\0' &&
         std::string_view(text).find_first_not_of(kAllowed) == std::string_view::npos;
}

// What a handler says of itself, as far as its own header went; everything it doesn't know is NULL
// or zero.
Result<tcmud_handler> adapt(const tcmud_handler& theirs) {
  if (theirs.abi == 0 || theirs.abi > TCMUD_ABI) {
    return fail(EPROTO, "is built for handler ABI {}, this daemon speaks 1 to {}", theirs.abi,
                TCMUD_ABI);
  }
  if (theirs.size < offsetof(tcmud_handler, get_extension)) {
    return fail(EPROTO, "says its handler structure has {} bytes, fewer than ABI 1 began with",
                theirs.size);
  }
  tcmud_handler ours{};
  std::memcpy(&ours, &theirs, std::min<size_t>(theirs.size, sizeof ours));
  ours.size = sizeof ours;
  if (!is_subtype(ours.subtype)) {
    return fail(EPROTO, "has no valid subtype (a-z, 0-9, '-' and '_')");
  }
  if (ours.open == nullptr || ours.get_props == nullptr || ours.submit == nullptr ||
      ours.close == nullptr) {
    return fail(EPROTO, "lacks one of open, get_props, submit and close");
  }
  if (ours.ctx_size > kMaxContextSize) {
    return fail(EPROTO, "wants {} bytes per request, at most {} are allowed", ours.ctx_size,
                kMaxContextSize);
  }
  return ours;
}

}  // namespace

void Registry::LibraryCloser::operator()(void* library) const {
  ::dlclose(library);
}

Result<size_t> Registry::load_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    if (name.starts_with("handler_") && name.ends_with(".so")) {
      files.push_back(it->path());
    }
  }
  if (error) {
    return fail(error.value(), "cannot read handlers from {}: {}", directory.string(),
                error.message());
  }
  std::sort(files.begin(), files.end());
  size_t loaded = 0;
  for (const auto& file : files) {
    if (const auto result = load(file)) {
      ++loaded;
    } else {
      log::error("", "handler {} left out: it {}", file.string(), result.error().message);
    }
  }
  return loaded;
}

Result<void> Registry::load(const std::filesystem::path& file) {
  // Local symbols: two handlers may use the same names, and none may lean on another.
  Library library(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL));
  if (library == nullptr) {
    return fail(ENOEXEC, "cannot be loaded: {}", ::dlerror());
  }
  const auto init =
      reinterpret_cast<tcmud_handler_init_fn>(::dlsym(library.get(), "tcmud_handler_init"));
  if (init == nullptr) {
    return fail(ENOEXEC, "does not export tcmud_handler_init (see tcmud/handler.h)");
  }
  const tcmud_handler* handler = init(&host_services());
  if (handler == nullptr) {
    return fail(ECANCELED, "declined to start");
  }
  if (auto added = add(*handler, file); !added) {
    return added;
  }
  libraries_.push_back(std::move(library));
  return {};
}

Result<void> Registry::add(const tcmud_handler& handler, const std::filesystem::path& file) {
  auto adapted = adapt(handler);
  if (!adapted) {
    return tl::unexpected(adapted.error());
  }
  const auto [entry, fresh] = handlers_.try_emplace(adapted->subtype, Entry{*adapted, file});
  if (!fresh) {
    return fail(EEXIST, "serves \"{}\", which {} does already", adapted->subtype,
                entry->second.file.string());
  }
  return {};
}

const tcmud_handler* Registry::find(std::string_view subtype) const {
  const auto entry = handlers_.find(subtype);
  return entry == handlers_.end() ? nullptr : &entry->second.handler;
}

std::vector<HandlerInfo> Registry::list() const {
  const auto text = [](const char* s) { return std::string(s == nullptr ? "" : s); };
  std::vector<HandlerInfo> all;
  all.reserve(handlers_.size());
  for (const auto& [subtype, entry] : handlers_) {
    all.push_back(
        {subtype, text(entry.handler.description), text(entry.handler.config_help), entry.file});
  }
  return all;
}

Result<void> Registry::check_config(std::string_view dev_config) const {
  const size_t slash = dev_config.find('/');
  const std::string_view subtype = dev_config.substr(0, slash);
  const tcmud_handler* handler = find(subtype);
  if (handler == nullptr) {
    return fail(ENOENT, "no handler \"{}\" is loaded", subtype);
  }
  const auto config = parse_config(slash == std::string_view::npos ? std::string_view()
                                                                   : dev_config.substr(slash + 1));
  if (!config) {
    return tl::unexpected(config.error());
  }
  if (handler->check_config == nullptr) {
    return {};
  }
  const CConfig c_config(*config);
  const HandlerLookup lookup(*this);
  std::array<char, 512> why{};
  const int32_t rc =
      handler->check_config(&host_services(), &c_config.get(), why.data(), why.size());
  if (rc != 0) {
    why.back() = '\0';
    return fail(rc < 0 ? -rc : EINVAL, "{}",
                why[0] != '\0' ? why.data() : "the handler refused it and gave no reason");
  }
  return {};
}

}  // namespace tcmud::plugin
