// SPDX-License-Identifier: Apache-2.0
#include "copy/lun_copies.h"

#include <thread>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"
#include "fake_lun.h"
#include "lists.h"
#include "scsi/designator.h"

namespace tcmud::copy {
namespace {

using scsi::Sense;
using scsi::SenseKey;
using scsi::Status;
using test::cscd;
using test::FakeLun;
using test::xcopy_list;
using Answer = LunCopies::Answer;
using Bytes = FakeLun::Bytes;
namespace asc = scsi::asc;

constexpr uint16_t kThis = scsi::kThisLogicalUnit;
constexpr uint8_t kHold = 0, kDiscard = 2, kNone = 3;

class LunCopiesTest : public ::testing::Test {
 protected:
  struct Side {
    Side(const std::shared_ptr<CopyManager>& manager, uint32_t block_size, std::string serial,
         Partners partners = Partners::kAll)
        : lun(std::make_shared<FakeLun>(block_size, (8 << 20) / block_size, std::move(serial))),
          copies(manager, lun, partners),
          naa(*scsi::naa_of(lun->lun.serial)) {
      manager->add(lun);
    }
    std::shared_ptr<FakeLun> lun;
    LunCopies copies;
    scsi::NaaDesignator naa;
  };

  LunCopies::Done keep() {
    return [this](const Answer& answer) {
      EXPECT_FALSE(ended_) << "answered twice";
      ended_ = answer;
    };
  }
  // What the command is answered with, once everything that waits is done.
  Answer whole(LunCopies::Begun begun) {
    if (begun.answer) {
      return *begun.answer;
    }
    finish();
    EXPECT_TRUE(ended_) << "never answered";
    return *std::exchange(ended_, std::nullopt);
  }
  void finish() { test::finish({a_.lun, b_.lun}, random_); }
  Answer copy(Side& home, const Bytes& list) {
    return whole(home.copies.extended_copy(list, 1, keep()));
  }
  Answer write(Side& home, uint32_t id, const Bytes& list) {
    return whole(home.copies.write_using_token(home.lun->lun, id, list, keep()));
  }
  static Answer populate(Side& home, uint32_t id, const std::vector<test::TokenRange>& ranges,
                         uint32_t timeout = 0) {
    scsi::PopulateToken decoded;
    const auto list = test::populate_list(ranges, timeout);
    EXPECT_EQ(scsi::decode_populate_token(home.lun->lun, list, decoded).status, Status::kGood);
    return home.copies.populate_token(id, decoded);
  }
  Bytes information(Side& home, uint32_t id, uint32_t room = 8192) {
    Bytes response(scsi::kMaxResponse);
    const Answer answer = home.copies.receive_rod_token_information(
        home.lun->lun, {.list_identifier = id, .allocation_length = room}, response);
    EXPECT_EQ(answer.status, Status::kGood);
    response.resize(answer.length);
    return response;
  }
  Bytes token(Side& home, uint32_t id) {
    const Bytes data = information(home, id);
    EXPECT_EQ(data.size(), 32U + 4 + 2 + 512);
    return {data.end() - 512, data.end()};
  }
  static Answer results(Side& home, uint8_t id, bool failed_segment, Bytes& data) {
    data.assign(scsi::kMaxResponse, 0xEE);
    const Answer answer = home.copies.receive_copy_results(
        {.list_identifier = id, .allocation_length = 512, .failed_segment = failed_segment}, data);
    data.resize(answer.length);
    return answer;
  }

