// SPDX-License-Identifier: Apache-2.0
// What one entry of the ring says, and how it is answered. Pure functions of the entry's bytes and
// the private geometry; they run on the thread that holds the ring. Each shared field is read once,
// and checked before it is used.
#include "kernel/ring_entry.h"

#include <algorithm>
#include <array>
#include <limits>
#include <new>

namespace tcmud::kernel {
namespace {

// The kernel's blocks are whole pages, and no architecture's page is smaller than this.
constexpr uint64_t kPage = 4096;
constexpr size_t kShortCdb = 16;
constexpr uint8_t kVariableLengthCdb = 0x7f;
constexpr uint8_t kCheckCondition = 0x02;
static_assert(sizeof(iovec) == 16, "the ring's iovecs are those of a 64-bit kernel");

// The kernel copies as many bytes of a CDB as its operation code's group has (SAM-5 5.2), and
// doesn't tell how many.
constexpr std::array<uint8_t, 8> kCdbLengthOfGroup = {6, 10, 10, 12, 16, 12, 10, 10};

// Copies the CDB out of its `room` bytes in the ring. Returns what is wrong, or nullptr.
const char* copy_cdb(const std::byte* from, size_t room, CommandEntry& command) {
  uint8_t* cdb = command.cdb.data();
  size_t length = 0;
  if (room >= kShortCdb) [[likely]] {
    copy_shared(cdb, from, kShortCdb);
    length = kCdbLengthOfGroup[cdb[0] >> 5];
    if (cdb[0] == kVariableLengthCdb) {
      length = cdb[7] + size_t{8};
      if (length > kMaxCdb || length > room) {
        return "its CDB is longer than the entry";
      }
      if (length > kShortCdb) {
        copy_shared(cdb + kShortCdb, from + kShortCdb, length - kShortCdb);
      }
    }
  } else {
    copy_shared(cdb, from, room);
    length = kCdbLengthOfGroup[cdb[0] >> 5];
    if (cdb[0] == kVariableLengthCdb) {
      length = room > 7 ? cdb[7] + size_t{8} : kMaxCdb;
    }
    if (length > room) {
      return "its CDB is longer than the entry";
    }
  }
  // What stands behind the CDB in the ring is padding, or somebody else's.
  if (length < kShortCdb) {
    std::memset(cdb + length, 0, kShortCdb - length);
  }
  command.cdb_length = static_cast<uint16_t>(length);
  return nullptr;
}

// Checks `count` iovecs at `list`; their pointers go to `out` unless that is nullptr. Returns what
// is wrong, or nullptr.
const char* copy_iovecs(const Geometry& geometry, const std::byte* list, uint32_t count, iovec* out,
                        uint64_t& total) {
  uint64_t lowest = geometry.data_offset;
  total = 0;
  for (uint32_t i = 0; i < count; ++i, list += sizeof(iovec)) {
    const auto base = load_shared<uint64_t>(list + offsetof(iovec, iov_base));
    const auto length = load_shared<uint64_t>(list + offsetof(iovec, iov_len));
    if (base < geometry.data_offset || base >= geometry.map_size ||
        length > geometry.map_size - base) {
      return "an iovec lies outside the data area";
    }
    if (base < lowest) {
      return "its iovecs don't ascend";
    }
    if (base % kPage != 0) {
      return "an iovec isn't page aligned";
    }
    if (length == 0) {
      return "an iovec is empty";
    }
    lowest = base + length;
    total += length;
    if (out != nullptr) {
      out[i] = {geometry.base + base, length};
    }
  }
  // A command's data length has 32 bits in the kernel.
  return total > std::numeric_limits<uint32_t>::max() ? "it has too much data" : nullptr;
}

const char* decode(const Geometry& geometry, uint32_t offset, uint32_t length,
                   std::span<iovec> room, CommandEntry& command) {
  const std::byte* entry = geometry.base + offset;
  const auto out_count = load_shared<uint32_t>(entry + abi::kIovecCountAt);
  const auto in_count = load_shared<uint32_t>(entry + abi::kBidiIovecCountAt);
  const auto dif_count = load_shared<uint32_t>(entry + abi::kDifIovecCountAt);
  const auto cdb_offset = load_shared<uint64_t>(entry + abi::kCdbOffsetAt);

  const uint64_t count = uint64_t{out_count} + in_count;
  if (count > (geometry.map_size - geometry.data_offset) / kPage) {
    return "it has more iovecs than the data area has pages";
  }
  const uint64_t head =
      std::max<uint64_t>(kMinCommandEntry, abi::kIovecsAt + sizeof(iovec) * count);
  if (head >= length) {
    return "its iovecs are longer than the entry";
  }
  if (dif_count != 0) {
    return "it has protection information";
  }
  if (cdb_offset < offset + head || cdb_offset >= uint64_t{offset} + length) {
    return "its CDB lies outside the entry";
  }
  if (const char* wrong =
          copy_cdb(geometry.base + cdb_offset, offset + length - cdb_offset, command)) {
    return wrong;
  }

  iovec* out = room.data();
  if (out_count > room.size()) {
    command.spill.reset(new (std::nothrow) iovec[out_count]);
    out = command.spill.get();
    if (out == nullptr) {
      return "there is no memory for its iovecs";
    }
  }
  const std::byte* list = entry + abi::kIovecsAt;
  uint64_t total = 0;
  if (in_count != 0) [[unlikely]] {
    // Data-In of a bidirectional command; see CommandEntry.
    if (const char* wrong =
            copy_iovecs(geometry, list + sizeof(iovec) * out_count, in_count, nullptr, total)) {
      return wrong;
    }
  }
  if (const char* wrong = copy_iovecs(geometry, list, out_count, out, total)) {
    return wrong;
  }
  command.iov = {out, out_count};
  command.data_length = total;
  return nullptr;
}

}  // namespace

void decode_command(const Geometry& geometry, uint32_t offset, uint32_t length,
                    std::span<iovec> room, CommandEntry& command) {
  command.spill.reset();
  command.malformed = decode(geometry, offset, length, room, command);
  if (command.malformed != nullptr) [[unlikely]] {
    // No operation code of ours, so that nobody who overlooks the flag does anything.
    std::memset(command.cdb.data(), 0, kShortCdb);
    command.cdb[0] = 0xff;
    command.cdb_length = 0;
    command.iov = {};
    command.data_length = 0;
    command.spill.reset();
  }
}

bool decode_tmr(const std::byte* entry, uint32_t length, TmrEntry& tmr) {
  if (length < abi::kTmrIdsAt) {
    return false;
  }
  const auto count = load_shared<uint32_t>(entry + abi::kTmrCountAt);
  if (count > (length - abi::kTmrIdsAt) / sizeof(uint16_t)) {
    return false;
  }
  tmr.type = load_shared<uint8_t>(entry + abi::kTmrTypeAt);
  tmr.command_ids.resize(count);
  if (count != 0) {
    copy_shared(tmr.command_ids.data(), entry + abi::kTmrIdsAt, count * sizeof(uint16_t));
  }
  return true;
}

void write_response(std::byte* entry, const Completion& completion, bool may_tell_read_length) {
  uint8_t flags = 0;
  uint32_t read_length = 0;
  // The kernel takes 0 for "all of it": nothing at all can't be told.
  if (may_tell_read_length && completion.has_read_length && completion.read_length != 0) {
    flags = abi::kUserFlagReadLength;
    read_length = completion.read_length;
  }
  std::memcpy(entry + abi::kUserFlagsAt, &flags, sizeof flags);
  std::memcpy(entry + abi::kStatusAt, &completion.status, sizeof completion.status);
  std::memcpy(entry + abi::kReadLengthAt, &read_length, sizeof read_length);
  if (completion.status == kCheckCondition) {
    // The kernel takes all of it, whatever its length says.
    std::byte* sense = entry + abi::kSenseAt;
    const size_t length = std::min<size_t>(completion.sense_length, kMaxSense);
    std::memcpy(sense, completion.sense.data(), length);
    std::memset(sense + length, 0, abi::kSenseSize - length);
  }
}

}  // namespace tcmud::kernel
