// SPDX-License-Identifier: Apache-2.0
#include "file/transfer.h"

#include <cerrno>
#include <climits>
#include <numeric>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "unit/handlers/file/fake_system.h"

namespace tcmud::file {
namespace {

constexpr size_t kDisk = 4096;

struct Transfer {
  tcmud_request request{};
  std::vector<std::vector<char>> buffers;
  std::vector<iovec> iov;

  Transfer(tcmud_op op, uint64_t offset, const std::vector<size_t>& lengths) {
    request.size = sizeof(request);
    request.op = op;
    request.offset = offset;
    char c = 'a';
    for (const size_t n : lengths) {
      buffers.emplace_back(n, op == TCMUD_OP_READ ? '?' : c++);
      iov.push_back({buffers.back().data(), n});
      request.length += n;
    }
    request.iov = iov.data();
    request.iovcnt = static_cast<uint32_t>(iov.size());
  }

  [[nodiscard]] std::string joined() const {
    return std::accumulate(
        buffers.begin(), buffers.end(), std::string(),
        [](std::string s, const std::vector<char>& b) { return s.append(b.begin(), b.end()); });
  }

  Outcome run(bool direct = false, int flags = 0) {
    Cursor cursor;
    return transfer_all(FakeSystem::table(), 3, request, cursor, flags, direct);
  }
};

std::string slice_of(const FakeSystem& system, size_t offset, size_t length) {
  return {system.disk.begin() + static_cast<ptrdiff_t>(offset),
          system.disk.begin() + static_cast<ptrdiff_t>(offset + length)};
}

TEST(Transfer, goes_on_where_a_short_write_stopped_be_it_inside_an_iovec) {
  FakeSystem system(kDisk);
  system.script = [](const FakeSystem::Call&) { return 7; };
  Transfer t(TCMUD_OP_WRITE, 100, {5, 10, 3, 20});
  EXPECT_EQ(t.run().status, TCMUD_OK);
  EXPECT_EQ(slice_of(system, 100, 38), t.joined());
  EXPECT_EQ(system.disk[99], 'x');
  EXPECT_EQ(system.disk[138], 'x');
}

TEST(Transfer, any_pattern_of_short_transfers_moves_every_byte_once) {
  const bool held = rc::check([] {
    FakeSystem system(kDisk);
    std::iota(system.disk.begin(), system.disk.end(), 0);
    const auto lengths = *rc::gen::nonEmpty(
        rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(1, 40)));
    const auto steps =
        *rc::gen::nonEmpty(rc::gen::container<std::vector<int>>(rc::gen::inRange<int>(1, 50)));
    size_t step = 0;
    system.script = [&](const FakeSystem::Call&) { return steps[step++ % steps.size()]; };
    Transfer t(TCMUD_OP_READ, 11, lengths);
    if (t.request.length > kDisk - 11) {
      return;
    }
    RC_ASSERT(t.run().status == TCMUD_OK);
    RC_ASSERT(t.joined() == slice_of(system, 11, t.request.length));
  });
  EXPECT_TRUE(held);
}

TEST(Transfer, never_gives_a_system_call_more_vectors_than_it_takes) {
  FakeSystem system(kDisk);
  Transfer t(TCMUD_OP_WRITE, 0, std::vector<size_t>(2500, 1));
  EXPECT_EQ(t.run().status, TCMUD_OK);
  ASSERT_EQ(system.calls.size(), 3u);
  EXPECT_EQ(system.calls[0].length, IOV_MAX);
  EXPECT_EQ(system.calls[1].length, IOV_MAX);
  EXPECT_EQ(system.calls[2].length, 2500 - 2 * IOV_MAX);
  EXPECT_EQ(slice_of(system, 0, 2500), t.joined());
}

TEST(Transfer, is_repeated_after_a_signal_and_when_told_to_try_again) {
  for (const int error : {EINTR, EAGAIN}) {
    for (size_t k = 1; k <= 3; ++k) {
      FakeSystem system(kDisk);
      system.script = [&](const FakeSystem::Call&) -> int64_t {
        return system.calls.size() == k ? -error : 4;
      };
      Transfer t(TCMUD_OP_WRITE, 0, {4, 4, 4});
      EXPECT_EQ(t.run().status, TCMUD_OK);
      EXPECT_EQ(slice_of(system, 0, 12), t.joined());
    }
  }
}

TEST(Transfer, gives_up_with_busy_when_told_to_try_again_for_ever) {
  FakeSystem system(kDisk);
  system.script = [](const FakeSystem::Call&) { return -EAGAIN; };
  EXPECT_EQ(Transfer(TCMUD_OP_WRITE, 0, {4}).run().status, TCMUD_BUSY);
}

// Whichever call fails, the request ends with that failure and what lay before it is done.
TEST(Transfer, an_error_in_the_kth_call_ends_the_request_at_the_place_of_the_error) {
  for (size_t k = 1; k <= 4; ++k) {
    FakeSystem system(kDisk);
    system.script = [&](const FakeSystem::Call&) -> int64_t {
      return system.calls.size() == k ? -EIO : 8;
    };
    Transfer t(TCMUD_OP_READ, 64, {8, 8, 8, 8});
    const Outcome outcome = t.run();
    EXPECT_EQ(outcome.status, TCMUD_READ_ERROR);
    EXPECT_EQ(outcome.info, 64 + 8 * (k - 1));
    EXPECT_EQ(system.calls.size(), k);
  }
}

TEST(Transfer, a_direct_transfer_does_not_claim_to_know_the_bad_byte) {
  FakeSystem system(kDisk);
  system.fail_call(1, -EIO);
  const Outcome outcome = Transfer(TCMUD_OP_READ, 0, {512}).run(/*direct=*/true);
  EXPECT_EQ(outcome.status, TCMUD_READ_ERROR);
  EXPECT_EQ(outcome.info, TCMUD_NO_INFO);
}

// A file that was cut behind our back: what is missing must not read as zeroes.
TEST(Transfer, the_end_of_the_file_inside_the_lun_is_a_read_error) {
  FakeSystem system(kDisk);
  const Outcome outcome = Transfer(TCMUD_OP_READ, kDisk - 512, {512, 512}).run();
  EXPECT_EQ(outcome.status, TCMUD_READ_ERROR);
  EXPECT_EQ(outcome.info, kDisk);
}

TEST(Transfer, running_out_of_space_is_no_medium_error) {
  for (const int error : {ENOSPC, EDQUOT, EFBIG}) {
    FakeSystem system(kDisk);
    system.fail_call(1, -error);
    const Outcome outcome = Transfer(TCMUD_OP_WRITE, 0, {512}).run();
    EXPECT_EQ(outcome.status, TCMUD_NO_SPACE);
    EXPECT_EQ(outcome.info, TCMUD_NO_INFO);
  }
}

}  // namespace
}  // namespace tcmud::file
