// SPDX-License-Identifier: Apache-2.0
#include "control/process.h"

#include <functional>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tcmud::control {
namespace {

// The limits are the process's own, so a child tries.
bool in_a_child(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(check() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

rlim_t limit_now() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void start_from(rlim_t soft) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = soft;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

TEST(RaiseNofile, without_a_wish_it_is_as_much_as_allowed) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_TRUE(in_a_child([&] {
    start_from(256);
    raise_nofile(std::nullopt);
    return limit_now() >= std::min<rlim_t>(limit.rlim_max, 1000000);
  }));
}

TEST(RaiseNofile, it_never_lowers_what_was_there) {
  EXPECT_TRUE(in_a_child([] {
    const rlim_t before = limit_now();
    raise_nofile(std::nullopt);
    return limit_now() >= before;
  }));
}

TEST(RaiseNofile, a_wish_is_followed) {
  EXPECT_TRUE(in_a_child([] {
    start_from(256);
    raise_nofile(512);
    return limit_now() == 512;
  }));
}

TEST(DefaultHandlerPath, is_absolute) {
  EXPECT_TRUE(default_handler_path().is_absolute());
}

}  // namespace
}  // namespace tcmud::control
