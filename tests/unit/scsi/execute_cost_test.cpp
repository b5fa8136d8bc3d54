// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <new>

#include <gtest/gtest.h>

#include "scsi/command_table.h"
#include "scsi/execute.h"

namespace {
// How often this thread has asked for memory.
thread_local uint64_t allocations = 0;
}  // namespace

// Not inlined: GCC would see malloc() on one side of a pair and operator delete on the other, and
// warn.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace tcmud::scsi {
namespace {

// CPU time of this thread: what else runs on the machine is not counted.
double cpu_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

TEST(ExecuteCost, NoCommandAllocates) {
  Lun lun;
  lun.blocks = 1 << 20;
  lun.can_unmap = lun.can_fua = true;
  lun.features = UINT32_MAX;
  lun.serial = "3a5b6c7d-8e9f-4a1b-8c2d-0123456789ab";
  std::array<uint8_t, kMaxResponse> response;
  std::array<Range, kMaxUnmapDescriptors> ranges;
  std::array<uint8_t, 24> list{};
  list[3] = 16;
  list[19] = 1;
  const uint64_t before = allocations;
  for (const CommandDescription& d : command_table()) {
    for (int option = 0; option < 256; ++option) {
      std::array<uint8_t, kLongestCdb> cdb{};
      cdb[0] = d.opcode;
      if (d.opcode == 0x7F) {
        cdb[7] = 0x18;
        cdb[9] = static_cast<uint8_t>(d.service_action);
      } else {
        cdb[1] = static_cast<uint8_t>(d.has_service_action() ? d.service_action : option & 0x11);
      }
      cdb[2] = static_cast<uint8_t>(option);
      cdb[d.length.width != 0 ? d.length.offset + d.length.width - 1 : 4] = 24;
      const std::span<const uint8_t> as_given(cdb.data(), d.cdb_length);
      const Command command{
          .cdb = as_given,
          .data_length = 65536,
          .parameters = std::span(list).first(parameter_list_length(as_given, 24))};
      const Outcome outcome = execute(lun, command, response, ranges);
      std::array<uint8_t, 32> sense;
      if (outcome.status == Status::kCheckCondition) {
        ASSERT_GE(encode_sense(outcome.sense, sense), kFixedSenseLength);
      }
    }
  }
  EXPECT_EQ(allocations - before, 0u);
}

// Prints what one command costs; how fast this machine is today decides nothing.
TEST(ExecuteCost, ARead10IsDecodedToTheRightRequestEachTime) {
  Lun lun;
  lun.blocks = 1 << 20;
  std::array<uint8_t, kMaxResponse> response;
  std::array<Range, kMaxUnmapDescriptors> ranges;
  std::array<uint8_t, 10> cdb = {0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0};
  constexpr int kCommands = 200000;
  uint64_t sum = 0;
  const double start = cpu_ns();
  for (int i = 0; i < kCommands; ++i) {
    cdb[5] = static_cast<uint8_t>(i);
    sum += execute(lun, {.cdb = cdb, .data_length = 4096, .parameters = {}}, response, ranges)
               .block.offset;
  }
  const double end = cpu_ns();
  uint64_t expected = 0;
  for (int i = 0; i < kCommands; ++i) {
    expected += static_cast<uint64_t>(i % 256) * 512;
  }
  EXPECT_EQ(sum, expected);
  std::printf("READ (10): %.1f ns of CPU\n", (end - start) / kCommands);
}

}  // namespace
}  // namespace tcmud::scsi
