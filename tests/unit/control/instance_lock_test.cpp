// SPDX-License-Identifier: Apache-2.0
#include "control/instance_lock.h"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/dbus/private_bus.h"

namespace tcmud::control {
namespace {

using testing::HasSubstr;

class InstanceLockTest : public testing::Test {
 protected:
  // The lock is a process's, so the other one must be one.
  int acquire_in_a_child(std::string* message) const {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto lock = InstanceLock::acquire(file_);
      if (!lock) {
        static_cast<void>(
            ::write(ends[1], lock.error().message.data(), lock.error().message.size()));
      }
      ::_exit(lock ? 0 : lock.error().code);
    }
    ::close(ends[1]);
    char buffer[512];
    const ssize_t got = ::read(ends[0], buffer, sizeof buffer);
    ::close(ends[0]);
    message->assign(buffer, got > 0 ? static_cast<size_t>(got) : 0);
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path file_ = directory_.path() / "tcmu.lock";
};

TEST_F(InstanceLockTest, a_second_process_is_refused_and_told_who_has_it) {
  std::string message;
  {
    const auto lock = InstanceLock::acquire(file_);
    ASSERT_TRUE(lock);
    EXPECT_EQ(acquire_in_a_child(&message), EBUSY);
    EXPECT_THAT(message, HasSubstr("already running (process " + std::to_string(::getpid()) + ")"));
    EXPECT_THAT(message, HasSubstr(file_.string()));
  }
  EXPECT_EQ(acquire_in_a_child(&message), 0) << message;
}

TEST_F(InstanceLockTest, a_file_that_is_left_over_does_not_matter) {
  std::string message;
  EXPECT_EQ(acquire_in_a_child(&message), 0);
  EXPECT_TRUE(std::filesystem::exists(file_));
  EXPECT_TRUE(InstanceLock::acquire(file_));
}

TEST_F(InstanceLockTest, a_place_that_cant_be_written_is_an_error_that_names_it) {
  const auto lock = InstanceLock::acquire("/proc/none/tcmu.lock");
  ASSERT_FALSE(lock);
  EXPECT_THAT(lock.error().message, HasSubstr("/proc/none/tcmu.lock"));
}

}  // namespace
}  // namespace tcmud::control
