// SPDX-License-Identifier: Apache-2.0
// The floor on a real UIO node: floor_uio <sleep|b8|spin> <hba> <name> <backing file>
// Serves the one device core/user_<hba>/<name> until it is removed. It answers no netlink events:
// create the device with nl_reply_supported=-1.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/floor.h"

namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<fs::path> find_node(const std::string& hba, const std::string& name) {
  const std::string wanted = fmt::format("tcm-user/{}/{}/", hba, name);
  for (const auto& entry : fs::directory_iterator("/sys/class/uio")) {
    if (first_line(entry.path() / "name").starts_with(wanted)) {
      return entry.path();
    }
  }
  return std::nullopt;
}

[[noreturn]] void die(const std::string& what) {
  std::perror(what.c_str());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  tcmud::bench::FloorOptions options;
  if (argc != 5 || !tcmud::bench::set_floor_variant(argv[1], options)) {
    fmt::print(stderr, "usage: {} sleep|b8|spin HBA NAME FILE\n", argv[0]);
    return 2;
  }
  const auto node = find_node(argv[2], argv[3]);
  if (!node) {
    fmt::print(stderr, "{}: no UIO node for user_{}/{}\n", argv[0], argv[2], argv[3]);
    return 1;
  }
  const std::string device = "/dev/" + node->filename().string();
  const int uio = ::open(device.c_str(), O_RDWR | O_CLOEXEC);
  if (uio < 0) {
    die(device);
  }
  const size_t bytes = std::strtoull(first_line(*node / "maps/map0/size").c_str(), nullptr, 0);
  void* map = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, uio, 0);
  if (map == MAP_FAILED) {
    die("mmap of " + device);
  }
  options.file_fd = ::open(argv[4], O_RDWR | O_CLOEXEC);
  struct stat file {};
  if (options.file_fd < 0 || ::fstat(options.file_fd, &file) != 0) {
    die(argv[4]);
  }
  options.lun_bytes = static_cast<uint64_t>(file.st_size);
  tcmud::bench::run_floor({static_cast<std::byte*>(map), uio, uio}, options);
  return 0;
}
