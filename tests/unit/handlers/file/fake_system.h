// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "file/system.h"

namespace tcmud::file {

// The system calls over an array in memory, with a script of what goes wrong. One at a time.
class FakeSystem {
 public:
  struct Call {
    std::string name;
    int64_t offset;
    int64_t length;
    int mode_or_flags;
  };

  explicit FakeSystem(size_t bytes);
  ~FakeSystem();
  FakeSystem(const FakeSystem&) = delete;
  FakeSystem& operator=(const FakeSystem&) = delete;

  [[nodiscard]] static const System& table();

  std::vector<char> disk;
  std::vector<Call> calls;
  // Called before each; a negative errno makes the call fail, a positive number bounds the bytes of
  // a transfer, 0 leaves it alone.
  std::function<int64_t(const Call&)> script;
  // The k-th call, from 1, answers `result`.
  void fail_call(size_t k, int64_t result);

 private:
  static int64_t scripted(const char* name, int64_t offset, int64_t length, int mode);
  static off_t seek(int fd, off_t offset, int whence);  // all is data
  static ssize_t preadv2(int fd, const iovec* iov, int count, off_t offset, int flags);
  static ssize_t pwritev2(int fd, const iovec* iov, int count, off_t offset, int flags);
  static int fdatasync(int fd);
  static int fallocate(int fd, int mode, off_t offset, off_t length);
  static int discard(int fd, uint64_t offset, uint64_t length);
};

}  // namespace tcmud::file
