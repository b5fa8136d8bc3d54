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

bool is_zero(const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  return size == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, size - 1) == 0);
}

}  // namespace tcmud::device
