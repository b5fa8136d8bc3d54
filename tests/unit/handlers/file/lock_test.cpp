// SPDX-License-Identifier: Apache-2.0
#include "file/lock.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file/fd.h"

namespace tcmud::file {
namespace {

class Lock : public ::testing::Test {
 protected:
  Lock() { made_ = Fd(::mkstemp(path_.data())); }
  ~Lock() override { ::unlink(path_.c_str()); }
  Fd open(int flags = O_RDWR) { return Fd(::open(path_.c_str(), flags | O_CLOEXEC)); }
  bool lock(const Fd& fd, Access access) { return !lock_image(fd.get(), access, path_); }

  std::string path_ = "/tmp/tcmud-lock-XXXXXX";
  Fd made_;
};

TEST_F(Lock, one_writer_keeps_writers_and_readers_out) {
  const Fd first = open();
  const Fd second = open();
  ASSERT_TRUE(lock(first, Access::kWriter));
  const auto refusal = lock_image(second.get(), Access::kWriter, path_);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, EAGAIN);
  EXPECT_NE(refusal->why.find(path_ + " is in use by"), std::string::npos) << refusal->why;
  EXPECT_FALSE(lock(second, Access::kReader));
}

TEST_F(Lock, many_readers_keep_writers_out) {
  const Fd first = open(O_RDONLY);
  const Fd second = open(O_RDONLY);
  const Fd writer = open();
  EXPECT_TRUE(lock(first, Access::kReader));
  EXPECT_TRUE(lock(second, Access::kReader));
  EXPECT_FALSE(lock(writer, Access::kWriter));
}

TEST_F(Lock, a_refused_one_leaves_nothing_behind) {
  Fd holder = open();
  const Fd refused = open();
  ASSERT_TRUE(lock(holder, Access::kWriter));
  ASSERT_FALSE(lock(refused, Access::kWriter));
  holder = Fd();
  const Fd third = open();
  EXPECT_TRUE(lock(third, Access::kWriter)) << "the refused one must not keep bytes locked";
}

TEST_F(Lock, is_given_back_by_unlock_at_once) {
  const Fd first = open();
  const Fd second = open();
  ASSERT_TRUE(lock(first, Access::kWriter));
  unlock_image(first.get());
  EXPECT_TRUE(lock(second, Access::kWriter));
}

// The lock is that of the open file: as long as anything keeps it open, an I/O in the kernel
// included, nobody gets in.
TEST_F(Lock, lasts_until_the_last_reference_to_the_open_file_goes) {
  Fd first = open();
  ASSERT_TRUE(lock(first, Access::kWriter));
  Fd reference(::dup(first.get()));
  first = Fd();
  const Fd second = open();
  EXPECT_FALSE(lock(second, Access::kWriter));
  reference = Fd();
  EXPECT_TRUE(lock(second, Access::kWriter));
}

// What qemu holds for an image that it writes to: shared locks on 100 (reading), 101 (writing) and
// 103 (resizing) where used, and 201 and 203 for not letting others write or resize.
TEST_F(Lock, refuses_what_qemu_holds_and_holds_what_qemu_looks_for) {
  const auto hold = [](const Fd& fd, off_t byte) {
    struct flock l;
    std::memset(&l, 0, sizeof(l));
    l.l_type = F_RDLCK;
    l.l_whence = SEEK_SET;
    l.l_start = byte;
    l.l_len = 1;
    return ::fcntl(fd.get(), F_OFD_SETLK, &l) == 0;
  };
  const auto held_by_other = [](const Fd& fd, off_t byte) {
    struct flock l;
    std::memset(&l, 0, sizeof(l));
    l.l_type = F_WRLCK;
    l.l_whence = SEEK_SET;
    l.l_start = byte;
    l.l_len = 1;
    return ::fcntl(fd.get(), F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
  };
  {
    const Fd qemu_writer = open();
    ASSERT_TRUE(hold(qemu_writer, 101));
    EXPECT_FALSE(lock(open(), Access::kWriter));
    EXPECT_FALSE(lock(open(O_RDONLY), Access::kReader));
  }
  {
    const Fd qemu_reader = open(O_RDONLY);
    ASSERT_TRUE(hold(qemu_reader, 201));
    EXPECT_FALSE(lock(open(), Access::kWriter));
    EXPECT_TRUE(lock(open(O_RDONLY), Access::kReader));
  }
  const Fd ours = open();
  ASSERT_TRUE(lock(ours, Access::kWriter));
  const Fd qemu = open();
  for (const off_t byte : {100, 101, 103, 201, 203}) {
    EXPECT_TRUE(held_by_other(qemu, byte)) << byte;
  }
  EXPECT_FALSE(held_by_other(qemu, 200)) << "reading is shared";
}

TEST_F(Lock, names_the_process_of_a_classic_lock) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(path_.c_str(), O_RDWR);
    struct flock l;
    std::memset(&l, 0, sizeof(l));
    l.l_type = F_WRLCK;
    l.l_whence = SEEK_SET;
    const char held = ::fcntl(fd, F_SETLK, &l) == 0 ? 'y' : 'n';
    (void)!::write(ready[1], &held, 1);
    ::pause();
    ::_exit(0);
  }
  char held = '?';
  ASSERT_EQ(::read(ready[0], &held, 1), 1);
  ASSERT_EQ(held, 'y');
  const auto refusal = lock_image(made_.get(), Access::kWriter, path_);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ready[0]);
  ::close(ready[1]);
  ASSERT_TRUE(refusal);
  EXPECT_NE(refusal->why.find("process " + std::to_string(child)), std::string::npos)
      << refusal->why;
}

}  // namespace
}  // namespace tcmud::file
