// SPDX-License-Identifier: Apache-2.0
#include "kernel/ring_entry.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/kernel/ring_builder.h"

namespace tcmud::kernel {
namespace {

using test::RingBuilder;
using testing::HasSubstr;

class RingEntryTest : public testing::Test {
 protected:
  void decode(uint32_t entry) {
    const uint32_t length =
        builder.get_entry<uint32_t>(entry, abi::kLengthOpAt) & ~uint32_t{abi::kOpMask};
    const Geometry geometry = {builder.map().data(), builder.map().size(), RingBuilder::kRingAt,
                               builder.ring_size(), builder.data_offset()};
    command.cdb.fill(0xcc);
    decode_command(geometry, RingBuilder::kRingAt + entry, length, iov, command);
  }
  void expect_malformed(uint32_t entry, const char* about) {
    decode(entry);
    ASSERT_NE(command.malformed, nullptr);
    EXPECT_THAT(command.malformed, HasSubstr(about));
    EXPECT_EQ(command.iov.size(), 0U);
    EXPECT_EQ(command.data_length, 0U);
    EXPECT_EQ(command.cdb_length, 0);
    EXPECT_EQ(command.cdb[0], 0xff);
    EXPECT_EQ(command.cdb[1], 0);
  }
  uint64_t data_end() { return builder.map().size(); }

