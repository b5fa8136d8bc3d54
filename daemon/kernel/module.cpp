// SPDX-License-Identifier: Apache-2.0
#include "kernel/module.h"

#include <cstring>
#include <memory>

#include <fmt/format.h>
#include <libkmod.h>
#include <unistd.h>

namespace tcmud::kernel {
namespace {

using Context = std::unique_ptr<kmod_ctx, decltype([](kmod_ctx* c) { kmod_unref(c); })>;
using Module = std::unique_ptr<kmod_module, decltype([](kmod_module* m) { kmod_module_unref(m); })>;
using Modules =
    std::unique_ptr<kmod_list, decltype([](kmod_list* l) { kmod_module_unref_list(l); })>;

std::string module_directory(const KernelPaths& paths) {
  return fmt::format("{}/module/{}", paths.sysfs, kModule);
}

// Does the kernel show the module? Also one that is built in, as it has parameters.
bool is_there(const KernelPaths& paths) {
  return ::access(module_directory(paths).c_str(), F_OK) == 0;
}

// 0, or a negative errno as from libkmod: -ENOENT where the index doesn't know it.
int load(const char* modules) {
  // With modprobe.d's options; its blacklists don't count, as for anyone who asks for a module by
  // its name.
  const Context context(kmod_new(modules, nullptr));
  if (!context) {
    return -ENOMEM;
  }
  kmod_list* found = nullptr;
  if (const int error = kmod_module_new_from_lookup(context.get(), kModule.data(), &found);
      error < 0) {
    return error;
  }
  const Modules list(found);
  if (!list) {
    return -ENOENT;
  }
  kmod_list* entry = nullptr;
  kmod_list_foreach(entry, list.get()) {
    const Module module(kmod_module_get_module(entry));
    const int state = kmod_module_get_initstate(module.get());
    if (state == KMOD_MODULE_BUILTIN || state == KMOD_MODULE_LIVE) {
      continue;
    }
    if (const int error =
            kmod_module_probe_insert_module(module.get(), 0, nullptr, nullptr, nullptr, nullptr);
        error != 0 && error != -EEXIST) {
      return error < 0 ? error : -EPERM;
    }
  }
  return 0;
}

}  // namespace

Result<void> ensure_module(const KernelPaths& paths, const char* modules) {
  if (is_there(paths)) {
    return {};
  }
  const int error = load(modules);
  // In a module index that isn't the kernel's (a container's) nothing is found, while another may
  // have loaded it.
  if (error == 0 || is_there(paths)) {
    return {};
  }
  return fail(
      -error,
      "can't load the kernel module {}: {}; it needs a kernel with CONFIG_TCM_USER2, and in a "
      "container 'modprobe {}' on the host first",
      kModule, std::strerror(-error), kModule);
}

Result<void> write_module_parameter(const KernelPaths& paths, std::string_view name,
                                    std::string_view value) {
  return write_small_file(fmt::format("{}/parameters/{}", module_directory(paths), name), value);
}

}  // namespace tcmud::kernel
