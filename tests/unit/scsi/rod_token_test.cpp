// SPDX-License-Identifier: Apache-2.0
#include "scsi/rod_token.h"

#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;
using Ranges = std::vector<std::pair<uint64_t, uint32_t>>;

// Both commands, whose lists end in the same ranges.
class Token : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] bool populate() const { return GetParam(); }
  [[nodiscard]] uint16_t header() const { return populate() ? 16 : 536; }
  [[nodiscard]] Bytes list(const Ranges& ranges) const {
    Bytes list(header() + 16 * ranges.size(), 0);
    test::put_be(list, 0, 2, list.size() - 2);
    test::put_be(list, header() - 2u, 2, 16 * ranges.size());
    for (size_t i = 0; i < ranges.size(); ++i) {
      test::put_be(list, header() + 16 * i, 8, ranges[i].first);
      test::put_be(list, header() + 16 * i + 8, 4, ranges[i].second);
    }
    return list;
  }
  [[nodiscard]] test::Answer send(const Bytes& list, size_t length, uint64_t data_length) const {
    Bytes cdb(16, 0);
    cdb[0] = 0x83;
    cdb[1] = populate() ? 0x10 : 0x11;
    test::put_be(cdb, 6, 4, 0x01020304);
    test::put_be(cdb, 10, 4, length);
    return run(test::everything(), cdb, data_length, list);
  }
  [[nodiscard]] test::Answer send(const Bytes& list) const {
    return send(list, list.size(), list.size());
  }
  [[nodiscard]] Outcome::Kind kind() const {
    return populate() ? Outcome::Kind::kPopulateToken : Outcome::Kind::kWriteUsingToken;
  }
};
INSTANTIATE_TEST_SUITE_P(, Token, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Populate" : "WriteUsing"; });

TEST_P(Token, AValidListGoesToTheEngine) {
  const test::Answer answer = send(list({{8, 8}}));
  ASSERT_EQ(answer.outcome.kind, kind());
  EXPECT_EQ(answer.outcome.copy.list_identifier, 0x01020304u);
}

TEST_P(Token, NoListIsGood) {
  test::expect_good(send({}));
}

TEST_P(Token, ACutListIsALengthError) {
  const Bytes whole = list({{8, 8}});
  const Sense in_cdb = test::illegal(asc::kParameterListLengthError, 10);
  for (size_t n = 1; n < whole.size(); ++n) {
    test::expect_check(send(whole, whole.size(), n), in_cdb);
    test::expect_check(
        send(whole, n, whole.size()),
        n < header() ? in_cdb : test::illegal_parameter(asc::kParameterListLengthError, 0));
  }
}

TEST_P(Token, LengthsThatContradictEachOtherAreRefused) {
  Bytes bytes = list({{8, 8}});
  test::put_be(bytes, 0, 2, header() + 16 - 2 - 1);
  test::expect_check(send(bytes), test::invalid_parameter(0));
  for (const uint16_t length : {0, 1, 15, 17, 31, 32, 0xFFF0}) {
    bytes = list({{8, 8}});
    test::put_be(bytes, header() - 2u, 2, length);
    test::expect_check(send(bytes), test::invalid_parameter(header() - 2));
  }
}

TEST_P(Token, TooManyRangesAreRefused) {
  Ranges ranges;
  for (size_t i = 0; i < kMaxTokenRanges; ++i) {
    ranges.emplace_back(i, 1);
  }
  EXPECT_EQ(send(list(ranges)).outcome.kind, kind());
  ranges.emplace_back(1000, 1);
  test::expect_check(send(list(ranges)),
                     test::illegal_parameter(asc::kTooManySegmentDescriptors, header() - 2));
}

TEST_P(Token, TheRangeOfEachIsChecked) {
  const uint64_t blocks = test::everything().blocks;
  EXPECT_EQ(send(list({{blocks - 1, 1}})).outcome.kind, kind());
  for (const auto& [lba, count] :
       Ranges{{blocks, 1}, {blocks - 1, 2}, {UINT64_MAX, 1}, {blocks + 1, 0}}) {
    test::expect_check(send(list({{0, 1}, {lba, count}})),
                       test::illegal_parameter(asc::kLbaOutOfRange, header() + 16));
  }
}

TEST_P(Token, RangesThatOverlapAreRefused) {
  test::expect_check(send(list({{8, 8}, {100, 8}, {15, 2}})),
                     test::invalid_parameter(header() + 32));
  EXPECT_EQ(send(list({{8, 8}, {16, 8}, {0, 8}, {10, 0}})).outcome.kind, kind());
}

TEST_P(Token, MoreThanTheMaximumTransferSizeIsRefused) {
  const auto most = static_cast<uint32_t>(kMaxTokenBytes / 512);
  EXPECT_EQ(send(list({{0, most}})).outcome.kind, kind());
  test::expect_check(send(list({{0, most}, {most, 1}})), test::invalid_parameter(header() + 24));
}

TEST(DecodePopulateToken, TellsItsFields) {
  const Lun lun = test::everything();
  Bytes list(48, 0);
  test::put_be(list, 0, 2, 46);
  list[15] = 32;
  test::put_be(list, 16, 8, 4);
  test::put_be(list, 24, 4, 0);  // skipped
  test::put_be(list, 32, 8, 8);
  test::put_be(list, 40, 4, 3);
  PopulateToken populate;
  EXPECT_EQ(decode_populate_token(lun, list, populate).status, Status::kGood);
  EXPECT_FALSE(populate.immediate);
  EXPECT_EQ(populate.timeout, kDefaultTokenTimeout);
  ASSERT_EQ(populate.ranges.count, 1u);
  EXPECT_EQ(populate.ranges.range[0].offset, 8u * 512);
  EXPECT_EQ(populate.ranges.range[0].length, 3u * 512);
  EXPECT_EQ(populate.ranges.total, 3u * 512);

  list[2] = 0x03;  // IMMED, RTV
  test::put_be(list, 4, 4, kMaxTokenTimeout);
  test::put_be(list, 8, 4, kAccessUponReferenceRod);
  EXPECT_EQ(decode_populate_token(lun, list, populate).status, Status::kGood);
  EXPECT_TRUE(populate.immediate);
  EXPECT_EQ(populate.timeout, kMaxTokenTimeout);

  test::put_be(list, 4, 4, kMaxTokenTimeout + 1);
  EXPECT_EQ(decode_populate_token(lun, list, populate).sense, test::invalid_parameter(4));
  test::put_be(list, 4, 4, 0);
  test::put_be(list, 8, 4, 0x00800000);
  EXPECT_EQ(decode_populate_token(lun, list, populate).sense, test::invalid_parameter(8));
  list[2] = 0x01;  // without RTV the type is not looked at
  EXPECT_EQ(decode_populate_token(lun, list, populate).status, Status::kGood);
}

TEST(DecodeWriteUsingToken, TellsItsFields) {
  const Lun lun = test::everything();
  Bytes list(552, 0);
  test::put_be(list, 0, 2, 550);
  list[2] = 0x02;  // DEL_TKN
  test::put_be(list, 8, 8, 5);
  list[16] = 0x11;
  list[527] = 0x22;
  list[535] = 16;
  list[547] = 2;
  WriteUsingToken write;
  EXPECT_EQ(decode_write_using_token(lun, list, write).status, Status::kGood);
  EXPECT_FALSE(write.immediate);
  EXPECT_TRUE(write.delete_token);
  EXPECT_FALSE(write.zeroes);
  EXPECT_EQ(write.offset, 5u * 512);
  ASSERT_EQ(write.token.size(), kRodTokenLength);
  EXPECT_EQ(write.token[0], 0x11);
  EXPECT_EQ(write.token[511], 0x22);
  EXPECT_EQ(write.ranges.total, 1024u);

  list[2] = 0x01;
  test::put_be(list, 16, 4, kBlockZeroRod);
  EXPECT_EQ(decode_write_using_token(lun, list, write).status, Status::kGood);
  EXPECT_TRUE(write.immediate);
  EXPECT_FALSE(write.delete_token);
  EXPECT_TRUE(write.zeroes);

  test::put_be(list, 8, 8, uint64_t{1} << 55);
  EXPECT_EQ(decode_write_using_token(lun, list, write).sense, test::invalid_parameter(8));
  test::put_be(list, 8, 8, (uint64_t{1} << 55) - 1);
  EXPECT_EQ(decode_write_using_token(lun, list, write).status, Status::kGood);
}

TEST(ReceiveRodTokenInformation, GoesToTheEngineWithListIdentifierAndRoom) {
  Bytes cdb(16, 0);
  cdb[0] = 0x84;
  cdb[1] = 0x07;
  test::put_be(cdb, 2, 4, 0xA1B2C3D4);
  test::put_be(cdb, 10, 4, 1000);
  const test::Answer answer = run(test::everything(), cdb, 600);
  ASSERT_EQ(answer.outcome.kind, Outcome::Kind::kReceiveRodTokenInformation);
  EXPECT_EQ(answer.outcome.copy.list_identifier, 0xA1B2C3D4u);
  EXPECT_EQ(answer.outcome.copy.allocation_length, 600u);
}

TEST(TokenInformationData, OfAPopulatedToken) {
  const Bytes token(kRodTokenLength, 0x77);
  Bytes out(1000, 0xEE);
  ASSERT_EQ(token_information_data({.populate = true, .blocks = 0x0102, .token = token}, out),
            32u + 4 + 2 + 512);
  EXPECT_EQ(test::get_be(out, 0, 4), 32u + 4 + 2 + 512 - 4);
  EXPECT_EQ(out[4], 0x10);
  EXPECT_EQ(out[5], 0x01);
  EXPECT_EQ(test::get_be(out, 8, 4), 0xFFFFFFFEu);
  EXPECT_EQ(out[12], 0x00);
  EXPECT_EQ(out[13], 0);
  EXPECT_EQ(out[15], 0xF1);
  EXPECT_EQ(test::get_be(out, 16, 8), 0x0102u);
  EXPECT_EQ(test::get_be(out, 32, 4), 514u);
  EXPECT_EQ(test::get_be(out, 36, 2), 0u);
  EXPECT_EQ(out[38], 0x77);
  EXPECT_EQ(out[38 + 511], 0x77);
  EXPECT_EQ(out[38 + 512], 0xEE);
}

TEST(TokenInformationData, OfAFailedWriteHasItsSenseData) {
  Bytes out(100);
  const Sense sense{.key = SenseKey::kIllegalRequest, .code = asc::kTokenUnknown};
  ASSERT_EQ(token_information_data({.state = TokenInformation::State::kFailed,
                                    .completion = Status::kCheckCondition,
                                    .sense = sense},
                                   out),
            32u + 18 + 4);
  EXPECT_EQ(out[4], 0x11);
  EXPECT_EQ(out[5], 0x02);
  EXPECT_EQ(out[12], 0x02);
  EXPECT_EQ(out[13], 18);
  EXPECT_EQ(out[14], 18);
  EXPECT_EQ(out[32], 0x70);
  EXPECT_EQ(test::get_be(out, 44, 2), 0x2304u);
  EXPECT_EQ(test::get_be(out, 50, 4), 0u);
}

}  // namespace
}  // namespace tcmud::scsi
