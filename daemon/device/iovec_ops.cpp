// SPDX-License-Identifier: Apache-2.0
#include "device/iovec_ops.h"

#include <algorithm>
#include <cstring>

namespace tcmud::device {

size_t copy_from(std::span<const iovec> iov, std::span<uint8_t> to) {
  size_t done = 0;
  for (const iovec& piece : iov) {
    const size_t n = std::min(piece.iov_len, to.size() - done);
    if (n > 0) {  // memcpy wants no null pointers even then
      std::memcpy(to.data() + done, piece.iov_base, n);
    }
    done += n;
  }
  return done;
}

size_t copy_to(std::span<const iovec> iov, std::span<const uint8_t> from) {
  size_t done = 0;
  for (const iovec& piece : iov) {
    const size_t n = std::min(piece.iov_len, from.size() - done);
    if (n > 0) {  // memcpy wants no null pointers even then
      std::memcpy(piece.iov_base, from.data() + done, n);
    }
    done += n;
  }
  return done;
}

void zero_from(std::span<const iovec> iov, uint64_t offset) {
  for (const iovec& piece : iov) {
    if (offset >= piece.iov_len) {
      offset -= piece.iov_len;
      continue;
    }
    std::memset(static_cast<uint8_t*>(piece.iov_base) + offset, 0, piece.iov_len - offset);
    offset = 0;
  }
}

size_t trim(std::span<iovec> iov, uint64_t length) {
  size_t count = 0;
  while (count < iov.size() && length > 0) {
    iovec& piece = iov[count++];
    piece.iov_len = std::min<uint64_t>(piece.iov_len, length);
    length -= piece.iov_len;
  }
  return count;
}

std::span<iovec> advance(std::span<iovec> iov, uint64_t bytes) {
  while (!iov.empty() && bytes >= iov.front().iov_len) {
    bytes -= iov.front().iov_len;
    iov = iov.subspan(1);
  }
  if (bytes > 0) {
    iov.front().iov_base = static_cast<std::byte*>(iov.front().iov_base) + bytes;
    iov.front().iov_len -= bytes;
  }
  return iov;
}

namespace {

// Calls each(piece of the buffer, its bytes, where it lies in the range) for the range of `size`
// bytes from `offset` on, until one says false.
template <typename Each>
void for_each_piece(std::span<const iovec> iov, uint64_t offset, uint64_t size, Each each) {
  uint64_t at = 0;
  for (const iovec& piece : iov) {
    if (offset >= piece.iov_len) {
      offset -= piece.iov_len;
      continue;
    }
    const uint64_t n = std::min<uint64_t>(piece.iov_len - offset, size - at);
    if (n == 0 || !each(static_cast<std::byte*>(piece.iov_base) + offset, n, at)) {
      return;
    }
    at += n;
    offset = 0;
  }
}

}  // namespace

uint64_t first_difference(std::span<const iovec> iov, uint64_t offset,
                          std::span<const std::byte> data) {
  uint64_t found = kNoDifference;
  for_each_piece(iov, offset, data.size(), [&](const std::byte* piece, uint64_t n, uint64_t at) {
    if (std::memcmp(piece, data.data() + at, n) == 0) {
      return true;
    }
    found =
        at + static_cast<uint64_t>(std::mismatch(piece, piece + n, data.data() + at).first - piece);
    return false;
  });
  return found;
}

void or_into(std::span<const iovec> iov, uint64_t offset, std::span<const std::byte> data) {
  for_each_piece(iov, offset, data.size(), [&](std::byte* piece, uint64_t n, uint64_t at) {
    for (uint64_t i = 0; i < n; ++i) {
      piece[i] |= data[at + i];
    }
    return true;
  });
}

bool is_zero(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

}  // namespace tcmud::device
