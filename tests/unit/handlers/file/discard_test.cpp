// SPDX-License-Identifier: Apache-2.0
#include "file/discard.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <gtest/gtest.h>

#include "unit/handlers/file/fake_system.h"

namespace tcmud::file {
namespace {

constexpr size_t kDisk = 4u << 20;
constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr int kZero = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
constexpr int kReserve = FALLOC_FL_KEEP_SIZE;

bool zero_from(const FakeSystem& system, size_t offset, size_t length) {
  const auto at = system.disk.begin() + static_cast<ptrdiff_t>(offset);
  return std::all_of(at, at + static_cast<ptrdiff_t>(length), [](char c) { return c == 0; });
}

bool untouched(const FakeSystem& system, size_t offset, size_t length) {
  const auto at = system.disk.begin() + static_cast<ptrdiff_t>(offset);
  return std::all_of(at, at + static_cast<ptrdiff_t>(length), [](char c) { return c == 'x'; });
}

// A file system that knows these modes alone.
void refuse_all_but(FakeSystem& system, std::vector<int> modes) {
  system.script = [modes = std::move(modes)](const FakeSystem::Call& call) -> int64_t {
    const bool known = std::find(modes.begin(), modes.end(), call.mode_or_flags) != modes.end();
    return call.name == "fallocate" && !known ? -EOPNOTSUPP : 0;
  };
}

std::vector<int> modes_of(const FakeSystem& system) {
  std::vector<int> modes;
  for (const auto& call : system.calls) {
    modes.push_back(call.name == "fallocate" ? call.mode_or_flags : -1);
  }
  return modes;
}

TEST(WriteZeroes, punches_only_where_that_is_welcome) {
  FakeSystem system(kDisk);
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
  EXPECT_EQ(discarder.write_zeroes(4096, 8192, /*may_unmap=*/true).status, TCMUD_OK);
  EXPECT_EQ(discarder.write_zeroes(65536, 8192, /*may_unmap=*/false).status, TCMUD_OK);
  EXPECT_EQ(modes_of(system), (std::vector<int>{kPunch, kZero}));
  EXPECT_TRUE(zero_from(system, 4096, 8192));
  EXPECT_TRUE(zero_from(system, 65536, 8192));
}

// tmpfs has no zero range.
TEST(WriteZeroes, without_zero_range_punches_and_takes_the_space_back) {
  FakeSystem system(kDisk);
  refuse_all_but(system, {kPunch, kReserve});
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
  EXPECT_EQ(discarder.write_zeroes(4096, 8192, /*may_unmap=*/false).status, TCMUD_OK);
  EXPECT_EQ(modes_of(system), (std::vector<int>{kZero, kPunch, kReserve}));
  EXPECT_TRUE(zero_from(system, 4096, 8192));
  system.calls.clear();
  EXPECT_EQ(discarder.write_zeroes(4096, 8192, /*may_unmap=*/false).status, TCMUD_OK);
  EXPECT_EQ(modes_of(system), (std::vector<int>{kPunch, kReserve})) << "does not ask again";
}

TEST(WriteZeroes, without_any_fallocate_writes_zeroes_exactly_there) {
  for (const int error : {EOPNOTSUPP, ENOSYS, EINVAL}) {
    FakeSystem system(kDisk);
    system.script = [&](const FakeSystem::Call& call) -> int64_t {
      return call.name == "fallocate" ? -error : 10'000;  // and short writes at that
    };
    Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
    EXPECT_EQ(discarder.write_zeroes(512, 3u << 20, /*may_unmap=*/true).status, TCMUD_OK);
    EXPECT_TRUE(untouched(system, 0, 512));
    EXPECT_TRUE(zero_from(system, 512, 3u << 20));
    EXPECT_TRUE(untouched(system, 512 + (3u << 20), 4096));
  }
}

// EINVAL is about this range (not aligned to a device's sectors), so it is not remembered.
TEST(WriteZeroes, a_misaligned_range_does_not_spoil_the_next) {
  FakeSystem system(kDisk);
  system.script = [](const FakeSystem::Call& call) -> int64_t {
    return call.name == "fallocate" && call.offset % 4096 != 0 ? -EINVAL : 0;
  };
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
  EXPECT_EQ(discarder.write_zeroes(512, 4096, true).status, TCMUD_OK);
  system.calls.clear();
  EXPECT_EQ(discarder.write_zeroes(4096, 4096, true).status, TCMUD_OK);
  EXPECT_EQ(modes_of(system), (std::vector<int>{kPunch}));
}

TEST(WriteZeroes, nodiscard_never_punches) {
  FakeSystem system(kDisk);
  refuse_all_but(system, {kPunch, kReserve});
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kNothing});
  EXPECT_EQ(discarder.write_zeroes(4096, 8192, true).status, TCMUD_OK);
  EXPECT_TRUE(zero_from(system, 4096, 8192));
  const auto modes = modes_of(system);
  EXPECT_EQ(std::count(modes.begin(), modes.end(), kPunch), 0);
}

