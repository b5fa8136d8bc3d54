// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "dispatcher_bench.h"

// FORMAT UNIT and SANITIZE: what the medium holds then, what everybody else is told meanwhile, and
// what is left when one fails.
namespace tcmud::test {
namespace {

using Bench = DispatcherBench;
using Bytes = Bench::Bytes;
using CommandPtr = std::shared_ptr<Bench::Command>;
using Random = std::mt19937_64;

constexpr uint32_t kBlock = Bench::kBlock;
constexpr uint64_t kBlocks = 5000;  // 2.4 MiB: several pieces, the last one shorter
constexpr uint64_t kFew = 300;      // with small pieces

const Bytes kTestUnitReady(6);
const Bytes kRequestSense{0x03, 0, 0, 0, 18, 0};
const Bytes kInquiry{0x12, 0, 0, 0, 96, 0};
const Bytes kModeSense{0x1A, 0, 0x3F, 0, 255, 0};
const Bytes kReadCapacity{0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes kRead{0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0};
const Bytes kExitFailureMode{0x48, 0x1F, 0, 0, 0, 0, 0, 0, 0, 0};

constexpr uint8_t kImmediateFormat = 0x02, kImmediateSanitize = 0x80, kUnrestrictedExit = 0x20;

struct Sent {
  Bytes cdb;
  Bytes list;
};

Sent format(uint8_t options = 0, const Bytes& pattern = {}) {
  if (options == 0 && pattern.empty()) {
    return {{0x04, 0, 0, 0, 0, 0}, {}};
  }
  Sent sent{{0x04, 0x10, 0, 0, 0, 0}, {0, options, 0, 0}};
  if (!pattern.empty()) {
    sent.list[1] |= 0x88;  // FOV, IP
    sent.list.insert(sent.list.end(), {0, 1, static_cast<uint8_t>(pattern.size() >> 8),
                                       static_cast<uint8_t>(pattern.size())});
    sent.list.insert(sent.list.end(), pattern.begin(), pattern.end());
  }
  return sent;
}

Sent overwrite(uint8_t flags, uint8_t passes, bool invert, const Bytes& pattern) {
  const size_t length = 4 + pattern.size();
  Sent sent{{0x48, static_cast<uint8_t>(flags | 0x01), 0, 0, 0, 0, 0,
             static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0},
            {static_cast<uint8_t>(passes | (invert ? 0x80 : 0)), 0,
             static_cast<uint8_t>(pattern.size() >> 8), static_cast<uint8_t>(pattern.size())}};
  sent.list.insert(sent.list.end(), pattern.begin(), pattern.end());
  return sent;
}

Sent block_erase(uint8_t flags = 0) {
  return {{0x48, static_cast<uint8_t>(flags | 0x02), 0, 0, 0, 0, 0, 0, 0, 0}, {}};
}

Bytes noise(Random& random, size_t size) {
  Bytes data(size);
  for (uint8_t& byte : data) {
    byte = static_cast<uint8_t>(random());
  }
  return data;
}

tcmud_props any_props(Random& random) {
  tcmud_props props = Bench::plain_props();
  props.fua = random() % 2 == 0 ? TCMUD_NATIVE : TCMUD_NONE;
  props.flush = random() % 4 == 0 ? TCMUD_NONE : TCMUD_NATIVE;
  props.write_zeroes = random() % 2 == 0 ? TCMUD_NATIVE : TCMUD_NONE;
  props.unmap = random() % 2 == 0 ? TCMUD_NATIVE : TCMUD_NONE;
  props.unmap_zeroes = random() % 2 == 0;
  props.max_transfer = static_cast<uint32_t>(random() % 3 * (8 << 10));
  props.max_write_zeroes_length = random() % 3 * (32 << 10);
  return props;
}

// Is each block `pattern`, again and again from its beginning?
bool filled(std::span<const uint8_t> medium, const Bytes& pattern, uint8_t flip = 0) {
  for (size_t i = 0; i < medium.size(); ++i) {
    if (medium[i] != (pattern[i % kBlock % pattern.size()] ^ flip)) {
      return false;
    }
  }
  return true;
}

const Bytes kZeroes(1);

class LongOperation : public ::testing::Test {
 protected:
  LongOperation() { bench_.medium = noise(random_, bench_.medium.size()); }

  CommandPtr start(const Sent& sent) { return bench_.start_cdb(sent.cdb, sent.list); }
  CommandPtr run(const Sent& sent) {
    CommandPtr command = start(sent);
    bench_.finish(random_);
    return command;
  }
  CommandPtr ask(const Bytes& cdb, size_t data_in = 0) {
    return bench_.start_cdb(cdb, Bytes(data_in));
  }
  // Of the sense data that REQUEST SENSE gives.
  uint32_t progress() {
    const CommandPtr sense = ask(kRequestSense, 18);
    EXPECT_EQ(sense->data[2] & 0x0F, 0x02);
    EXPECT_EQ(sense->data[15] & 0x80, 0x80);
    return (uint32_t{sense->data[16]} << 8) | sense->data[17];
  }
  void change(const std::function<void(scsi::Lun&)>& change) {
    bench_.post([&change](device::Dispatcher& dispatcher) {
      device::View view = dispatcher.view();
      auto lun = std::make_shared<scsi::Lun>(*view.lun);
      // As the strand makes it, who knows nothing of what the medium is like.
      lun->progress.reset();
      lun->sanitize_failure = scsi::SanitizeFailure::kNone;
      lun->format_corrupt = false;
      change(*lun);
      view.lun = lun;
      dispatcher.set_view(view);
    });
  }
  void fail_all() {
    bench_.verdict = [](const Bench::Command&, const tcmud_request&) { return TCMUD_WRITE_ERROR; };
  }

  Random random_{1};
  tcmud_props props_ = [] {
    tcmud_props props = Bench::plain_props();
    props.max_transfer = 256 << 10;
    props.max_write_zeroes_length = 256 << 10;
    props.write_zeroes = TCMUD_NATIVE;
    return props;
  }();
  Bench bench_{kBlocks, props_};
};

void check_sense(const CommandPtr& command, uint8_t key, uint8_t code, uint8_t qualifier) {
  ASSERT_TRUE(command->answered);
  EXPECT_EQ(command->answer.status, 2);
  EXPECT_EQ(command->answer.sense[2] & 0x0F, key);
  EXPECT_EQ(command->answer.sense[12], code);
  EXPECT_EQ(command->answer.sense[13], qualifier);
}

RC_GTEST_PROP(LongOperationProperty, FillsTheWholeLunWhateverTheHandlerCan, (uint64_t seed)) {
  Random random(seed);
  const uint64_t blocks = 1 + random() % kFew;
  Bench bench(blocks, any_props(random));
  bench.medium = noise(random, bench.medium.size());
  const Bytes pattern = noise(random, 1 + random() % kBlock);
  const uint64_t which = random() % 4;
  const Sent sent = which == 0   ? format()
                    : which == 1 ? format(random() % 2 * 2, pattern)
                    : which == 2 ? overwrite(0, 1 + random() % 3, random() % 2 != 0, pattern)
                                 : block_erase();
  const CommandPtr command = bench.start_cdb(sent.cdb, sent.list);
  bench.finish(random);
  RC_ASSERT(command->good());
  const bool same = filled(bench.medium, which == 1 || which == 2 ? pattern : kZeroes);
  RC_ASSERT(same);
}

// Every request of every kind may be the one that fails.
RC_GTEST_PROP(LongOperationProperty, WhicheverRequestFailsTheCommandDoes, (uint64_t seed)) {
  Random random(seed);
  const tcmud_props props = any_props(random);
  const Sent kinds[] = {format(), format(0, {1, 2, 3}), overwrite(0, 2, true, {1, 2, 3}),
                        block_erase()};
  const Sent& sent = kinds[random() % std::size(kinds)];
  const uint8_t qualifier = sent.cdb[0] == 0x04 ? 1 : 3;
  Bench bench(kFew, props);
  bool done = false;
  for (uint64_t k = 0; !done; ++k) {
    bench.requests = 0;
    bench.verdict = [&](const Bench::Command&, const tcmud_request&) {
      return bench.requests == k + 1 ? TCMUD_NO_SPACE : TCMUD_OK;
    };
    const CommandPtr command = bench.start_cdb(sent.cdb, sent.list);
    bench.finish(random);
    done = bench.requests <= k;
    RC_ASSERT(command->good() == done);
    RC_ASSERT(done || command->check(0x03, 0x31));
    RC_ASSERT(done || command->answer.sense[13] == qualifier);
    const CommandPtr ready = bench.start_cdb(kTestUnitReady);
    RC_ASSERT(ready->good() == done);
    RC_ASSERT(done || ready->answer.sense[13] == (sent.cdb[0] == 0x04 ? 0 : 3));
  }
}

TEST_F(LongOperation, APatternBeginsAnewInEachBlock) {
  const Bytes pattern{1, 2, 3};
  EXPECT_TRUE(run(format(0, pattern))->good());
  EXPECT_TRUE(filled(bench_.medium, pattern));
  EXPECT_EQ(bench_.medium[511], 2);
  EXPECT_EQ(bench_.medium[512], 1);
}

TEST_F(LongOperation, WhatWasFilledIsDurableBeforeItIsAnswered) {
  std::vector<uint16_t> ops;
  bench_.verdict = [&ops](const Bench::Command&, const tcmud_request& request) {
    ops.push_back(request.op);
    return TCMUD_OK;
  };
  const CommandPtr command = start(format());
  while (ops.empty() || ops.back() != TCMUD_OP_FLUSH) {
    ASSERT_FALSE(command->answered);
    bench_.complete(0);
  }
  EXPECT_TRUE(command->good());
  EXPECT_TRUE(bench_.submitted.empty());
}

TEST_F(LongOperation, WhatCameBeforeEndsBeforeItBegins) {
  const CommandPtr read =
      bench_.start({.op = scsi::BlockOp::kRead, .offset = 0, .length = kBlock}, Bytes(kBlock));
  const CommandPtr write = bench_.start(
      {.op = scsi::BlockOp::kWrite, .offset = (kBlocks - 1) * kBlock, .length = kBlock},
      Bytes(kBlock, 0xEE));
  const CommandPtr own = bench_.start_internal(
      {.op = scsi::BlockOp::kWrite, .offset = 77 * kBlock, .length = kBlock}, Bytes(kBlock, 0xEE));
  const CommandPtr command = start(format(kImmediateFormat));
  EXPECT_TRUE(command->good());
  check_sense(ask(kTestUnitReady), 0x02, 0x04, 0x04);
  ASSERT_EQ(bench_.submitted.size(), 3U);
  bench_.complete(2);
  bench_.complete(1);
  EXPECT_EQ(bench_.submitted.size(), 1U);
  bench_.complete(0);
  EXPECT_TRUE(read->good() && write->good() && own->good());
  EXPECT_GT(bench_.submitted.size(), 0U);
  bench_.finish(random_);
  EXPECT_TRUE(filled(bench_.medium, kZeroes));
}

TEST_F(LongOperation, OthersAreToldHowFarItIs) {
  const CommandPtr command = start(overwrite(0, 2, false, {0x55}));
  uint32_t last = progress();
  EXPECT_EQ(last, 0U);
  while (!bench_.submitted.empty()) {
    check_sense(ask(kTestUnitReady), 0x02, 0x04, 0x1B);
    const CommandPtr read = ask(kRead, kBlock);
    check_sense(read, 0x02, 0x04, 0x1B);
    EXPECT_EQ(read->answer.sense[15] & 0x80, 0x80);
    check_sense(ask(kReadCapacity, 8), 0x02, 0x04, 0x1B);
    check_sense(start(format()), 0x02, 0x04, 0x1B);
    EXPECT_TRUE(ask(kInquiry, 96)->good());
    EXPECT_TRUE(
        bench_.start_internal({.op = scsi::BlockOp::kRead, .length = kBlock}, Bytes(kBlock))
            ->check(0x02, 0x04));
    const uint32_t now = progress();
    EXPECT_GE(now, last);
    last = now;
    EXPECT_FALSE(command->answered);
    bench_.complete(0);
  }
  EXPECT_GT(last, 60000U);
  EXPECT_TRUE(command->good());
  EXPECT_TRUE(ask(kTestUnitReady)->good());
  EXPECT_EQ(ask(kRequestSense, 18)->data[2], 0x00);
}

TEST_F(LongOperation, ImmediateOnesAreAnsweredAtOnceAndGoOn) {
  for (const Sent& sent :
       {format(kImmediateFormat), format(kImmediateFormat, {7}), block_erase(kImmediateSanitize),
        overwrite(kImmediateSanitize, 1, false, {9})}) {
    const CommandPtr command = start(sent);
    EXPECT_TRUE(command->good());
    EXPECT_FALSE(command->ended);
    EXPECT_FALSE(bench_.submitted.empty());
    bench_.finish(random_);
    EXPECT_TRUE(command->ended);
    EXPECT_TRUE(ask(kTestUnitReady)->good());
  }
  EXPECT_TRUE(filled(bench_.medium, {9}));
}

TEST_F(LongOperation, AnOverwriteWritesEachPassToTheMediumAndThePatternLast) {
  for (const bool invert : {false, true}) {
    for (uint8_t passes = 1; passes <= 4; ++passes) {
      const Bytes pattern = noise(random_, 5);
      uint8_t pass = 0;
      bench_.verdict = [&](const Bench::Command&, const tcmud_request& request) {
        if (request.op == TCMUD_OP_FLUSH) {
          ++pass;
          const bool inverted = invert && (passes - pass) % 2 == 1;
          EXPECT_TRUE(filled(bench_.medium, pattern, inverted ? 0xFF : 0)) << int{passes};
        } else {
          EXPECT_EQ(request.op, TCMUD_OP_WRITE);
        }
        return TCMUD_OK;
      };
      EXPECT_TRUE(run(overwrite(0, passes, invert, pattern))->good());
      EXPECT_EQ(pass, passes);
    }
  }
}

TEST_F(LongOperation, AnOverwriteWithZeroesIsWrittenToo) {
  uint64_t written = 0;
  bench_.verdict = [&written](const Bench::Command&, const tcmud_request& request) {
    written += request.op == TCMUD_OP_WRITE ? request.length : 0;
    return TCMUD_OK;
  };
  EXPECT_TRUE(run(overwrite(0, 1, false, {0, 0}))->good());
  EXPECT_EQ(written, kBlocks * kBlock);
}

TEST_F(LongOperation, BlocksAreUnmappedOnlyWhereTheyThenReadAsZeroes) {
  for (const bool zeroes : {false, true}) {
    change([zeroes](scsi::Lun& lun) {
      lun.can_unmap = true;
      lun.unmap_zeroes = zeroes;
    });
    for (const Sent& sent : {format(), block_erase()}) {
      bench_.verdict = [zeroes](const Bench::Command&, const tcmud_request& request) {
        EXPECT_EQ((request.flags & TCMUD_FLAG_MAY_UNMAP) != 0,
                  zeroes && request.op == TCMUD_OP_WRITE_ZEROES);
        return TCMUD_OK;
      };
      EXPECT_TRUE(run(sent)->good());
    }
  }
}

TEST_F(LongOperation, BehindAFailedFormatTheMediumIsOutOfReachUntilOneSucceeds) {
  fail_all();
  check_sense(run(format()), 0x03, 0x31, 0x01);
  bench_.verdict = nullptr;
  change([](scsi::Lun&) {});  // a new view does not bring it back
  check_sense(ask(kTestUnitReady), 0x03, 0x31, 0x00);
  check_sense(ask(kRead, kBlock), 0x03, 0x31, 0x00);
  EXPECT_TRUE(bench_.start_internal({.op = scsi::BlockOp::kRead, .length = kBlock}, Bytes(kBlock))
                  ->check(0x03, 0x31));
  EXPECT_TRUE(ask(kInquiry, 96)->good());
  EXPECT_TRUE(ask(kModeSense, 255)->good());
  EXPECT_TRUE(ask(kReadCapacity, 8)->good());
  EXPECT_TRUE(run(block_erase())->good());
  check_sense(ask(kTestUnitReady), 0x03, 0x31, 0x00);
  EXPECT_TRUE(run(format())->good());
  EXPECT_TRUE(ask(kTestUnitReady)->good());
}

TEST_F(LongOperation, AnOverwriteBringsACorruptFormatInOrder) {
  fail_all();
  check_sense(run(format()), 0x03, 0x31, 0x01);
  bench_.verdict = nullptr;
  EXPECT_TRUE(run(overwrite(0, 1, false, {1}))->good());
  EXPECT_TRUE(ask(kTestUnitReady)->good());
}

TEST_F(LongOperation, AnImmediateFormatThatFailsIsToldToTheNextCommand) {
  fail_all();
  EXPECT_TRUE(run(format(kImmediateFormat))->good());
  const CommandPtr told = ask(kTestUnitReady);
  check_sense(told, 0x03, 0x31, 0x01);
  EXPECT_EQ(told->answer.sense[0] & 0x7F, 0x71);
  const CommandPtr then = ask(kTestUnitReady);
  check_sense(then, 0x03, 0x31, 0x00);
  EXPECT_EQ(then->answer.sense[0] & 0x7F, 0x70);
}

TEST_F(LongOperation, AFailedSanitizeIsLeftOnlyAsItAllowed) {
  fail_all();
  check_sense(run(block_erase()), 0x03, 0x31, 0x03);
  check_sense(ask(kTestUnitReady), 0x03, 0x31, 0x03);
  check_sense(ask(kExitFailureMode), 0x05, 0x24, 0x00);
  check_sense(start(block_erase(kUnrestrictedExit)), 0x05, 0x24, 0x00);
  check_sense(start(format()), 0x03, 0x31, 0x03);
  bench_.verdict = nullptr;
  EXPECT_TRUE(run(block_erase())->good());
  EXPECT_TRUE(ask(kTestUnitReady)->good());
  fail_all();
  EXPECT_TRUE(run(block_erase(kUnrestrictedExit | kImmediateSanitize))->good());
  check_sense(ask(kRead, kBlock), 0x03, 0x31, 0x03);
  EXPECT_TRUE(ask(kExitFailureMode)->good());
  EXPECT_TRUE(ask(kTestUnitReady)->good());
  EXPECT_TRUE(ask(kExitFailureMode)->good());
}

TEST_F(LongOperation, AChangeOfTheViewLeavesItInPlace) {
  const CommandPtr command = start(format());
  bench_.complete(0);
  const uint32_t before = progress();
  change([](scsi::Lun& lun) { lun.serial = "another"; });
  check_sense(ask(kTestUnitReady), 0x02, 0x04, 0x04);
  EXPECT_EQ(progress(), before);
  bench_.finish(random_);
  EXPECT_TRUE(command->good());
  EXPECT_EQ(bench_.dispatcher().view().lun->serial, "another");
}

TEST_F(LongOperation, BlocksThatComeMeanwhileAreFilledToo) {
  const CommandPtr command = start(format(0, {3}));
  bench_.complete(0);
  bench_.medium.resize(2 * bench_.medium.size(), 0xEE);
  change([](scsi::Lun& lun) { lun.blocks = 2 * kBlocks; });
  bench_.finish(random_);
  EXPECT_TRUE(command->good());
  EXPECT_TRUE(filled(bench_.medium, {3}));
}

TEST_F(LongOperation, ALunThatShrinksIsFilledToItsNewEnd) {
  const CommandPtr command = start(format(0, {3}));
  while (bench_.requests < 4) {
    bench_.complete(0);
  }
  change([](scsi::Lun& lun) { lun.blocks = kBlocks / 2; });
  bench_.finish(random_);
  EXPECT_TRUE(command->good());
  EXPECT_TRUE(filled(std::span(bench_.medium).first(kBlocks / 2 * kBlock), {3}));
}

TEST_F(LongOperation, AClosingLunWaitsOnlyForWhatIsUnderWay) {
  const CommandPtr command = start(overwrite(0, 31, false, {1}));
  bench_.complete(0);
  const uint64_t under_way = bench_.submitted.size();
  const uint64_t before = bench_.requests;
  bench_.post([](device::Dispatcher& dispatcher) { dispatcher.refuse_internal(true); });
  EXPECT_FALSE(command->answered);
  bench_.finish(random_);
  EXPECT_EQ(bench_.requests, before + under_way);
  check_sense(command, 0x02, 0x04, 0x00);
  // The LUN may serve again without having been closed; its medium is half overwritten.
  bench_.post([](device::Dispatcher& dispatcher) { dispatcher.refuse_internal(false); });
  check_sense(ask(kTestUnitReady), 0x03, 0x31, 0x03);
}

TEST_F(LongOperation, OneThatWaitsForOthersWhenTheLunClosesNeverBegins) {
  const CommandPtr read =
      bench_.start({.op = scsi::BlockOp::kRead, .offset = 0, .length = kBlock}, Bytes(kBlock));
  const CommandPtr command = start(format());
  bench_.post([](device::Dispatcher& dispatcher) { dispatcher.refuse_internal(true); });
  const uint64_t before = bench_.requests;
  bench_.finish(random_);
  EXPECT_EQ(bench_.requests, before + 1);
  EXPECT_TRUE(read->good());
  check_sense(command, 0x02, 0x04, 0x00);
}

TEST_F(LongOperation, AWriteProtectedLunRefusesAll) {
  change([](scsi::Lun& lun) { lun.read_only = true; });
  for (const Sent& sent :
       {format(), format(kImmediateFormat), block_erase(), overwrite(0, 1, false, {1})}) {
    check_sense(start(sent), 0x07, 0x27, 0x00);
  }
  EXPECT_EQ(bench_.requests, 0U);
}

}  // namespace
}  // namespace tcmud::test
