// SPDX-License-Identifier: Apache-2.0
#include "discard.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fcntl.h>

namespace tcmud::file {
namespace {

constexpr size_t kZeroBytes = 64 * 1024;
constexpr int kZeroVectors = 16;

// Never written to; not const, so that it takes no room in the file. Page aligned for O_DIRECT.
alignas(4096) std::array<char, kZeroBytes> zero_bytes;

// The file system or device has no such mode at all.
bool never(int error) {
  return error == -EOPNOTSUPP || error == -ENOSYS || error == -ENOTTY;
}

// Another way may still do it. EINVAL: the mode is unknown, or this range is not aligned to a
// device's sectors.
bool refused(int error) {
  return never(error) || error == -EINVAL;
}

template <class F>
int retry_interrupted(F&& call) {
  int r;
  do {
    r = call();
  } while (r == -EINTR);
  return r;
}

Outcome outcome_of(int error) {
  return error == 0 ? Outcome{} : Outcome{status_of_errno(-error, Direction::kWrite)};
}

}  // namespace

int Discarder::punch_hole(uint64_t offset, uint64_t length) {
  if (modes_.unmap != UnmapBy::kPunchHole || no_punch_hole_.load(std::memory_order_relaxed)) {
    return -EOPNOTSUPP;
  }
  const int r = retry_interrupted([&] {
    return system_.fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                             static_cast<off_t>(offset), static_cast<off_t>(length));
  });
  if (never(r)) {
    no_punch_hole_.store(true, std::memory_order_relaxed);
  }
  return r;
}

int Discarder::zero_range(uint64_t offset, uint64_t length) {
  if (no_zero_range_.load(std::memory_order_relaxed)) {
    return -EOPNOTSUPP;
  }
  const int r = retry_interrupted([&] {
    return system_.fallocate(fd_, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                             static_cast<off_t>(offset), static_cast<off_t>(length));
  });
  if (never(r)) {
    no_zero_range_.store(true, std::memory_order_relaxed);
  }
  return r;
}

int Discarder::reserve(uint64_t offset, uint64_t length) {
  return retry_interrupted([&] {
    return system_.fallocate(fd_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                             static_cast<off_t>(length));
  });
}

int Discarder::write_zero_pages(uint64_t offset, uint64_t length) {
  std::array<iovec, kZeroVectors> iov;
  while (length > 0) {
    int count = 0;
    for (uint64_t left = length; left > 0 && count < kZeroVectors; ++count) {
      const uint64_t n = std::min<uint64_t>(left, kZeroBytes);
      iov[static_cast<size_t>(count)] = {zero_bytes.data(), n};
      left -= n;
    }
    const ssize_t n =
        system_.pwritev2(fd_, iov.data(), count, static_cast<off_t>(offset), /*flags=*/0);
    if (n == -EINTR || n == -EAGAIN) {
      continue;
    }
    if (n <= 0) {
      return n == 0 ? -EIO : static_cast<int>(n);
    }
    offset += static_cast<uint64_t>(n);
    length -= static_cast<uint64_t>(n);
  }
  return 0;
}

Outcome Discarder::write_zeroes(uint64_t offset, uint64_t length, bool may_unmap) {
  if (may_unmap) {
    const int r = punch_hole(offset, length);
    if (!refused(r)) {
      return outcome_of(r);
    }
  }
  int r = zero_range(offset, length);
  if (!refused(r)) {
    return outcome_of(r);
  }
  // tmpfs: a hole, and then its space back. Where the second half fails for want of space the range
  // reads as zeroes all the same, but the promise of space would be a lie.
  if (!may_unmap) {
    r = punch_hole(offset, length);
    r = r == 0 ? reserve(offset, length) : r;
    if (!refused(r)) {
      return outcome_of(r);
    }
  }
  return outcome_of(write_zero_pages(offset, length));
}

Outcome Discarder::unmap(const tcmud_request& request) {
  for (uint32_t i = 0; i < request.nranges; ++i) {
    const tcmud_range& range = request.ranges[i];
    Outcome outcome;
    switch (modes_.unmap) {
      case UnmapBy::kNothing:
        return {TCMUD_NOT_SUPPORTED};
      case UnmapBy::kPunchHole:
        // What cannot be punched out must still read as zeroes: initiators were promised that.
        outcome = write_zeroes(range.offset, range.length, /*may_unmap=*/true);
        break;
      case UnmapBy::kDiscard: {
        const int r =
            retry_interrupted([&] { return system_.discard(fd_, range.offset, range.length); });
        // A hint without a promise: a range that the device cannot discard stays as it is.
        outcome = refused(r) ? Outcome{} : outcome_of(r);
        break;
      }
    }
    if (outcome.status != TCMUD_OK) {
      return outcome;
    }
  }
  return {};
}

}  // namespace tcmud::file
