// SPDX-License-Identifier: Apache-2.0
#include "copy/copier.h"

#include <chrono>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "fake_lun.h"

namespace tcmud::copy {
namespace {

using test::FakeLun;
using End = CopyResult::End;

constexpr uint64_t kPiece = Copier::kPieceBytes;

class CopierTest : public ::testing::Test {
 protected:
  std::shared_ptr<Copier> start(std::vector<Move> moves, std::shared_ptr<Token> token = nullptr,
                                uint64_t deadline_ns = 0) {
    auto copier = std::make_shared<Copier>(std::move(moves), std::move(token), deadline_ns,
                                           Place::take(places_, 1));
    EXPECT_TRUE(copier->run([this](const CopyResult& result) {
      EXPECT_FALSE(ended_);
      ended_ = result;
    }));
    return copier;
  }
  void finish() { test::finish({a_, b_}, random_); }

  std::shared_ptr<FakeLun> a_ = std::make_shared<FakeLun>(512, 16384);
  std::shared_ptr<FakeLun> b_ = std::make_shared<FakeLun>(512, 16384);
  std::shared_ptr<std::atomic<size_t>> places_ = std::make_shared<std::atomic<size_t>>(0);
  std::optional<CopyResult> ended_;
  std::mt19937_64 random_{1};
};

TEST_F(CopierTest, NeverHasMoreUnderWayThanItHasMemoryFor) {
  a_->medium = test::noise(a_->medium.size(), 1);
  start({{a_, 0, b_, 0, 12 * kPiece}});
  while (!ended_) {
    ASSERT_LE(a_->waiting.size() + b_->waiting.size(), Copier::kPieces);
    (b_->waiting.empty() ? a_ : b_)->perform(0);
  }
  EXPECT_EQ(ended_->end, End::kGood);
  EXPECT_EQ(ended_->bytes, 12 * kPiece);
  EXPECT_TRUE(std::equal(a_->medium.begin(), a_->medium.begin() + 12 * kPiece, b_->medium.begin()));
}

TEST_F(CopierTest, ReadsAheadWhileItWrites) {
  start({{a_, 0, b_, 0, 8 * kPiece}});
  EXPECT_EQ(a_->waiting.size(), Copier::kPieces);
  a_->perform(0);
  EXPECT_EQ(b_->waiting.size(), 1U);
  EXPECT_EQ(a_->waiting.size(), Copier::kPieces - 1);
  b_->perform(0);
  EXPECT_EQ(a_->waiting.size(), Copier::kPieces);
  finish();
}

TEST_F(CopierTest, ALaterMoveSeesWhatAnEarlierOneWrote) {
  a_->medium = test::noise(a_->medium.size(), 2);
  start({{a_, 0, b_, 0, kPiece}, {b_, 0, b_, kPiece, kPiece}});
  finish();
  ASSERT_EQ(ended_->end, End::kGood);
  EXPECT_TRUE(
      std::equal(a_->medium.begin(), a_->medium.begin() + kPiece, b_->medium.begin() + kPiece));
}

TEST_F(CopierTest, CountsWhatWasWrittenWithoutAGap) {
  start({{a_, 0, b_, 0, 3 * kPiece}});
  a_->perform(0);
  a_->perform(0);
  a_->perform(0);
  ASSERT_EQ(b_->waiting.size(), 3U);
  b_->perform(2);
  b_->perform(0);
  b_->verdict = [](const Request&) { return false; };
  b_->perform(0);
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->end, End::kDestinationFailed);
  EXPECT_EQ(ended_->bytes, kPiece);
  EXPECT_EQ(ended_->bytes_of_move, kPiece);
  EXPECT_EQ(ended_->moves, 0U);
}

TEST_F(CopierTest, AnErrorWaitsForWhatIsUnderWay) {
  start({{a_, 0, b_, 0, 8 * kPiece}});
  a_->verdict = [](const Request&) { return false; };
  a_->perform(0);
  EXPECT_FALSE(ended_);
  while (!a_->waiting.empty()) {
    a_->perform(0);
  }
  ASSERT_TRUE(ended_);
  EXPECT_EQ(ended_->end, End::kSourceFailed);
  EXPECT_EQ(ended_->sense.key, scsi::SenseKey::kMediumError);
  EXPECT_EQ(b_->performed, 0U);
}

TEST_F(CopierTest, NothingIsWrittenAfterAClosedLunWasFound) {
  b_->closed = true;
  start({{a_, 0, b_, 0, 8 * kPiece}});
  finish();
  EXPECT_EQ(ended_->end, End::kDestinationGone);
  a_->closed = true;
  ended_.reset();
  start({{a_, 0, b_, 0, kPiece}});
  EXPECT_EQ(ended_->end, End::kSourceGone);
}

TEST_F(CopierTest, CancelledItEndsWhenNothingIsUnderWay) {
  const auto copier = start({{a_, 0, b_, 0, 8 * kPiece}});
  copier->cancel();
  EXPECT_FALSE(ended_);
  finish();
  EXPECT_EQ(ended_->end, End::kCancelled);
  EXPECT_EQ(b_->performed, 0U);
}

TEST_F(CopierTest, AbandonedItEndsAtOnceAndKeepsItsMemoryForWhatIsUnderWay) {
  auto copier = start({{a_, 0, b_, 0, 8 * kPiece}});
  copier->abandon();
  EXPECT_EQ(ended_->end, End::kCancelled);
  const std::weak_ptr<Copier> weak = copier;
  copier.reset();
  EXPECT_FALSE(weak.expired());
  EXPECT_EQ(*places_, 1U);
  finish();  // writes into that memory
  EXPECT_TRUE(weak.expired());
  EXPECT_EQ(*places_, 0U);
}

TEST_F(CopierTest, GivesItsPlaceBackWhenItEndsThoughItsResultIsKept) {
  const auto copier = start({{a_, 0, b_, 0, kPiece}});
  EXPECT_EQ(*places_, 1U);
  EXPECT_FALSE(Place::take(places_, 1));
  finish();
  EXPECT_EQ(*places_, 0U);
  EXPECT_EQ(copier->result().end, End::kGood);
}

TEST_F(CopierTest, PiecesKeepTheTransferLimitsOfBothSides) {
  a_->lun.max_transfer_blocks = 100;
  b_->lun.max_transfer_blocks = 33;
  start({{a_, 0, b_, 0, kPiece}});
  finish();
  EXPECT_EQ(ended_->end, End::kGood);
  EXPECT_EQ(a_->longest, 33U * 512);
  EXPECT_EQ(b_->longest, 33U * 512);
}

TEST_F(CopierTest, ZeroesStayUnmappedOnAThinDestinationOnly) {
  a_->medium[kPiece] = 1;
  start({{a_, 0, b_, 0, 3 * kPiece}});
  finish();
  EXPECT_EQ(b_->zeroed, 0U);
  b_->lun.thin = b_->lun.can_unmap = true;
  b_->medium = test::noise(b_->medium.size(), 3);
  bool unmapped = false;
  b_->verdict = [&unmapped](const Request& request) {
    unmapped |= request.block.may_unmap;
    return true;
  };
  ended_.reset();
  start({{a_, 0, b_, 0, 3 * kPiece}});
  finish();
  EXPECT_EQ(b_->zeroed, 2 * kPiece);
  EXPECT_TRUE(unmapped);
  EXPECT_TRUE(std::equal(a_->medium.begin(), a_->medium.begin() + 3 * kPiece, b_->medium.begin()));
}

TEST_F(CopierTest, ZeroesNeedNoSource) {
  b_->medium = test::noise(b_->medium.size(), 4);
  auto expected = b_->medium;
  std::fill_n(expected.begin() + 512, 2 * kPiece, uint8_t{0});
  start({{nullptr, 0, b_, 512, 2 * kPiece}});
  finish();
  EXPECT_EQ(ended_->end, End::kGood);
  EXPECT_EQ(ended_->bytes, 2 * kPiece);
  EXPECT_EQ(b_->medium, expected);
}

TEST_F(CopierTest, DataReadAfterTheTokenEndedIsNotWritten) {
  scsi::TokenRanges ranges;
  ranges.count = 1;
  ranges.range[0] = {0, 4 * kPiece};
  const auto token =
      std::make_shared<Token>(Token::Bytes{}, a_, ranges, UINT64_C(1) << 60, monotonic_ns());
  start({{a_, 0, b_, 0, 4 * kPiece}}, token);
  a_->perform(0);
  EXPECT_EQ(b_->waiting.size(), 1U);
  token->end(Token::State::kRevoked);
  a_->perform(0);
  finish();
  EXPECT_EQ(ended_->end, End::kTokenEnded);
  EXPECT_EQ(ended_->token_state, Token::State::kRevoked);
  EXPECT_EQ(ended_->bytes, kPiece);
  EXPECT_EQ(b_->performed, 1U);
}

TEST_F(CopierTest, TheDeadlineEndsItBetweenPieces) {
  start({{a_, 0, b_, 0, 8 * kPiece}}, nullptr, monotonic_ns() + 50'000'000);
  a_->perform(0);
  EXPECT_FALSE(ended_);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  finish();
  EXPECT_EQ(ended_->end, End::kTooLong);
}

TEST_F(CopierTest, NothingToCopyIsDoneAtOnce) {
  start({});
  EXPECT_EQ(ended_->end, End::kGood);
  ended_.reset();
  start({{a_, 0, b_, 0, 0}, {a_, 0, b_, 512, 0}});
  EXPECT_EQ(ended_->end, End::kGood);
  EXPECT_EQ(ended_->moves, 2U);
}

}  // namespace
}  // namespace tcmud::copy
