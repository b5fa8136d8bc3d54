// SPDX-License-Identifier: Apache-2.0
#include "unit/handlers/file/fake_system.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace tcmud::file {
namespace {

FakeSystem* current = nullptr;

int64_t total(const iovec* iov, int count) {
  int64_t n = 0;
  for (int i = 0; i < count; ++i) {
    n += static_cast<int64_t>(iov[i].iov_len);
  }
  return n;
}

}  // namespace

FakeSystem::FakeSystem(size_t bytes) : disk(bytes, 'x') {
  if (std::exchange(current, this) != nullptr) {
    std::abort();
  }
}

FakeSystem::~FakeSystem() {
  current = nullptr;
}

const System& FakeSystem::table() {
  static constexpr System kSystem = {preadv2, pwritev2, fdatasync, fallocate, discard, seek};
  return kSystem;
}

void FakeSystem::fail_call(size_t k, int64_t result) {
  script = [this, k, result](const Call&) { return calls.size() == k ? result : 0; };
}

off_t FakeSystem::seek(int, off_t offset, int whence) {
  const int64_t result = scripted("seek", offset, 0, whence);
  if (result != 0) {
    return result;
  }
  return whence == SEEK_DATA ? offset : static_cast<off_t>(current->disk.size());
}

int64_t FakeSystem::scripted(const char* name, int64_t offset, int64_t length, int mode) {
  current->calls.push_back({name, offset, length, mode});
  return current->script ? current->script(current->calls.back()) : 0;
}

ssize_t FakeSystem::preadv2(int, const iovec* iov, int count, off_t offset, int flags) {
  const int64_t length = total(iov, count);
  const int64_t said = scripted("read", offset, length, flags);
  if (said < 0) {
    return said;
  }
  int64_t left = std::min<int64_t>(said > 0 ? std::min(said, length) : length,
                                   static_cast<int64_t>(current->disk.size()) - offset);
  const int64_t n = std::max<int64_t>(left, 0);
  const char* at = current->disk.data() + offset;
  for (int i = 0; i < count && left > 0; ++i) {
    const auto part = std::min<int64_t>(left, static_cast<int64_t>(iov[i].iov_len));
    std::memcpy(iov[i].iov_base, at, static_cast<size_t>(part));
    at += part;
    left -= part;
  }
  return n;
}

ssize_t FakeSystem::pwritev2(int, const iovec* iov, int count, off_t offset, int flags) {
  const int64_t length = total(iov, count);
  const int64_t said = scripted("write", offset, length, flags);
  if (said < 0) {
    return said;
  }
  int64_t left = said > 0 ? std::min(said, length) : length;
  const int64_t n = left;
  char* at = current->disk.data() + offset;
  for (int i = 0; i < count && left > 0; ++i) {
    const auto part = std::min<int64_t>(left, static_cast<int64_t>(iov[i].iov_len));
    std::memcpy(at, iov[i].iov_base, static_cast<size_t>(part));
    at += part;
    left -= part;
  }
  return n;
}

int FakeSystem::fdatasync(int) {
  return static_cast<int>(std::min<int64_t>(scripted("sync", 0, 0, 0), 0));
}

int FakeSystem::fallocate(int, int mode, off_t offset, off_t length) {
  const int64_t said = scripted("fallocate", offset, length, mode);
  if (said < 0) {
    return static_cast<int>(said);
  }
  if (mode != FALLOC_FL_KEEP_SIZE) {
    std::fill_n(current->disk.begin() + offset, length, '\0');
  }
  return 0;
}

int FakeSystem::discard(int, uint64_t offset, uint64_t length) {
  const int64_t said =
      scripted("discard", static_cast<int64_t>(offset), static_cast<int64_t>(length), 0);
  return static_cast<int>(std::min<int64_t>(said, 0));
}

}  // namespace tcmud::file
