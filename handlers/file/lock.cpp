// SPDX-License-Identifier: Apache-2.0
#include "lock.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include <fcntl.h>
#include <unistd.h>

namespace tcmud::file {
namespace {

constexpr off_t kUsedBase = 100;
constexpr off_t kUnsharedBase = 200;
enum Permission : off_t { kConsistentRead = 0, kWrite = 1, kResize = 3 };

constexpr std::array<Permission, 3> kWriterUses = {kConsistentRead, kWrite, kResize};
constexpr std::array<Permission, 1> kReaderUses = {kConsistentRead};
constexpr std::array<Permission, 2> kNobodyElseMay = {kWrite, kResize};

struct flock byte_lock(short type, off_t start) {
  struct flock lock;
  std::memset(&lock, 0, sizeof(lock));  // l_pid must be 0 for F_OFD_*
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = 1;
  return lock;
}

// Who holds the file, in words. F_GETLK names the process of a classic lock; for an
// open-file-description lock the kernel says -1.
api::Refusal in_use(const struct flock& holder, const std::string& path) {
  std::string by = "another process";
  if (holder.l_pid > 0) {
    by = "process " + std::to_string(holder.l_pid);
  }
  return {EAGAIN, "file: " + path + " is in use by " + by +
                      " (lsof or fuser names it); stop it or remove its LUN first"};
}

api::Refusal cannot_lock(int error, const std::string& path) {
  return {error, "file: cannot lock " + path + ": " + std::strerror(error) +
                     "; if its file system has no locks, add ;nolock and make sure of one writer"};
}

std::optional<api::Refusal> take(int fd, off_t byte, const std::string& path) {
  struct flock lock = byte_lock(F_RDLCK, byte);
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) {
    return std::nullopt;
  }
  if (errno != EAGAIN && errno != EACCES) {
    return cannot_lock(errno, path);
  }
  lock = byte_lock(F_RDLCK, byte);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) {
    lock.l_pid = 0;
  }
  return in_use(lock, path);
}

std::optional<api::Refusal> expect_free(int fd, off_t byte, const std::string& path) {
  struct flock lock = byte_lock(F_WRLCK, byte);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) {
    return cannot_lock(errno, path);
  }
  if (lock.l_type != F_UNLCK) {
    return in_use(lock, path);
  }
  return std::nullopt;
}

}  // namespace

std::optional<api::Refusal> lock_image(int fd, Access access, const std::string& path) {
  const std::span<const Permission> uses = access == Access::kWriter
                                               ? std::span<const Permission>(kWriterUses)
                                               : std::span<const Permission>(kReaderUses);
  std::optional<api::Refusal> refusal;
  for (size_t i = 0; i < uses.size() && !refusal; ++i) {
    refusal = take(fd, kUsedBase + uses[i], path);
  }
  for (size_t i = 0; i < kNobodyElseMay.size() && !refusal; ++i) {
    refusal = take(fd, kUnsharedBase + kNobodyElseMay[i], path);
  }
  for (size_t i = 0; i < uses.size() && !refusal; ++i) {
    refusal = expect_free(fd, kUnsharedBase + uses[i], path);
  }
  for (size_t i = 0; i < kNobodyElseMay.size() && !refusal; ++i) {
    refusal = expect_free(fd, kUsedBase + kNobodyElseMay[i], path);
  }
  if (refusal) {
    unlock_image(fd);
  }
  return refusal;
}

void unlock_image(int fd) {
  struct flock lock = byte_lock(F_UNLCK, kUsedBase);
  lock.l_len = 2 * (kUnsharedBase - kUsedBase);
  (void)::fcntl(fd, F_OFD_SETLK, &lock);
}

}  // namespace tcmud::file
