// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "scsi/execute.h"

// POPULATE TOKEN, WRITE USING TOKEN and RECEIVE ROD TOKEN INFORMATION (SBC-4, SPC-5 "ROD tokens"),
// as Windows uses them. All pure; any thread.
namespace tcmud::scsi {

inline constexpr size_t kRodTokenLength = 512;
inline constexpr size_t kMaxTokenRanges = 64;  // MAXIMUM RANGE DESCRIPTORS of VPD page 8Fh
inline constexpr uint32_t kMaxTokenTimeout = 600, kDefaultTokenTimeout = 30;  // seconds
inline constexpr uint64_t kMaxTokenBytes = uint64_t{64} << 20;  // MAXIMUM TOKEN TRANSFER SIZE
inline constexpr uint32_t kAccessUponReferenceRod = 0x00010000;
inline constexpr uint32_t kBlockZeroRod = 0xFFFF0001;  // its token reads as zeroes

// In bytes, in the order of the list, none empty.
struct TokenRanges {
  size_t count = 0;
  std::array<Range, kMaxTokenRanges> range{};
  uint64_t total = 0;  // bytes
};

struct PopulateToken {
  bool immediate = false;
  uint32_t timeout = kDefaultTokenTimeout;  // seconds
  TokenRanges ranges;
};

struct WriteUsingToken {
  bool immediate = false;
  bool delete_token = false;       // DEL_TKN
  bool zeroes = false;             // the token is that of kBlockZeroRod
  uint64_t offset = 0;             // OFFSET INTO ROD, bytes
  std::span<const uint8_t> token;  // kRodTokenLength bytes of the list
  TokenRanges ranges;
};

// Decode a parameter list as long as the CDB says. GOOD (kReply), or the CHECK CONDITION:
//   a list that ends within its header or its ranges: 05/1A/00
//   a DATA LENGTH, or a BLOCK DEVICE RANGE DESCRIPTOR LENGTH, of less than one range, or the latter
//   more than the former has room for: 05/26/00
//   more than kMaxTokenRanges: 05/26/08; more than kMaxTokenBytes together, a range that overlaps
//   another one, POPULATE TOKEN: INACTIVITY TIMEOUT above kMaxTokenTimeout, or with RTV a ROD TYPE
//   other than kAccessUponReferenceRod: 05/26/00
//   a range beyond the last block: 05/21/00; ranges of no blocks are skipped
//   WRITE USING TOKEN: OFFSET INTO ROD beyond 64 bits of bytes: 05/26/00
[[nodiscard]] Outcome decode_populate_token(const Lun& lun, std::span<const uint8_t> list,
                                            PopulateToken& populate);
[[nodiscard]] Outcome decode_write_using_token(const Lun& lun, std::span<const uint8_t> list,
                                               WriteUsingToken& write);

// RECEIVE ROD TOKEN INFORMATION: what came of the POPULATE TOKEN or WRITE USING TOKEN.
struct TokenInformation {
  // COPY OPERATION STATUS
  enum class State : uint8_t {
    kDone = 0x01,
    kFailed = 0x02,
    kPartial = 0x03,  // well, but there was less data than was asked for
    kInForeground = 0x11,
    kInBackground = 0x12
  };
  bool populate = false;  // else WRITE USING TOKEN
  State state = State::kDone;
  Status completion = Status::kGood;
  Sense sense{};                     // with kCheckCondition
  uint64_t blocks = 0;               // transferred
  std::span<const uint8_t> token{};  // populate, kDone: kRodTokenLength bytes
};
// Returns the bytes written, cut to `out`.
size_t token_information_data(const TokenInformation& information, std::span<uint8_t> out);

}  // namespace tcmud::scsi
