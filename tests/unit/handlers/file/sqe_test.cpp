// SPDX-License-Identifier: Apache-2.0
#include "file/sqe.h"

#include <climits>
#include <vector>

#include <gtest/gtest.h>

namespace tcmud::file {
namespace {

class Sqe : public ::testing::Test {
 protected:
  const io_uring_sqe& prepare(uint16_t op, uint16_t flags, uint32_t vectors,
                              const Cursor& cursor = {}) {
    iov_.assign(vectors, {buffer_, 512});
    request_ = {};
    request_.op = op;
    request_.flags = flags;
    request_.offset = 8192;
    request_.length = vectors * 512ull;
    request_.iov = iov_.data();
    request_.iovcnt = vectors;
    sqe_ = {};
    prepare_sqe(sqe_, 5, request_, cursor);
    return sqe_;
  }
  char buffer_[512] = {};
  std::vector<iovec> iov_;
  tcmud_request request_{};
  io_uring_sqe sqe_{};
};

TEST_F(Sqe, a_fua_write_is_a_durable_one_and_no_other_is) {
  for (const uint32_t vectors : {1u, 2u}) {
    EXPECT_EQ(prepare(TCMUD_OP_WRITE, TCMUD_FLAG_FUA, vectors).rw_flags, RWF_DSYNC);
    EXPECT_EQ(prepare(TCMUD_OP_WRITE, 0, vectors).rw_flags, 0);
    EXPECT_EQ(prepare(TCMUD_OP_READ, TCMUD_FLAG_FUA, vectors).rw_flags, 0);
  }
}

TEST_F(Sqe, every_part_of_a_fua_write_is_durable) {
  Cursor cursor;
  cursor.done = 600;
  cursor.index = 1;
  cursor.skip = 88;
  const io_uring_sqe& sqe = prepare(TCMUD_OP_WRITE, TCMUD_FLAG_FUA, 3, cursor);
  EXPECT_EQ(sqe.rw_flags, RWF_DSYNC);
  EXPECT_EQ(sqe.opcode, IORING_OP_WRITE);
  EXPECT_EQ(sqe.addr, reinterpret_cast<uint64_t>(buffer_) + 88);
  EXPECT_EQ(sqe.len, 512u - 88u);
  EXPECT_EQ(sqe.off, 8192u + 600u);
}

TEST_F(Sqe, a_flush_is_a_data_sync_of_the_whole_file) {
  const io_uring_sqe& sqe = prepare(TCMUD_OP_FLUSH, 0, 0);
  EXPECT_EQ(sqe.opcode, IORING_OP_FSYNC);
  EXPECT_EQ(sqe.fsync_flags, IORING_FSYNC_DATASYNC);
  EXPECT_EQ(sqe.fd, 5);
  EXPECT_EQ(sqe.off, 0u);
  EXPECT_EQ(sqe.len, 0u);
}

TEST_F(Sqe, one_vector_goes_plain_and_many_as_many_as_the_kernel_takes) {
  EXPECT_EQ(prepare(TCMUD_OP_READ, 0, 1).opcode, IORING_OP_READ);
  EXPECT_EQ(prepare(TCMUD_OP_READ, 0, 2).opcode, IORING_OP_READV);
  EXPECT_EQ(prepare(TCMUD_OP_WRITE, 0, 2).opcode, IORING_OP_WRITEV);
  EXPECT_EQ(prepare(TCMUD_OP_WRITE, 0, IOV_MAX + 1).len, static_cast<uint32_t>(IOV_MAX));
}

}  // namespace
}  // namespace tcmud::file