// Whichever call fails for good, the answer says so, and never GOOD over what is not zero.
TEST(WriteZeroes, a_real_error_in_the_kth_call_is_the_answer) {
  for (const bool may_unmap : {false, true}) {
    for (size_t k = 1; k <= 5; ++k) {
      FakeSystem system(kDisk);
      system.script = [&](const FakeSystem::Call& call) -> int64_t {
        if (system.calls.size() == k) {
          return -ENOSPC;
        }
        return call.name == "fallocate" ? -EOPNOTSUPP : 0;
      };
      Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
      const Outcome outcome = discarder.write_zeroes(0, 2u << 20, may_unmap);
      if (outcome.status == TCMUD_OK) {
        EXPECT_LT(system.calls.size(), k);
        EXPECT_TRUE(zero_from(system, 0, 2u << 20));
      } else {
        EXPECT_EQ(outcome.status, TCMUD_NO_SPACE);
      }
      EXPECT_EQ(outcome.status == TCMUD_OK, system.calls.size() < k);
    }
  }
}

// The range reads as zeroes, but the space could not be had again: a later write might fail, so
// this is no success.
TEST(WriteZeroes, losing_the_space_of_an_anchored_range_is_told) {
  FakeSystem system(kDisk);
  system.script = [](const FakeSystem::Call& call) -> int64_t {
    return call.mode_or_flags == kZero ? -EOPNOTSUPP : call.mode_or_flags == kReserve ? -ENOSPC : 0;
  };
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
  EXPECT_EQ(discarder.write_zeroes(0, 4096, /*may_unmap=*/false).status, TCMUD_NO_SPACE);
}

TEST(WriteZeroes, a_signal_does_not_end_it) {
  for (size_t k = 1; k <= 3; ++k) {
    FakeSystem system(kDisk);
    refuse_all_but(system, {kPunch, kReserve});
    const auto refusing = system.script;
    system.script = [&, refusing](const FakeSystem::Call& call) -> int64_t {
      return system.calls.size() == k ? -EINTR : refusing(call);
    };
    Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
    EXPECT_EQ(discarder.write_zeroes(0, 4096, false).status, TCMUD_OK);
    EXPECT_TRUE(zero_from(system, 0, 4096));
  }
}

tcmud_request unmap_of(const std::vector<tcmud_range>& ranges) {
  tcmud_request request{};
  request.op = TCMUD_OP_UNMAP;
  request.ranges = ranges.data();
  request.nranges = static_cast<uint32_t>(ranges.size());
  return request;
}

TEST(Unmap, handles_every_range_and_stops_at_the_first_error) {
  FakeSystem system(kDisk);
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
  const std::vector<tcmud_range> ranges = {{0, 4096}, {65536, 512}, {8192, 4096}};
  EXPECT_EQ(discarder.unmap(unmap_of(ranges)).status, TCMUD_OK);
  for (const auto& range : ranges) {
    EXPECT_TRUE(zero_from(system, range.offset, range.length));
  }
  EXPECT_TRUE(untouched(system, 4096, 4096));
  for (size_t k = 1; k <= 3; ++k) {
    system.calls.clear();
    system.fail_call(k, -EIO);
    EXPECT_EQ(discarder.unmap(unmap_of(ranges)).status, TCMUD_WRITE_ERROR);
    EXPECT_EQ(system.calls.size(), k);
  }
}

TEST(Unmap, what_cannot_be_punched_still_reads_as_zeroes) {
  FakeSystem system(kDisk);
  refuse_all_but(system, {});
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kPunchHole});
  EXPECT_EQ(discarder.unmap(unmap_of({{512, 512}})).status, TCMUD_OK);
  EXPECT_TRUE(zero_from(system, 512, 512));
}

TEST(Unmap, is_a_hint_that_a_device_may_ignore_but_not_fail) {
  FakeSystem system(kDisk);
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kDiscard});
  system.fail_call(1, -EOPNOTSUPP);
  EXPECT_EQ(discarder.unmap(unmap_of({{0, 512}})).status, TCMUD_OK);
  system.fail_call(2, -EIO);
  EXPECT_EQ(discarder.unmap(unmap_of({{0, 512}})).status, TCMUD_WRITE_ERROR);
}

TEST(Unmap, is_refused_where_nothing_can_be_given_back) {
  FakeSystem system(kDisk);
  Discarder discarder(FakeSystem::table(), 3, {UnmapBy::kNothing});
  EXPECT_EQ(discarder.unmap(unmap_of({{0, 512}})).status, TCMUD_NOT_SUPPORTED);
  EXPECT_TRUE(system.calls.empty());
}

}  // namespace
}  // namespace tcmud::file
