// SPDX-License-Identifier: Apache-2.0
#include "file/status.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace tcmud::file {
namespace {

TEST(StatusOfErrno, is_never_ok_nor_queued_whatever_the_kernel_says) {
  for (int error = 0; error < 4096; ++error) {
    for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
      const int32_t status = status_of_errno(error, direction);
      EXPECT_GT(status, TCMUD_OK) << error;
      EXPECT_LE(status, TCMUD_INTERNAL) << error;
    }
  }
}

TEST(StatusOfErrno, tells_the_medium_from_space_protection_resources_and_reachability) {
  const auto read = [](int e) { return status_of_errno(e, Direction::kRead); };
  const auto write = [](int e) { return status_of_errno(e, Direction::kWrite); };
  EXPECT_EQ(read(EIO), TCMUD_READ_ERROR);
  EXPECT_EQ(write(EIO), TCMUD_WRITE_ERROR);
  EXPECT_EQ(read(ENODATA), TCMUD_READ_ERROR);
  EXPECT_EQ(write(ENOSPC), TCMUD_NO_SPACE);
  EXPECT_EQ(write(EDQUOT), TCMUD_NO_SPACE);
  EXPECT_EQ(write(EROFS), TCMUD_WRITE_PROTECTED);
  EXPECT_EQ(write(EBADF), TCMUD_WRITE_PROTECTED);
  EXPECT_EQ(read(EPERM), TCMUD_READ_ERROR);
  EXPECT_EQ(write(ENOMEM), TCMUD_NO_RESOURCE);
  EXPECT_EQ(read(ENODEV), TCMUD_NOT_READY);
  EXPECT_EQ(read(ESTALE), TCMUD_NOT_READY);
  EXPECT_EQ(read(ETIMEDOUT), TCMUD_TIMEOUT);
  EXPECT_EQ(read(EFAULT), TCMUD_INTERNAL);
  EXPECT_EQ(write(EOPNOTSUPP), TCMUD_NOT_SUPPORTED);
  EXPECT_EQ(write(ECANCELED), TCMUD_ABORTED);
}

}  // namespace
}  // namespace tcmud::file
