// SPDX-License-Identifier: Apache-2.0
#include "file/blocking_io.h"

#include <cerrno>

#include <gtest/gtest.h>

#include "unit/handlers/file/fake_system.h"

namespace tcmud::file {
namespace {

class BlockingIoTest : public ::testing::Test {
 protected:
  static tcmud_request of(tcmud_op op, uint16_t flags = 0) {
    tcmud_request request{};
    request.size = sizeof(request);
    request.op = op;
    request.flags = flags;
    return request;
  }
  tcmud_request write(uint16_t flags) {
    tcmud_request request = of(TCMUD_OP_WRITE, flags);
    request.length = 512;
    request.iov = &iov_;
    request.iovcnt = 1;
    return request;
  }
  int32_t run(const tcmud_request& request) { return io_.execute(request).status; }

  FakeSystem system_{1u << 20};
  char buffer_[512] = {};
  iovec iov_ = {buffer_, sizeof(buffer_)};
  BlockingIo io_{FakeSystem::table(), 3, false, {UnmapBy::kPunchHole}, 512};
};

TEST_F(BlockingIoTest, only_a_fua_write_is_made_durable_at_once) {
  EXPECT_EQ(run(write(0)), TCMUD_OK);
  EXPECT_EQ(system_.calls.back().mode_or_flags, 0);
  EXPECT_EQ(run(write(TCMUD_FLAG_FUA)), TCMUD_OK);
  EXPECT_EQ(system_.calls.back().mode_or_flags, RWF_DSYNC);
}

TEST_F(BlockingIoTest, the_status_of_blocks_is_told_or_the_error_that_kept_it_back) {
  tcmud_extent_status extents[2] = {};
  tcmud_lba_status status{};
  status.size = sizeof(status);
  status.capacity = 2;
  status.extents = extents;
  tcmud_request request = of(TCMUD_OP_LBA_STATUS, 0);
  request.length = 1u << 20;
  request.lba_status = &status;
  EXPECT_EQ(run(request), TCMUD_OK);
  EXPECT_EQ(status.count, 1u);
  EXPECT_EQ(extents[0].length, 1u << 20);
  EXPECT_EQ(extents[0].state, uint32_t{TCMUD_MAPPED});
  system_.script = [](const FakeSystem::Call&) -> int64_t { return -EIO; };
  EXPECT_EQ(run(request), TCMUD_READ_ERROR);
}

TEST_F(BlockingIoTest, a_flush_is_one_data_sync_and_survives_signals) {
  system_.script = [&](const FakeSystem::Call&) -> int64_t {
    return system_.calls.size() < 3 ? -EINTR : 0;
  };
  EXPECT_EQ(run(of(TCMUD_OP_FLUSH)), TCMUD_OK);
  EXPECT_EQ(system_.calls.size(), 3u);
  EXPECT_EQ(system_.calls.back().name, "sync");
}

TEST_F(BlockingIoTest, a_failed_flush_is_told_and_then_over) {
  system_.fail_call(1, -EIO);
  EXPECT_EQ(run(of(TCMUD_OP_FLUSH)), TCMUD_WRITE_ERROR);
  EXPECT_EQ(run(of(TCMUD_OP_FLUSH)), TCMUD_OK);
}

// The kernel tells a lost write-back once. If a FUA write was told, the next flush, which covers
// older writes, must not say that they are safe.
TEST_F(BlockingIoTest, a_flush_after_a_failed_fua_write_fails_once) {
  system_.fail_call(1, -EIO);
  EXPECT_EQ(run(write(TCMUD_FLAG_FUA)), TCMUD_WRITE_ERROR);
  EXPECT_EQ(run(of(TCMUD_OP_FLUSH)), TCMUD_WRITE_ERROR);
  EXPECT_EQ(run(of(TCMUD_OP_FLUSH)), TCMUD_OK);
}

// A refused write never came to its sync.
TEST_F(BlockingIoTest, a_refused_fua_write_says_nothing_about_older_ones) {
  for (const int error : {EROFS, EBADF, ENOMEM, EINVAL}) {
    system_.calls.clear();
    system_.fail_call(1, -error);
    EXPECT_NE(run(write(TCMUD_FLAG_FUA)), TCMUD_OK);
    EXPECT_EQ(run(of(TCMUD_OP_FLUSH)), TCMUD_OK) << error;
  }
}

TEST_F(BlockingIoTest, a_failed_plain_write_takes_nothing_from_a_flush) {
  system_.fail_call(1, -EIO);
  EXPECT_EQ(run(write(0)), TCMUD_WRITE_ERROR);
  EXPECT_EQ(run(of(TCMUD_OP_FLUSH)), TCMUD_OK);
}

// Two flushes are asked for; the error of the first sync may be about writes of the second's.
TEST(SyncErrors, a_flush_asked_for_before_a_sync_failed_knows_of_it) {
  SyncErrors errors;
  const uint64_t early = errors.ticket();
  errors.flush_failed();
  EXPECT_TRUE(errors.failed_since(early));
  EXPECT_FALSE(errors.failed_since(errors.ticket()));
}

TEST_F(BlockingIoTest, durable_zeroes_are_synced) {
  tcmud_request request = of(TCMUD_OP_WRITE_ZEROES, TCMUD_FLAG_FUA);
  request.length = 4096;
  EXPECT_EQ(run(request), TCMUD_OK);
  EXPECT_EQ(system_.calls.back().name, "sync");
}

TEST_F(BlockingIoTest, unknown_operations_are_refused) {
  for (const uint16_t op : {0, 6, 7, 9, 65535}) {
    tcmud_request request{};
    request.op = op;
    EXPECT_EQ(run(request), TCMUD_NOT_SUPPORTED);
  }
  EXPECT_TRUE(system_.calls.empty());
}

}  // namespace
}  // namespace tcmud::file