  RingBuilder builder;
  std::array<iovec, 4> iov{};
  CommandEntry command;
};

// Three buffers, the first two of a page: what the kernel makes of 8704 bytes in blocks 0, 2 and 5.
const std::vector<RingBuilder::Buffer> kBuffers = {{0, 4096}, {8192, 4096}, {20480, 512}};
const std::vector<uint8_t> kWrite10 = {0x2a, 0, 0, 0, 0, 1, 0, 0, 17, 0};

TEST_F(RingEntryTest, AGoodEntryIsNotMalformed) {
  decode(builder.add_command(1, kWrite10, kBuffers));
  EXPECT_EQ(command.malformed, nullptr);
  EXPECT_EQ(command.data_length, 8704U);
}

TEST_F(RingEntryTest, TheOperationCodesGroupGivesTheLengthOfTheCdb) {
  const std::array<size_t, 8> lengths = {6, 10, 10, 12, 16, 12, 10, 10};
  for (unsigned opcode = 0; opcode < 256; ++opcode) {
    if (opcode == 0x7f) {
      continue;
    }
    const size_t length = lengths[opcode >> 5];
    std::vector<uint8_t> cdb(length, 0x77);
    cdb[0] = static_cast<uint8_t>(opcode);
    builder.set_head(0);
    decode(builder.add_command(1, cdb));
    ASSERT_EQ(command.malformed, nullptr) << opcode << command.malformed;
    EXPECT_EQ(command.cdb_length, length) << opcode;
    EXPECT_TRUE(std::equal(cdb.begin(), cdb.end(), command.cdb.begin())) << opcode;
    for (size_t i = length; i < 16; ++i) {
      EXPECT_EQ(command.cdb[i], 0) << opcode << " byte " << i;
    }
  }
}

TEST_F(RingEntryTest, WhatLiesBehindAShortCdbDoesntCount) {
  const uint32_t entry = builder.add_command(1, kWrite10, kBuffers);
  builder.put_entry<uint32_t>(entry, 112 + 12, 0xffffffff);
  decode(entry);
  EXPECT_EQ(command.cdb[12], 0);
  EXPECT_EQ(command.cdb[15], 0);
}

TEST_F(RingEntryTest, AVariableLengthCdbTellsItsOwnLength) {
  for (const size_t length : {8, 12, 16, 32, 200, 260}) {
    std::vector<uint8_t> cdb(length, 0x77);
    cdb[0] = 0x7f;
    cdb[7] = static_cast<uint8_t>(length - 8);
    builder.set_head(0);
    decode(builder.add_command(1, cdb));
    // 8 + FCh is the most that there can be.
    ASSERT_EQ(command.malformed, nullptr) << length << command.malformed;
    EXPECT_EQ(command.cdb_length, length);
    EXPECT_TRUE(std::equal(cdb.begin(), cdb.end(), command.cdb.begin()));
  }
}

TEST_F(RingEntryTest, AVariableLengthCdbOfOver260BytesIsMalformed) {
  std::vector<uint8_t> cdb(264, 0);
  cdb[0] = 0x7f;
  cdb[7] = 0xfd;
  expect_malformed(builder.add_command(1, cdb), "CDB is longer");
}

TEST_F(RingEntryTest, AVariableLengthCdbLongerThanTheEntryIsMalformed) {
  std::vector<uint8_t> cdb(32, 0);
  cdb[0] = 0x7f;
  cdb[7] = 25;
  expect_malformed(builder.add_command(1, cdb), "CDB is longer");
  cdb.resize(8);
  cdb[7] = 1;
  expect_malformed(builder.add_command(2, cdb), "CDB is longer");
}

TEST_F(RingEntryTest, ACdbLongerThanTheEntryIsMalformed) {
  expect_malformed(builder.add_command(1, {0x2a, 0, 0, 0, 0, 0}), "CDB is longer");
}

TEST_F(RingEntryTest, ACdbMayBeginAnywhereBehindTheIovecs) {
  const uint32_t entry = builder.add_command(1, std::vector<uint8_t>(16, 0x12));
  builder.put_entry<uint64_t>(entry, abi::kCdbOffsetAt, RingBuilder::kRingAt + entry + 113);
  decode(entry);
  EXPECT_EQ(command.malformed, nullptr);
  EXPECT_EQ(command.cdb_length, 6);
}

TEST_F(RingEntryTest, ACdbOutsideTheEntryIsMalformed) {
  const uint64_t entry_at = RingBuilder::kRingAt;
  for (const uint64_t offset :
       {uint64_t{0}, entry_at, entry_at + 111, entry_at + 128, uint64_t{1} << 32, UINT64_MAX}) {
    builder.set_head(0);
    const uint32_t entry = builder.add_command(1, kWrite10, kBuffers);
    builder.put_entry<uint64_t>(entry, abi::kCdbOffsetAt, offset);
    expect_malformed(entry, "CDB lies outside");
  }
}

TEST_F(RingEntryTest, ACdbInTheIovecsIsMalformed) {
  const uint32_t entry = builder.add_command(
      1, kWrite10, {{0, 4096}, {8192, 4096}, {16384, 4096}, {24576, 4096}, {32768, 4096}});
  builder.put_entry<uint64_t>(entry, abi::kCdbOffsetAt, RingBuilder::kRingAt + entry + 112);
  expect_malformed(entry, "CDB lies outside");
}

TEST_F(RingEntryTest, MoreIovecsThanTheEntryHoldsAreMalformed) {
  const uint32_t entry = builder.add_command(1, kWrite10, kBuffers);
  builder.put_entry<uint32_t>(entry, abi::kIovecCountAt, 5);
  expect_malformed(entry, "iovecs are longer than the entry");
}

TEST_F(RingEntryTest, MoreIovecsThanPagesAreMalformed) {
  for (const uint32_t count : {17U, 0x10000003U, 0xffffffffU}) {
    builder.set_head(0);
    const uint32_t entry = builder.add_command(1, kWrite10, kBuffers);
    builder.put_entry<uint32_t>(entry, abi::kIovecCountAt, count);
    expect_malformed(entry, "more iovecs than");
  }
}

TEST_F(RingEntryTest, TheSumOfTheCountsDoesntWrapAround) {
  const uint32_t entry = builder.add_command(1, kWrite10, kBuffers);
  builder.put_entry<uint32_t>(entry, abi::kBidiIovecCountAt, 0xffffffff);
  expect_malformed(entry, "more iovecs than");
}

TEST_F(RingEntryTest, ProtectionInformationIsMalformed) {
  const uint32_t entry = builder.add_command(1, kWrite10, kBuffers);
  builder.put_entry<uint32_t>(entry, abi::kDifIovecCountAt, 1);
  expect_malformed(entry, "protection information");
}

struct IovecCase {
  const char* name;
  size_t index;
  // What the field becomes, from the data area's start and the map's end; nullopt leaves it.
  std::optional<uint64_t> (*base)(uint64_t data, uint64_t end);
  std::optional<uint64_t> (*length)(uint64_t base, uint64_t end);
  const char* about;
};
class IovecTest : public RingEntryTest, public testing::WithParamInterface<IovecCase> {};

constexpr auto kLeave = [](uint64_t, uint64_t) -> std::optional<uint64_t> { return std::nullopt; };

TEST_P(IovecTest, OneOutOfOrderIsMalformed) {
  const IovecCase& test = GetParam();
  const uint32_t entry = builder.add_command(1, kWrite10, kBuffers);
  const size_t at = abi::kIovecsAt + 16 * test.index;
  if (const auto base = test.base(builder.data_offset(), data_end())) {
    builder.put_entry<uint64_t>(entry, at, *base);
  }
  if (const auto length = test.length(builder.get_entry<uint64_t>(entry, at), data_end())) {
    builder.put_entry<uint64_t>(entry, at + 8, *length);
  }
  expect_malformed(entry, test.about);
}

INSTANTIATE_TEST_SUITE_P(
    Fields, IovecTest,
    testing::Values(
        IovecCase{"InTheRing", 0,
                  [](uint64_t data, uint64_t) { return std::optional(data - 4096); }, kLeave,
                  "outside the data area"},
        IovecCase{"InTheMailbox", 0, [](uint64_t, uint64_t) { return std::optional(uint64_t{0}); },
                  kLeave, "outside the data area"},
        IovecCase{"AtTheMapsEnd", 2, [](uint64_t, uint64_t end) { return std::optional(end); },
                  kLeave, "outside the data area"},
        IovecCase{"FarAway", 2, [](uint64_t, uint64_t) { return std::optional(UINT64_MAX - 4095); },
                  kLeave, "outside the data area"},
        IovecCase{"OneByteTooLong", 2, kLeave,
                  [](uint64_t base, uint64_t end) { return std::optional(end - base + 1); },
                  "outside the data area"},
        IovecCase{"WrapsAround", 2, kLeave,
                  [](uint64_t base, uint64_t) { return std::optional(0 - base + 4096); },
                  "outside the data area"},
        IovecCase{"Empty", 2, kLeave, [](uint64_t, uint64_t) { return std::optional(uint64_t{0}); },
                  "empty"},
        IovecCase{"Misaligned", 2,
                  [](uint64_t data, uint64_t) { return std::optional(data + 20480 + 512); }, kLeave,
                  "page aligned"},
        IovecCase{"OverTheOneBefore", 1,
                  [](uint64_t data, uint64_t) { return std::optional(data); }, kLeave, "ascend"},
        IovecCase{"IntoTheNextOne", 0, kLeave,
                  [](uint64_t, uint64_t) { return std::optional(uint64_t{8193}); }, "ascend"}),
    [](const auto& info) { return info.param.name; });

TEST_F(RingEntryTest, AnIovecMayReachTheMapsEnd) {
  const uint32_t entry = builder.add_command(1, kWrite10, {{15 * 4096, 4096}});
  decode(entry);
  EXPECT_EQ(command.malformed, nullptr);
}

TEST_F(RingEntryTest, OfABidirectionalCommandOnlyDataOutIsHandedOut) {
  decode(builder.add_command(1, kWrite10, {{4096, 4096}}, {{0, 512}}));
  EXPECT_EQ(command.malformed, nullptr);
  ASSERT_EQ(command.iov.size(), 1U);
  EXPECT_EQ(command.iov[0].iov_base, builder.data() + 4096);
  EXPECT_EQ(command.data_length, 4096U);
}

TEST_F(RingEntryTest, ABadDataInBufferOfABidirectionalCommandIsMalformed) {
  const uint32_t entry = builder.add_command(1, kWrite10, {{4096, 4096}}, {{0, 512}});
  builder.put_entry<uint64_t>(entry, abi::kIovecsAt + 24, uint64_t{1} << 40);
  expect_malformed(entry, "outside the data area");
}

TEST_F(RingEntryTest, ABadIovecOfALongListLeavesNoSpill) {
  std::vector<RingBuilder::Buffer> out;
  for (uint64_t i = 0; i < 8; ++i) {
    out.push_back({2 * i * 4096, 4096});
  }
  out.back().length = 1 << 20;
  expect_malformed(builder.add_command(1, kWrite10, out), "outside the data area");
  EXPECT_EQ(command.spill, nullptr);
}

}  // namespace
}  // namespace tcmud::kernel