  std::shared_ptr<CopyManager> manager_ = std::make_shared<CopyManager>();
  Side a_{manager_, 512, "aaaa"};
  Side b_{manager_, 4096, "bbbb"};
  std::optional<Answer> ended_;
  std::mt19937_64 random_{1};
};

void expect_sense(const Answer& answer, const Sense& sense) {
  EXPECT_EQ(answer.status, Status::kCheckCondition);
  EXPECT_EQ(answer.sense, sense);
}
void expect_illegal(const Answer& answer, scsi::AdditionalSense code) {
  expect_sense(answer, {.key = SenseKey::kIllegalRequest, .code = code});
}

// ---- EXTENDED COPY --------------------------------------------------------------------------

TEST_F(LunCopiesTest, CopiesBetweenLunsOfDifferentBlocksAndWithinOne) {
  a_.lun->medium = test::noise(a_.lun->medium.size(), 1);
  const auto list =
      xcopy_list(0, kNone, {cscd(a_.naa, 512), cscd(b_.naa, 4096)},
                 {{0, 1, 2048, 8, 3}, {1, kThis, 16, 0, 0x1000}, {kThis, 0, 64, 8, 40}});
  auto expected_a = a_.lun->medium;
  auto expected_b = b_.lun->medium;
  std::memcpy(&expected_b[3 * 4096], &expected_a[8 * 512], 2048 * 512);
  std::memcpy(&expected_a[0x1000 * 512], &expected_b[0], 16 * 4096);
  std::memmove(&expected_a[40 * 512], &expected_a[8 * 512], 64 * 512);
  EXPECT_EQ(copy(a_, list).status, Status::kGood);
  EXPECT_EQ(a_.lun->medium, expected_a);
  EXPECT_EQ(b_.lun->medium, expected_b);
}

TEST_F(LunCopiesTest, AnUnknownLunIsNotReachable) {
  const auto list = xcopy_list(0, kNone, {cscd(a_.naa, 512), cscd(*scsi::naa_of("cc"), 512)},
                               {{0, 0, 8, 0, 64}, {0, 1, 8, 0, 0}});
  expect_sense(
      copy(a_, list),
      {.key = SenseKey::kCopyAborted, .code = asc::kCopyTargetDeviceNotReachable, .segment = 1});
  EXPECT_EQ(a_.lun->performed, 0U);
}

// ---- Who may name whom

class WaysOfLunCopies : public LunCopiesTest {
 protected:
  // A copy of one block from one CSCD to another: 0 is the LUN itself, 1 the other, 2 nobody.
  Bytes list(uint16_t from, uint16_t to) const {
    return xcopy_list(0, kNone,
                      {cscd(home_.naa, 512), cscd(other_.naa, 512), cscd(*scsi::naa_of("cc"), 512)},
                      {{from, to, 1, 0, 64}});
  }
  Answer copy(uint16_t from, uint16_t to, uint64_t came = 1) {
    auto begun = home_.copies.extended_copy(list(from, to), came, keep());
    test::finish({home_.lun, other_.lun}, random_);
    return begun.answer ? *begun.answer : *std::exchange(ended_, std::nullopt);
  }
  void know(bool reached, bool writable, uint64_t read_at = 1) {
    auto ways = std::make_shared<Ways>(Ways{.read_at = read_at, .ways = {}});
    Way& way = ways->ways.emplace_back(Way{.name = "here"});
    way.add("dddd", true);
    if (reached) {
      way.add("eeee", writable);
    }
    home_.copies.set_ways(std::move(ways));
  }
  static inline const Sense kNotReachable = {
      .key = SenseKey::kCopyAborted, .code = asc::kCopyTargetDeviceNotReachable, .segment = 0};
  Side home_{manager_, 512, "dddd", Partners::kSameWays};
  Side other_{manager_, 512, "eeee", Partners::kSameWays};
};

TEST_F(WaysOfLunCopies, ACopyIsAllowedWhereEveryWayLeadsToBoth) {
  know(true, true);
  for (const auto& [from, to] : {std::pair(0, 0), {0, 1}, {1, 0}, {1, 1}, {kThis, 1}, {1, kThis}}) {
    EXPECT_EQ(copy(static_cast<uint16_t>(from), static_cast<uint16_t>(to)).status, Status::kGood)
        << from << " to " << to;
  }
}

TEST_F(WaysOfLunCopies, AWriteProtectedLunMayBeASourceOnly) {
  know(true, false);
  EXPECT_EQ(copy(1, 0).status, Status::kGood);
  expect_sense(copy(0, 1), kNotReachable);
  expect_sense(copy(1, 1), kNotReachable);
}

// The sense data are the same as those of a LUN that isn't there, also where the list is wrong, so
// that nobody learns which ones are.
TEST_F(WaysOfLunCopies, ALunThatMayNotBeNamedLooksLikeNone) {
  know(false, false);
  for (const uint16_t named : {uint16_t{1}, uint16_t{2}}) {
    expect_sense(copy(0, named), kNotReachable);
    expect_sense(copy(named, 0), kNotReachable);
    const auto wrong =
        xcopy_list(0, kNone, {cscd(named == 1 ? other_.naa : *scsi::naa_of("cc"), 4096)},
                   {{kThis, 0, 8, 0, 1ULL << 50}});
    expect_sense(*home_.copies.extended_copy(wrong, 1, keep()).answer, kNotReachable);
  }
  EXPECT_EQ(copy(0, 0).status, Status::kGood);
  EXPECT_EQ(other_.lun->performed, 0U);
}

TEST_F(WaysOfLunCopies, WhatIsNotKnownOrTooOldAllowsNothing) {
  expect_sense(copy(0, 1), kNotReachable);
  know(true, true, 5);
  EXPECT_EQ(copy(0, 1, 5 + kWaysFresh).status, Status::kGood);
  expect_sense(copy(0, 1, 6 + kWaysFresh), kNotReachable);
  know(true, true, 6);
  EXPECT_EQ(copy(0, 1, 6 + kWaysFresh).status, Status::kGood);
  home_.copies.set_ways(nullptr);
  expect_sense(copy(0, 1), kNotReachable);
  EXPECT_EQ(copy(0, 0).status, Status::kGood);
}

TEST_F(WaysOfLunCopies, WaysAreWantedByWhoNamesAnythingButTheLunItself) {
  const auto own = xcopy_list(0, kNone, {cscd(home_.naa, 512)}, {{0, kThis, 1, 0, 64}});
  const auto nobody = xcopy_list(0, kNone, {cscd(*scsi::naa_of("cc"), 512)}, {{0, 0, 1, 0, 64}});
  EXPECT_FALSE(home_.copies.wants_ways(own, 1));
  EXPECT_TRUE(home_.copies.wants_ways(list(0, 1), 1));
  EXPECT_TRUE(home_.copies.wants_ways(nobody, 1));
  know(true, true, 5);
  EXPECT_FALSE(home_.copies.wants_ways(list(0, 1), 5 + kWaysFresh));
  EXPECT_TRUE(home_.copies.wants_ways(list(0, 1), 6 + kWaysFresh));
  EXPECT_FALSE(home_.copies.wants_ways(own, 6 + kWaysFresh));
  EXPECT_FALSE(a_.copies.wants_ways(list(0, 1), 1));  // may name all
}

std::vector<std::string>& warnings() {
  static std::vector<std::string> all;
  return all;
}

TEST_F(WaysOfLunCopies, TheLogTellsOnceWhatIsMissingWhere) {
  warnings().clear();
  log::set_sink([](log::Level, std::string_view device, std::string_view message) {
    warnings().push_back(std::string(device) + ": " + std::string(message));
  });
  know(true, false);
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(copy(0, 1));
    static_cast<void>(copy(0, 2));
  }
  log::set_sink(nullptr);
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_EQ(warnings().front(),
            "dddd: an initiator's EXTENDED COPY may not write eeee: here leads to this LUN and "
            "only to reading that one. Map both LUNs for writing wherever this one is mapped, or "
            "set third_party_copy = \"all\" in tcmu.conf");
}

TEST_F(LunCopiesTest, WhatIsOutOfRangeOrOfOtherBlocksIsRefusedBeforeAnythingIsCopied) {
  expect_sense(copy(a_, xcopy_list(0, kNone, {cscd(a_.naa, 512)},
                                   {{0, 0, 8, 0, 64}, {0, 0, 8, 0, (8 << 20) / 512 - 7}})),
               {.key = SenseKey::kCopyAborted, .code = asc::kNone, .segment = 1});
  expect_illegal(copy(a_, xcopy_list(0, kNone, {cscd(a_.naa, 4096)}, {{0, 0, 8, 0, 64}})),
                 asc::kInvalidFieldInParameterList);
  EXPECT_EQ(a_.lun->performed, 0U);
}

TEST_F(LunCopiesTest, AFailedRequestIsToldWithItsSegmentAndWhatIsLeftOfIt) {
  uint64_t asked = 0;
  b_.lun->verdict = [&asked](const Request&) { return ++asked != 3; };
  const auto list = xcopy_list(0, kNone, {cscd(a_.naa, 512), cscd(b_.naa, 4096)},
                               {{0, 1, 8, 0, 0}, {0, 1, 2048, 0, 0}});
  auto begun = a_.copies.extended_copy(list, 1, keep());
  while (!ended_) {
    (b_.lun->waiting.empty() ? a_.lun : b_.lun)->perform(0);
  }
  expect_sense(*ended_, {.key = SenseKey::kCopyAborted,
                         .code = asc::kThirdPartyDeviceFailure,
                         .information = 2048 - Copier::kPieceBytes / 512,
                         .segment = 1});
  std::array<uint8_t, 32> fixed;
  ASSERT_EQ(scsi::encode_sense(ended_->sense, fixed), 18U);
  EXPECT_EQ((Bytes{fixed.begin(), fixed.begin() + 18}),
            (Bytes{0xF0, 0, 0x0A, 0, 0, 6, 0, 10, 0, 0, 0, 1, 0x0D, 0x01, 0, 0, 0, 0}));
}

TEST_F(LunCopiesTest, CopyStatusGoldenBytes) {
  Bytes data;
  expect_illegal(results(a_, 7, false, data), asc::kInvalidFieldInCdb);
  const auto list = xcopy_list(7, kHold, {cscd(a_.naa, 512)}, {{0, 0, 8, 0, 64}, {0, 0, 8, 0, 80}});
  auto begun = a_.copies.extended_copy(list, 1, keep());
  EXPECT_FALSE(begun.answer);
  EXPECT_EQ(results(a_, 7, false, data).status, Status::kGood);
  EXPECT_EQ(data, (Bytes{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0}));
  a_.lun->perform(0);
  a_.lun->perform(0);
  EXPECT_EQ(results(a_, 7, false, data).status, Status::kGood);
  EXPECT_EQ(data, (Bytes{0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0x10, 0}));
  finish();
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_EQ(results(a_, 7, false, data).status, Status::kGood);
    EXPECT_EQ(data, (Bytes{0, 0, 0, 8, 1, 0, 2, 0, 0, 0, 0x20, 0}));
  }
  EXPECT_EQ(results(a_, 7, true, data).status, Status::kGood);
  EXPECT_EQ(data, (Bytes{0, 0, 0, 0}));
  expect_illegal(results(b_, 7, false, data), asc::kInvalidFieldInCdb);
}

