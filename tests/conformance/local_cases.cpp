// SPDX-License-Identifier: Apache-2.0
//
// The cases that need nothing but this machine.
#include <cstdio>
#include <cstdlib>

#include "conformance/cases.h"

namespace tcmud::conformance {

ImageMaker* image_maker() {
  return nullptr;
}

std::vector<Case> cases() {
  if (auto given = cases_of_author(); !given.empty()) {
    return given;
  }
  std::string why;
  if (load_handler(TCMUD_EXAMPLE_HANDLER, why) == nullptr) {
    std::fprintf(stderr, "%s: %s\n", TCMUD_EXAMPLE_HANDLER, why.c_str());
    std::exit(2);
  }
  constexpr uint64_t k4M = 4u << 20;
  return {
      {"file_memory", "file/{memory}/image;create", k4M, 512, true, true},
      {"file_disk", "file/{disk}/image;create", k4M, 512, true, true},
      {"file_4096", "file/{memory}/image;create", k4M, 4096, true, true},
      {"file_direct", "file/{disk}/image;create;direct", k4M, 512, true, true},
      {"file_nodiscard", "file/{memory}/image;create;nodiscard", k4M, 512, true, true},
      {"file_sync", "file/{memory}/image;create;io=sync", k4M, 512, true, true},
      {"file_sync_direct", "file/{disk}/image;create;io=sync;direct", k4M, 4096, true, true},
      {"fault_clear", "fault/file/{memory}/image;create", k4M, 512, true, true},
      {"fault_clear_sync", "fault/file/{memory}/image;create;io=sync", k4M, 512, true, true},
      {"fault_delays", "fault/file/{memory}/image;create;fault_rule=late:us=0-300:chance=20", k4M,
       512, true, true},
      {"fault_delays_sync",
       "fault/file/{memory}/image;create;io=sync;fault_rule=delay:us=0-300:chance=20", k4M, 512,
       true, true},
      {"ram_example", "ram/", k4M, 512, true, false},
      {"null", "null/", k4M, 512, false, false},
  };
}

}  // namespace tcmud::conformance
