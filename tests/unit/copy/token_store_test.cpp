// SPDX-License-Identifier: Apache-2.0
#include "copy/token_store.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "fake_lun.h"

namespace tcmud::copy {
namespace {

using test::FakeLun;
using State = Token::State;

constexpr uint64_t kSecond = 1'000'000'000;

scsi::TokenRanges ranges(std::initializer_list<scsi::Range> list) {
  scsi::TokenRanges made;
  for (const scsi::Range& range : list) {
    made.range[made.count++] = range;
    made.total += range.length;
  }
  return made;
}

class TokenStoreTest : public ::testing::Test {
 protected:
  std::shared_ptr<Token> create(uint64_t now = 0, uint32_t timeout = 10) {
    return store_.create(lun_, ranges({{4096, 8192}}), timeout, now);
  }
  std::shared_ptr<FakeLun> lun_ =
      std::make_shared<FakeLun>(512, 1024, "12345678-9abc-def0-1234-56789abcdef0");
  TokenStore store_;
};

TEST_F(TokenStoreTest, ATokenIsFoundByAllOfItsBytesAndByNoOther) {
  const auto token = create();
  EXPECT_EQ(store_.find(token->bytes()), token);
  for (size_t at = 0; at < scsi::kRodTokenLength; ++at) {
    auto bytes = token->bytes();
    bytes[at] ^= 1;
    ASSERT_EQ(store_.find(bytes), nullptr) << at;
  }
  EXPECT_EQ(store_.find(std::span(token->bytes()).first(511)), nullptr);
}

TEST_F(TokenStoreTest, TokensSayWhatTheyStandForAndAreUnlikeOneAnother) {
  const auto& bytes = create()->bytes();
  const auto& other = create()->bytes();
  EXPECT_EQ(load_be32(&bytes[0]), scsi::kAccessUponReferenceRod);
  EXPECT_EQ(load_be16(&bytes[6]), 504);
  EXPECT_EQ(bytes[16], 0xE4);
  EXPECT_EQ(load_be64(&bytes[24]), 0x6001405123456789);
  EXPECT_EQ(load_be24(&bytes[45]), 512U);
  EXPECT_EQ(load_be64(&bytes[56]), 8192U);
  EXPECT_NE(load_be64(&bytes[8]), load_be64(&other[8]));
  EXPECT_FALSE(std::equal(bytes.begin() + 128, bytes.begin() + 256, other.begin() + 128));
}

TEST_F(TokenStoreTest, ItsTimeBeginsAnewWithEachUse) {
  const auto token = create(0, 10);
  EXPECT_EQ(token->use(9 * kSecond), State::kLive);
  EXPECT_EQ(token->state(18 * kSecond), State::kLive);
  EXPECT_EQ(token->use(19 * kSecond), State::kExpired);
  EXPECT_EQ(token->state(0), State::kExpired);
}

TEST_F(TokenStoreTest, WhatEndedItFirstCounts) {
  const auto token = create();
  token->end(State::kRevoked);
  token->end(State::kDeleted);
  EXPECT_EQ(token->use(0), State::kRevoked);
  EXPECT_EQ(token->use(100 * kSecond), State::kRevoked);
}

TEST_F(TokenStoreTest, CoversWhatOverlapsAndNothingElse) {
  const auto token = store_.create(lun_, ranges({{4096, 512}, {0, 1024}}), 10, 0);
  EXPECT_TRUE(token->covers({512, 4096}));
  EXPECT_TRUE(token->covers({4096, 512}));
  EXPECT_TRUE(token->covers({1023, 1}));
  EXPECT_FALSE(token->covers({1024, 4096 - 1024}));
  EXPECT_FALSE(token->covers({4608, 512}));
}

TEST_F(TokenStoreTest, IsBoundedAndMakesRoomOfThoseThatHaveEnded) {
  std::vector<std::shared_ptr<Token>> tokens;
  for (size_t i = 0; i < TokenStore::kMaxTokens; ++i) {
    tokens.push_back(create());
    ASSERT_NE(tokens.back(), nullptr);
  }
  EXPECT_EQ(create(), nullptr);
  tokens[7]->end(State::kRevoked);
  EXPECT_EQ(store_.find(tokens[7]->bytes()), tokens[7]);  // to tell why
  const auto next = create();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(store_.find(tokens[7]->bytes()), nullptr);
  EXPECT_EQ(create(), nullptr);
  EXPECT_NE(create(11 * kSecond), nullptr);  // the time of all others is over
}

TEST_F(TokenStoreTest, ATokenKeepsNoLunAlive) {
  const auto token = create();
  EXPECT_EQ(token->source(), lun_);
  lun_.reset();
  EXPECT_EQ(token->source(), nullptr);
}

}  // namespace
}  // namespace tcmud::copy