TEST_F(LunCopiesTest, FailureDetailsGoldenBytes) {
  a_.lun->verdict = [](const Request& request) { return request.block.op == scsi::BlockOp::kRead; };
  const auto list = xcopy_list(9, kHold, {cscd(a_.naa, 512)}, {{0, 0, 8, 0, 64}});
  EXPECT_EQ(copy(a_, list).status, Status::kCheckCondition);
  Bytes data;
  EXPECT_EQ(results(a_, 9, false, data).status, Status::kGood);
  EXPECT_EQ(data, (Bytes{0, 0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(results(a_, 9, true, data).status, Status::kGood);
  Bytes expected(60 + 18);
  expected[3] = 56 + 18;
  expected[56] = 0x02;  // CHECK CONDITION
  expected[59] = 18;
  const Bytes sense{0xF0, 0, 0x0A, 0, 0, 0, 8, 10, 0, 0, 0, 0, 0x0D, 0x01, 0, 0, 0, 0};
  std::copy(sense.begin(), sense.end(), expected.begin() + 60);
  EXPECT_EQ(data, expected);
}

TEST_F(LunCopiesTest, WhatMayBeDiscardedIsKnownOnlyWhileItGoesOn) {
  Bytes data;
  auto begun = a_.copies.extended_copy(
      xcopy_list(7, kDiscard, {cscd(a_.naa, 512)}, {{0, 0, 8, 0, 64}}), 1, keep());
  EXPECT_EQ(results(a_, 7, false, data).status, Status::kGood);
  finish();
  expect_illegal(results(a_, 7, false, data), asc::kInvalidFieldInCdb);
}

TEST_F(LunCopiesTest, AListIdentifierInUseIsRefused) {
  const auto list = xcopy_list(7, kHold, {cscd(a_.naa, 512)}, {{0, 0, 8, 0, 64}});
  auto begun = a_.copies.extended_copy(list, 1, keep());
  expect_illegal(*a_.copies.extended_copy(list, 1, keep()).answer, asc::kOperationInProgress);
  finish();
  ended_.reset();
  EXPECT_EQ(copy(a_, list).status, Status::kGood);
}

TEST_F(LunCopiesTest, AsManyCopiesAsAreToldGoOnAtOnceOverAllLuns) {
  const auto list = xcopy_list(0, kNone, {}, {{kThis, kThis, 8, 0, 64}});
  for (size_t i = 0; i < scsi::kMaxCopies; ++i) {
    Side& home = i % 2 == 0 ? a_ : b_;
    ASSERT_FALSE(home.copies.extended_copy(list, 1, [](const Answer&) {}).answer);
  }
  EXPECT_EQ(a_.copies.extended_copy(list, 1, keep()).answer->status, Status::kTaskSetFull);
  finish();
  EXPECT_EQ(copy(a_, list).status, Status::kGood);
}

TEST_F(LunCopiesTest, OldResultsMakeRoomForNewOnes) {
  Bytes data;
  for (unsigned id = 1; id < 100; ++id) {
    ASSERT_EQ(copy(a_, xcopy_list(static_cast<uint8_t>(id), kHold, {}, {{kThis, kThis, 1, 0, 64}}))
                  .status,
              Status::kGood);
  }
  expect_illegal(results(a_, 1, false, data), asc::kInvalidFieldInCdb);
  EXPECT_EQ(results(a_, 99, false, data).status, Status::kGood);
}

TEST_F(LunCopiesTest, ALunThatClosesEndsTheCopiesThatItBeganAtOnce) {
  for (const uint8_t usage : {kHold, kNone}) {
    const auto list = xcopy_list(0, usage, {cscd(b_.naa, 4096)}, {{kThis, 0, 8, 0, 64}});
    auto begun = a_.copies.extended_copy(list, 1, keep());
    EXPECT_FALSE(ended_);
    a_.copies.close();
    ASSERT_TRUE(ended_);
    expect_sense(*ended_, {.key = SenseKey::kAbortedCommand, .code = asc::kNone});
    finish();
    ended_.reset();
  }
}

TEST_F(LunCopiesTest, ACopyToALunThatIsGoneIsToldSo) {
  const auto list = xcopy_list(0, kNone, {cscd(b_.naa, 4096)}, {{kThis, 0, 8, 0, 64}});
  b_.lun->closed = true;
  expect_sense(copy(a_, list), {.key = SenseKey::kCopyAborted,
                                .code = asc::kCopyTargetDeviceNotReachable,
                                .information = 8,
                                .segment = 0});
}

TEST_F(LunCopiesTest, ACopyThatTakesTooLongEndsBeforeItsInitiatorGivesUp) {
  a_.copies.set_patience(1);
  const auto list = xcopy_list(0, kNone, {}, {{kThis, kThis, 8, 0, 64}});
  expect_sense(copy(a_, list),
               {.key = SenseKey::kCopyAborted, .code = asc::kNone, .information = 8, .segment = 0});
}

// ---- Tokens ---------------------------------------------------------------------------------

TEST_F(LunCopiesTest, WhatATokenStandsForIsWrittenElsewhere) {
  a_.lun->medium = test::noise(a_.lun->medium.size(), 1);
  b_.lun->medium = test::noise(b_.lun->medium.size(), 2);
  ASSERT_EQ(populate(a_, 5, {{800, 800}, {8, 16}, {16000, 8}}).status, Status::kGood);
  Bytes rod;
  for (const auto& [lba, blocks] : {std::pair(800, 800), {8, 16}, {16000, 8}}) {
    rod.insert(rod.end(), a_.lun->medium.begin() + lba * 512,
               a_.lun->medium.begin() + (lba + blocks) * 512);
  }
  auto expected = b_.lun->medium;
  const auto from = rod.begin() + 2 * 4096;
  std::copy_n(from, 99 * 4096, expected.begin() + 1000 * 4096);
  std::copy_n(from + 99 * 4096, 1 * 4096, expected.begin() + 4 * 4096);
  EXPECT_EQ(write(b_, 6, test::write_list(token(a_, 5), {{1000, 99}, {4, 1}}, 2)).status,
            Status::kGood);
  EXPECT_EQ(b_.lun->medium, expected);
  // The token is still good.
  EXPECT_EQ(write(b_, 7, test::write_list(token(a_, 5), {{0, 2}})).status, Status::kGood);
  EXPECT_TRUE(std::equal(rod.begin(), rod.begin() + 2 * 4096, b_.lun->medium.begin()));
}

TEST_F(LunCopiesTest, RodTokenInformationOfPopulateTokenGoldenBytes) {
  ASSERT_EQ(populate(a_, 5, {{8, 16}, {64, 4}}).status, Status::kGood);
  const Bytes data = information(a_, 5);
  const Bytes head(data.begin(), data.begin() + 38);
  EXPECT_EQ(head, (Bytes{0, 0, 2,    0x22, 0x10, 0x01, 0, 0, 0xFF, 0xFF, 0xFF, 0xFE, 0,
                         0, 0, 0xF1, 0,    0,    0,    0, 0, 0,    0,    20,   0,    0,
                         0, 0, 0,    0,    0,    0,    0, 0, 2,    2,    0,    0}));
  EXPECT_EQ(information(a_, 5, 16), Bytes(data.begin(), data.begin() + 16));
  const Answer unknown = [&] {
    Bytes response(scsi::kMaxResponse);
    return b_.copies.receive_rod_token_information(
        b_.lun->lun, {.list_identifier = 5, .allocation_length = 100}, response);
  }();
  expect_illegal(unknown, asc::kInvalidFieldInCdb);
}

TEST_F(LunCopiesTest, RodTokenInformationOfWriteUsingTokenTellsStateAndCount) {
  ASSERT_EQ(populate(a_, 5, {{0, 2048}}).status, Status::kGood);
  const auto list = test::write_list(token(a_, 5), {{0, 128}}, 0, test::kImmediate);
  const auto begun = b_.copies.write_using_token(b_.lun->lun, 6, list, keep());
  ASSERT_TRUE(begun.answer);
  EXPECT_EQ(begun.answer->status, Status::kGood);
  EXPECT_EQ(information(b_, 6)[4], 0x11);
  EXPECT_EQ(information(b_, 6)[5], 0x12);
  a_.lun->perform(0);
  b_.lun->perform(0);
  EXPECT_EQ(load_be64(&information(b_, 6)[16]), Copier::kPieceBytes / 4096);
  finish();
  EXPECT_EQ(information(b_, 6)[5], 0x01);
  EXPECT_EQ(load_be64(&information(b_, 6)[16]), 128U);
  EXPECT_FALSE(ended_) << "answered a second time";

  auto foreground = b_.copies.write_using_token(b_.lun->lun, 8,
                                                test::write_list(token(a_, 5), {{0, 128}}), keep());
  EXPECT_EQ(information(b_, 8)[5], 0x11);
  finish();
  EXPECT_TRUE(ended_);
}

TEST_F(LunCopiesTest, ATokenOfLessDataThanIsWantedIsWrittenInPart) {
  ASSERT_EQ(populate(a_, 5, {{0, 16}}).status, Status::kGood);
  EXPECT_EQ(write(b_, 6, test::write_list(token(a_, 5), {{0, 8}}, 1)).status, Status::kGood);
  EXPECT_EQ(information(b_, 6)[5], 0x03);
  EXPECT_EQ(load_be64(&information(b_, 6)[16]), 1U);
  expect_illegal(write(b_, 6, test::write_list(token(a_, 5), {{0, 8}}, 3)),
                 asc::kInvalidFieldInParameterList);
}

TEST_F(LunCopiesTest, AFailedWriteUsingTokenIsToldTwice) {
  ASSERT_EQ(populate(a_, 5, {{0, 2048}}).status, Status::kGood);
  b_.lun->verdict = [](const Request& request) {
    return request.block.offset < Copier::kPieceBytes;
  };
  const auto list = test::write_list(token(a_, 5), {{0, 256}});
  const Sense own{.key = SenseKey::kMediumError, .code = asc::kWriteError};
  expect_sense(write(b_, 6, list), own);
  Bytes data = information(b_, 6);
  EXPECT_EQ(data[5], 0x02);
  EXPECT_EQ(data[12], 0x02);
  EXPECT_EQ(data[13], 18);
  EXPECT_EQ(load_be64(&data[16]), Copier::kPieceBytes / 4096);
  EXPECT_EQ(data[32 + 2], 0x03);
  b_.lun->verdict = nullptr;
  a_.lun->verdict = [](const Request&) { return false; };
  expect_sense(write(b_, 6, list),
               {.key = SenseKey::kCopyAborted, .code = asc::kThirdPartyDeviceFailure});
}

TEST_F(LunCopiesTest, AWriteToWhatATokenStandsForRevokesItAndNoOtherDoes) {
  ASSERT_EQ(populate(a_, 5, {{8, 8}, {32, 8}}).status, Status::kGood);
  EXPECT_TRUE(a_.copies.guards());
  const auto list = test::write_list(token(a_, 5), {{0, 2}});
  const scsi::Range beside[] = {{0, 8 * 512}, {16 * 512, 16 * 512}, {40 * 512, 512}};
  a_.copies.before_write(beside);
  EXPECT_EQ(write(b_, 6, list).status, Status::kGood);
  const scsi::Range within{39 * 512, 512};
  a_.copies.before_write({&within, 1});
  expect_illegal(write(b_, 6, list), asc::kTokenRevoked);
  a_.copies.look_after_tokens();
  EXPECT_FALSE(a_.copies.guards());
}

TEST_F(LunCopiesTest, TokensEndWithTheirLun) {
  ASSERT_EQ(populate(a_, 5, {{8, 8}}).status, Status::kGood);
  const auto list = test::write_list(token(a_, 5), {{0, 1}});
  a_.copies.close();
  expect_illegal(write(b_, 6, list), asc::kTokenRevoked);
}

TEST_F(LunCopiesTest, ATokenIsDeletedByAWriteThatSaysSoAndWentWell) {
  ASSERT_EQ(populate(a_, 5, {{8, 8}}).status, Status::kGood);
  const auto list = test::write_list(token(a_, 5), {{0, 1}}, 0, test::kDeleteToken);
  b_.lun->verdict = [](const Request&) { return false; };
  EXPECT_EQ(write(b_, 6, list).status, Status::kCheckCondition);
  b_.lun->verdict = nullptr;
  EXPECT_EQ(write(b_, 6, list).status, Status::kGood);
  expect_illegal(write(b_, 6, list), asc::kTokenDeleted);
}

TEST_F(LunCopiesTest, ATokenThatIsNoneIsUnknown) {
  ASSERT_EQ(populate(a_, 5, {{8, 8}}).status, Status::kGood);
  Bytes forged = token(a_, 5);
  forged[200] ^= 1;
  expect_illegal(write(b_, 6, test::write_list(forged, {{0, 1}})), asc::kTokenUnknown);
  EXPECT_EQ(b_.lun->performed, 0U);
}

TEST_F(LunCopiesTest, TheTokenOfZeroesWritesZeroes) {
  b_.lun->medium = test::noise(b_.lun->medium.size(), 2);
  auto expected = b_.lun->medium;
  std::fill_n(expected.begin() + 5 * 4096, 7 * 4096, uint8_t{0});
  Bytes zero(512);
  store_be32(zero.data(), scsi::kBlockZeroRod);
  store_be16(&zero[6], 504);
  EXPECT_EQ(write(b_, 6, test::write_list(zero, {{5, 7}})).status, Status::kGood);
  EXPECT_EQ(b_.lun->medium, expected);
  EXPECT_EQ(load_be64(&information(b_, 6)[16]), 7U);
}

TEST_F(LunCopiesTest, WithinOneLunATokenIsNotWrittenOverWhatItStandsFor) {
  a_.lun->medium = test::noise(a_.lun->medium.size(), 1);
  ASSERT_EQ(populate(a_, 5, {{8, 8}}).status, Status::kGood);
  expect_illegal(write(a_, 6, test::write_list(token(a_, 5), {{15, 8}})),
                 asc::kInvalidFieldInParameterList);
  EXPECT_EQ(write(a_, 6, test::write_list(token(a_, 5), {{16, 8}})).status, Status::kGood);
  EXPECT_TRUE(std::equal(a_.lun->medium.begin() + 8 * 512, a_.lun->medium.begin() + 16 * 512,
                         a_.lun->medium.begin() + 16 * 512));
}

TEST_F(LunCopiesTest, TokensOfOneLunAreBounded) {
  uint32_t id = 0;
  Answer answer;
  do {
    answer = populate(a_, ++id, {{8, 8}});
  } while (answer.status == Status::kGood && id < 1000);
  expect_illegal(answer, asc::kInsufficientResourcesToCreateRodToken);
  EXPECT_GT(id, 16U);
  const scsi::Range all{0, 1 << 20};
  a_.copies.before_write({&all, 1});
  EXPECT_EQ(populate(a_, 1, {{8, 8}}).status, Status::kGood);
}

TEST_F(LunCopiesTest, ATokenExpires) {
  ASSERT_EQ(populate(a_, 5, {{8, 8}}, 1).status, Status::kGood);
  const auto list = test::write_list(token(a_, 5), {{0, 1}});
  std::this_thread::sleep_for(std::chrono::milliseconds(1050));
  a_.copies.look_after_tokens();
  EXPECT_FALSE(a_.copies.guards());
  expect_illegal(write(b_, 6, list), asc::kTokenExpired);
}

}  // namespace
}  // namespace tcmud::copy
