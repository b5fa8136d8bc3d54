// SPDX-License-Identifier: Apache-2.0
// The floor as a subject of the bench: floor_subject <sleep|b8|spin> <nodes> <backing file>
// "{n}" in the file's name becomes the number of the node.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/floor.h"
#include "bench/inherited_node.h"
#include "support/shared_region.h"

int main(int argc, char** argv) {
  tcmud::bench::FloorOptions options;
  const auto nodes =
      argc == 4 ? tcmud::bench::parse_nodes(argv[2]) : std::vector<tcmud::bench::InheritedNode>{};
  if (nodes.empty() || !tcmud::bench::set_floor_variant(argv[1], options)) {
    fmt::print(stderr, "usage: {} sleep|b8|spin NODES FILE\n", argv[0]);
    return 2;
  }
  std::vector<std::jthread> threads;  // one per device
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& node = nodes[i];
    const std::string path = tcmud::bench::for_node(argv[3], i);
    options.file_fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat file {};
    if (options.file_fd < 0 || ::fstat(options.file_fd, &file) != 0) {
      std::perror(path.c_str());
      std::_Exit(1);  // threads may be under way
    }
    options.lun_bytes = static_cast<uint64_t>(file.st_size);
    // The real node sleeps in read() as well.
    ::fcntl(node.event_fd, F_SETFL, ::fcntl(node.event_fd, F_GETFL) & ~O_NONBLOCK);
    auto serve = [node, options] {
      const auto map = tcmud::test::map_shared(node.map_fd, node.map_bytes);
      tcmud::bench::run_floor({map.bytes().data(), node.event_fd, node.kick_fd}, options);
    };
    if (nodes.size() == 1) {
      serve();
    } else {
      threads.emplace_back(serve);
    }
  }
  return 0;
}
