// SPDX-License-Identifier: Apache-2.0
#include "provisioning.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace tcmud::file {
namespace {

// Appends an extent, or lengthens the last one. False: there is no room.
bool append(tcmud_lba_status& status, uint64_t length, uint32_t state) {
  if (status.count > 0 && status.extents[status.count - 1].state == state) {
    status.extents[status.count - 1].length += length;
    return true;
  }
  if (status.count == status.capacity) {
    return false;
  }
  status.extents[status.count++] = {length, state, 0};
  return true;
}

}  // namespace

Outcome lba_status(const System& system, int fd, const tcmud_request& request,
                   uint32_t block_size) {
  tcmud_lba_status& status = *request.lba_status;
  const uint64_t end = request.offset + request.length;
  status.count = 0;
  for (uint64_t at = request.offset; at < end;) {
    const off_t data = system.seek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && data != -ENXIO) {
      return {status_of_errno(static_cast<int>(-data), Direction::kRead)};
    }
    // A block of which a part has data is mapped. ENXIO: a hole up to the end of the file.
    const uint64_t mapped =
        data < 0 ? end : std::min(static_cast<uint64_t>(data) / block_size * block_size, end);
    if (mapped > at) {
      if (!append(status, mapped - at, TCMUD_DEALLOCATED)) {
        break;
      }
      at = mapped;
      continue;
    }
    const off_t hole = system.seek(fd, static_cast<off_t>(at), SEEK_HOLE);
    if (hole < 0) {
      return {status_of_errno(static_cast<int>(-hole), Direction::kRead)};
    }
    // Punched since the question before: no step may be empty.
    const uint64_t next = std::max(
        at + block_size, (static_cast<uint64_t>(hole) + block_size - 1) / block_size * block_size);
    if (!append(status, std::min(next, end) - at, TCMUD_MAPPED)) {
      break;
    }
    at = next;
  }
  return {};
}

}  // namespace tcmud::file
