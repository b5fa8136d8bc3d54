// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <sys/socket.h>

#include "support/kernel_ring.h"

// What initiators and gateway_subject say to each other: a command, with its data-out behind it;
// its answer, with its data-in behind it; the next command.
namespace tcmud::test {

struct CommandHeader {
  std::array<uint8_t, 32> cdb{};
  uint32_t cdb_length = 0;
  uint32_t out_length = 0;
  uint32_t in_length = 0;  // expected
};

struct AnswerHeader {
  std::array<uint8_t, kSenseBytes> sense{};
  uint32_t in_length = 0;
  uint8_t status = 0;
  std::array<uint8_t, 3> reserved{};
};

// False: the other side has gone, or was silent for as long as the socket's time-out says.
inline bool read_all(int socket, void* data, size_t size) {
  auto* at = static_cast<std::byte*>(data);
  while (size > 0) {
    const ssize_t n = ::recv(socket, at, size, 0);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

inline bool write_all(int socket, const void* data, size_t size) {
  const auto* at = static_cast<const std::byte*>(data);
  while (size > 0) {
    const ssize_t n = ::send(socket, at, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return false;
    }
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace tcmud::test
