// SPDX-License-Identifier: Apache-2.0
#include "copy/token_store.h"

#include <algorithm>

#include <sys/random.h>

#include "base/bytes.h"
#include "scsi/designator.h"

namespace tcmud::copy {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// Where fields of a ROD token are (SPC-5 "ROD token format").
constexpr size_t kTypeAt = 0, kLengthAt = 6, kIdentifierAt = 8, kCreatorAt = 16, kBytesAt = 48,
                 kBlockLengthAt = 96, kSecretAt = 128;
constexpr size_t kIdentifierLength = 8, kSecretLength = 128;

bool fill_with_randomness(std::span<uint8_t> out) {
  return ::getrandom(out.data(), out.size(), 0) == static_cast<ssize_t>(out.size());
}

// The creator as an identification descriptor CSCD.
void put_creator(const scsi::Lun& lun, uint8_t* p) {
  p[0] = 0xE4;
  if (const auto naa = scsi::naa_of(lun.serial)) {
    p[4] = 0x01;  // CODE SET: binary
    p[5] = 0x03;  // ASSOCIATION: logical unit, DESIGNATOR TYPE: NAA
    p[7] = static_cast<uint8_t>(naa->size());
    std::copy(naa->begin(), naa->end(), p + 8);
  }
  store_be24(p + 29, lun.block_size);
}

// Nobody learns from the time that it takes how much of a guess was right.
bool equal(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  uint8_t difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference = static_cast<uint8_t>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace

Token::State Token::state(uint64_t now_ns) {
  if (now_ns >= expires_ns_.load(std::memory_order_relaxed)) {
    end(State::kExpired);
  }
  return state_.load();
}

Token::State Token::use(uint64_t now_ns) {
  const State now = state(now_ns);
  if (now == State::kLive) {
    expires_ns_.store(now_ns + timeout_ns_, std::memory_order_relaxed);
  }
  return now;
}

void Token::end(State how) {
  State live = State::kLive;
  state_.compare_exchange_strong(live, how);
}

bool Token::covers(const scsi::Range& range) const {
  const auto mine = std::span(ranges_.range).first(ranges_.count);
  return std::any_of(mine.begin(), mine.end(), [&range](const scsi::Range& own) {
    return own.offset < range.offset + range.length && range.offset < own.offset + own.length;
  });
}

std::shared_ptr<Token> TokenStore::create(const std::shared_ptr<Lun>& source,
                                          const scsi::TokenRanges& ranges, uint32_t timeout_s,
                                          uint64_t now_ns) {
  const auto lun = source->told();
  Token::Bytes bytes{};
  store_be32(&bytes[kTypeAt], scsi::kAccessUponReferenceRod);
  store_be16(&bytes[kLengthAt], scsi::kRodTokenLength - 8);
  put_creator(*lun, &bytes[kCreatorAt]);
  store_be64(&bytes[kBytesAt + 8], ranges.total);
  store_be32(&bytes[kBlockLengthAt], lun->block_size);
  if (!fill_with_randomness(std::span(bytes).subspan(kIdentifierAt, kIdentifierLength)) ||
      !fill_with_randomness(std::span(bytes).subspan(kSecretAt, kSecretLength))) {
    return nullptr;
  }
  auto token = std::make_shared<Token>(bytes, source, ranges, timeout_s * kSecond, now_ns);
  const std::lock_guard lock(mutex_);
  if (tokens_.size() == kMaxTokens && !make_room(now_ns)) {
    return nullptr;
  }
  tokens_.push_back(token);
  return token;
}

bool TokenStore::make_room(uint64_t now_ns) {
  const auto ended = std::find_if(tokens_.begin(), tokens_.end(), [now_ns](const auto& token) {
    return token->state(now_ns) != Token::State::kLive;
  });
  if (ended == tokens_.end()) {
    return false;
  }
  tokens_.erase(ended);
  return true;
}

std::shared_ptr<Token> TokenStore::find(std::span<const uint8_t> bytes) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(tokens_.begin(), tokens_.end(), [bytes](const auto& token) {
    return equal(token->bytes(), bytes);
  });
  return found == tokens_.end() ? nullptr : *found;
}

}  // namespace tcmud::copy
