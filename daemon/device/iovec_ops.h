// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <sys/uio.h>

// Copying to and from an initiator's buffer, which is scattered over the data area.
namespace tcmud::device {

// Copies the first bytes of the buffer, as many as both have; returns how many.
size_t copy_from(std::span<const iovec> iov, std::span<uint8_t> to);

// Copies to the beginning of the buffer, as many bytes as both have; returns how many.
size_t copy_to(std::span<const iovec> iov, std::span<const uint8_t> from);

// Zeroes the buffer from byte `offset` to its end.
void zero_from(std::span<const iovec> iov, uint64_t offset);

// Shortens the list to `length` bytes, in place; returns how many iovecs are left.
size_t trim(std::span<iovec> iov, uint64_t length);

// Passes over the first `bytes` of the buffer, in place; returns what is left. The buffer has that
// many.
std::span<iovec> advance(std::span<iovec> iov, uint64_t bytes);

inline constexpr uint64_t kNoDifference = UINT64_MAX;

// Compares `data` with the buffer from byte `offset` on, which has as many bytes; returns where in
// `data` the first difference is.
[[nodiscard]] uint64_t first_difference(std::span<const iovec> iov, uint64_t offset,
                                        std::span<const std::byte> data);

// ORs `data` into the buffer from byte `offset` on, which has as many bytes.
void or_into(std::span<const iovec> iov, uint64_t offset, std::span<const std::byte> data);

[[nodiscard]] bool is_zero(const void* data, size_t size);

}  // namespace tcmud::device
