// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "dispatcher_bench.h"

// Commands that are composed of several requests, and those that exclude others, against a flat
// model of the medium.
namespace tcmud::test {
namespace {

using scsi::BlockOp;
using Bench = DispatcherBench;
using Bytes = Bench::Bytes;
using Random = std::mt19937_64;

constexpr uint64_t kBlocks = 24;
constexpr uint32_t kBlock = Bench::kBlock;

constexpr BlockOp kOps[] = {
    BlockOp::kRead,       BlockOp::kWrite,          BlockOp::kCompareAndWrite, BlockOp::kVerify,
    BlockOp::kVerifyData, BlockOp::kWriteAndVerify, BlockOp::kOrWrite,         BlockOp::kPrefetch,
    BlockOp::kFlush,      BlockOp::kLbaStatus,
};

// Bytes of few values, so that comparisons find equal and unequal data.
Bytes some_data(Random& random, size_t size) {
  Bytes data(size, static_cast<uint8_t>(random() % 2));
  if (random() % 4 == 0) {
    data[random() % size] ^= 4;
  }
  return data;
}

Bytes slice(const std::vector<uint8_t>& from, uint64_t offset, uint64_t length) {
  return {from.begin() + static_cast<long>(offset),
          from.begin() + static_cast<long>(offset + length)};
}

struct Wanted {
  scsi::BlockRequest block;
  Bytes data;
};

Wanted any_command(Random& random, const std::vector<uint8_t>& model, BlockOp op) {
  Wanted wanted;
  scsi::BlockRequest& block = wanted.block;
  block.op = op;
  const uint64_t blocks = 1 + random() % 8;
  block.offset = random() % (kBlocks - blocks + 1) * kBlock;
  block.length = blocks * kBlock;
  block.fua = random() % 4 == 0;
  block.atomic = op == BlockOp::kWrite && random() % 3 == 0;
  block.immediate = (op == BlockOp::kFlush || op == BlockOp::kPrefetch) && random() % 2 == 0;
  block.one_block = op == BlockOp::kVerifyData && random() % 2 == 0;
  // Often what is there, so that COMPARE AND WRITE writes and VERIFY reads to the end.
  const Bytes there = random() % 4 != 0 ? slice(model, block.offset, block.length)
                                        : some_data(random, block.length);
  switch (op) {
    case BlockOp::kRead:
      wanted.data.resize(block.length);
      break;
    case BlockOp::kWrite:
    case BlockOp::kWriteAndVerify:
    case BlockOp::kOrWrite:
      wanted.data = some_data(random, block.length);
      break;
    case BlockOp::kCompareAndWrite: {
      wanted.data = there;
      const Bytes next = some_data(random, block.length);
      wanted.data.insert(wanted.data.end(), next.begin(), next.end());
      break;
    }
    case BlockOp::kVerifyData:
      wanted.data = block.one_block ? slice(there, 0, kBlock) : there;
      break;
    case BlockOp::kLbaStatus:
      block.allocation_length = 24;
      wanted.data.resize(24, 0xEE);
      break;
    default:
      break;
  }
  return wanted;
}

tcmud_props any_props(Random& random) {
  tcmud_props props = Bench::plain_props();
  props.fua = random() % 2 == 0 ? TCMUD_NATIVE : TCMUD_NONE;
  props.flush = random() % 4 == 0 ? TCMUD_NONE : TCMUD_NATIVE;
  props.max_transfer = static_cast<uint32_t>(random() % 4 * kBlock);  // pieces of as much
  return props;
}

// The first byte in which the data differs from the medium, as long as the extent; nothing: none.
std::optional<uint64_t> difference(const Bench::Command& command, const std::vector<uint8_t>& model,
                                   const Bytes& data) {
  for (uint64_t i = 0; i < command.block.length; ++i) {
    if (model[command.block.offset + i] != data[i % data.size()]) {
      return i;
    }
  }
  return std::nullopt;
}

// What a command that ended has made of the model, and whether its answer is the right one.
class Model {
 public:
  explicit Model(Bench& bench, std::vector<uint8_t>& model) : bench_(bench), model_(model) {
    bench_.on_write = [this](const Bench::Command& command) {
      wrote_.insert(command.number);
      if (command.block.op == BlockOp::kWrite && !failing) {
        store(command, command.data.data());
      }
    };
    bench_.on_end = [this](const Bench::Command& command) { ended(command); };
  }

  bool failing = false;       // the request under way is made to fail
  std::set<uint64_t> failed;  // numbers of commands of which a request failed

 private:
  void store(const Bench::Command& command, const uint8_t* data) {
    std::memcpy(model_.data() + command.block.offset, data, command.block.length);
  }

  void ended(const Bench::Command& command) {
    const auto& block = command.block;
    RC_ASSERT(command.answered);
    if (failed.contains(command.number)) {
      RC_ASSERT(command.answer.status == 2 || (block.immediate && command.internal == nullptr));
      if (wrote_.contains(command.number)) {
        // What is in the blocks is anybody's guess, but only in these.
        std::memcpy(model_.data() + block.offset, bench_.medium.data() + block.offset,
                    block.length);
      }
      return;
    }
    switch (block.op) {
      case BlockOp::kRead:
        RC_ASSERT(command.good());
        if (!command.disturbed) {
          const bool same = command.data == slice(model_, block.offset, block.length);
          RC_ASSERT(same);
        }
        break;
      case BlockOp::kCompareAndWrite:
        if (expect(command, difference(command, model_, slice(command.data, 0, block.length)))) {
          store(command, command.data.data() + block.length);
        }
        break;
      case BlockOp::kVerifyData:
        if (!command.disturbed) {
          expect(command, difference(command, model_, command.data));
        }
        break;
      case BlockOp::kOrWrite:
        RC_ASSERT(command.good());
        store(command, command.data.data());  // by now ORed; checked in a test of its own
        break;
      case BlockOp::kWriteAndVerify:
        RC_ASSERT(command.good());
        store(command, command.data.data());
        break;
      default:
        RC_ASSERT(command.good());
    }
  }

  static bool expect(const Bench::Command& command, std::optional<uint64_t> difference) {
    RC_ASSERT(command.good() == !difference.has_value());
    if (difference) {
      RC_ASSERT(command.check(0x0E, 0x1D));
      RC_ASSERT(command.information() == *difference);
    }
    return !difference.has_value();
  }

  Bench& bench_;
  std::vector<uint8_t>& model_;
  std::set<uint64_t> wrote_;  // numbers of commands of which a WRITE was performed, or failed
};

void run_mix(uint64_t seed, size_t commands, unsigned fail_one_in) {
  Random random(seed);
  Bench bench(kBlocks, any_props(random));
  std::vector<uint8_t> shadow = bench.medium;
  Model model(bench, shadow);
  bench.verdict = [&](const Bench::Command& command, const tcmud_request& request) {
    model.failing = fail_one_in != 0 && random() % fail_one_in == 0;
    if (!model.failing) {
      return TCMUD_OK;
    }
    model.failed.insert(command.number);
    return request.op == TCMUD_OP_READ ? TCMUD_READ_ERROR : TCMUD_WRITE_ERROR;
  };
  while (commands > 0 || !bench.submitted.empty()) {
    if (commands > 0 && !bench.full() && (bench.submitted.empty() || random() % 2 == 0)) {
      Wanted wanted = any_command(random, shadow, kOps[random() % std::size(kOps)]);
      if (random() % 4 == 0) {
        bench.start_internal(wanted.block, std::move(wanted.data));
      } else {
        bench.start(wanted.block, std::move(wanted.data));
      }
      --commands;
    } else {
      bench.complete(random() % bench.submitted.size());
    }
  }
  bench.finish(random);
  const bool same = bench.medium == shadow;
  RC_ASSERT(same);
}

RC_GTEST_PROP(EmulationProperty, AnyMixInAnyOrderIsTheModels, (uint64_t seed)) {
  run_mix(seed, 200, 0);
}

RC_GTEST_PROP(EmulationProperty, WhateverFailsIsToldAndNothingElseIsTouched, (uint64_t seed)) {
  run_mix(seed, 200, 9);
}

// Alone, so that it is known what was there.
RC_GTEST_PROP(EmulationProperty, EachRequestOfEachCommandMayBeTheOneThatFails, (uint64_t seed)) {
  Random random(seed);
  const tcmud_props props = any_props(random);
  for (const BlockOp op : kOps) {
    Bench bench(kBlocks, props);
    bench.medium = some_data(random, bench.medium.size());
    const std::vector<uint8_t> before = bench.medium;
    Wanted wanted = any_command(random, before, op);
    wanted.block.immediate = false;
    bool done = false;
    for (uint64_t k = 0; !done; ++k) {
      bench.medium = before;
      bench.requests = 0;
      bool wrote = false;
      bench.verdict = [&](const Bench::Command&, const tcmud_request& request) {
        wrote |= request.op == TCMUD_OP_WRITE;
        return bench.requests == k + 1 ? TCMUD_NO_SPACE : TCMUD_OK;
      };
      const auto command = random() % 2 == 0 ? bench.start(wanted.block, wanted.data)
                                             : bench.start_internal(wanted.block, wanted.data);
      bench.finish(random);
      done = bench.requests <= k;
      RC_ASSERT(done || command->check(0x07, 0x27));
      std::vector<uint8_t> expected = before;
      if (wrote) {
        std::memcpy(expected.data() + wanted.block.offset,
                    bench.medium.data() + wanted.block.offset, wanted.block.length);
      }
      const bool same = bench.medium == expected;
      RC_ASSERT(same);
      if (done && op == BlockOp::kOrWrite) {
        for (uint64_t i = 0; i < wanted.block.length; ++i) {
          RC_ASSERT(bench.medium[wanted.block.offset + i] ==
                    (before[wanted.block.offset + i] | wanted.data[i]));
        }
      }
    }
  }
}

// Initiators that count in blocks of their own choice, as clusters take their locks.
RC_GTEST_PROP(EmulationProperty, CompareAndWriteLosesNoIncrement, (uint64_t seed)) {
  Random random(seed);
  Bench bench(kBlocks, any_props(random));
  constexpr uint64_t kLength = 3 * kBlock;
  constexpr int kInitiators = 12, kEach = 5;
  struct Initiator {
    std::shared_ptr<Bench::Command> command;
    bool reads = false;
    int left = kEach;
  };
  std::vector<Initiator> initiators(kInitiators);
  int rest = kInitiators * kEach;
  while (rest > 0) {
    for (Initiator& one : initiators) {
      if (one.left == 0 || (one.command != nullptr && !one.command->ended) || random() % 3 == 0) {
        continue;
      }
      if (one.command != nullptr && !one.reads && one.command->good()) {
        --rest;
        if (--one.left == 0) {
          continue;
        }
      }
      scsi::BlockRequest block;
      block.length = kLength;
      if (one.command == nullptr || !one.reads) {
        one.reads = true;
        one.command = bench.start(block, Bytes(kLength));
        continue;
      }
      one.reads = false;
      block.op = BlockOp::kCompareAndWrite;
      Bytes data = one.command->data;
      data.insert(data.end(), one.command->data.begin(), one.command->data.end());
      ++data[kLength + 2 * kBlock];  // in the last block
      one.command = bench.start(block, std::move(data));
    }
    if (!bench.submitted.empty()) {
      bench.complete(random() % bench.submitted.size());
    }
  }
  bench.finish(random);
  RC_ASSERT(int{bench.medium[2 * kBlock]} == kInitiators * kEach);
}

TEST(Emulation, CommandsThatTouchOtherBlocksGoOnBesideAnExclusiveOne) {
  Random random(1);
  Bench bench(kBlocks, Bench::plain_props());
  scsi::BlockRequest locked{.op = BlockOp::kCompareAndWrite, .offset = 0, .length = kBlock};
  const auto exclusive = bench.start(locked, Bytes(2 * kBlock));
  const auto same =
      bench.start({.op = BlockOp::kRead, .offset = 0, .length = kBlock}, Bytes(kBlock));
  const auto other =
      bench.start({.op = BlockOp::kRead, .offset = kBlock, .length = kBlock}, Bytes(kBlock));
  EXPECT_TRUE(other->launched);
  EXPECT_FALSE(same->launched);
  bench.finish(random);
  EXPECT_TRUE(exclusive->good() && same->good() && other->good());
}

TEST(Emulation, ALongVerifyReadsInPiecesAndLetsOthersHaveItsMemory) {
  constexpr uint64_t kLong = 16384;
  Random random(1);
  Bench bench(kLong, Bench::plain_props());
  std::vector<std::shared_ptr<Bench::Command>> verifies;
  for (int i = 0; i < 6; ++i) {  // more than there are buffers
    verifies.push_back(
        bench.start({.op = BlockOp::kVerify, .offset = 0, .length = kLong * kBlock}, Bytes()));
  }
  const auto quick = bench.start({.op = BlockOp::kCompareAndWrite, .offset = 0, .length = kBlock},
                                 Bytes(2 * kBlock));
  EXPECT_FALSE(quick->launched);  // the VERIFYs came first and overlap
  const auto prefetch =
      bench.start({.op = BlockOp::kPrefetch, .offset = 0, .length = kBlock}, Bytes());
  while (!prefetch->ended) {
    bench.complete(0);
    ASSERT_FALSE(verifies[0]->ended);
  }
  bench.finish(random);
  EXPECT_EQ(bench.longest_read, device::ScratchPool::kBytes);
  EXPECT_TRUE(quick->good());
}

TEST(Emulation, AnErrorBehindAnAnswerIsToldToTheNextCommand) {
  Random random(1);
  Bench bench(kBlocks, Bench::plain_props());
  bench.verdict = [](const Bench::Command&, const tcmud_request&) { return TCMUD_WRITE_ERROR; };
  const auto flush = bench.start({.op = BlockOp::kFlush, .immediate = true}, Bytes());
  EXPECT_TRUE(flush->good());
  EXPECT_FALSE(flush->ended);
  bench.finish(random);
  device::Slot slot;
  slot.cdb_length = 6;  // TEST UNIT READY
  ASSERT_EQ(bench.dispatcher().start(slot), Bench::Next::kAnswered);
  EXPECT_EQ(bench.dispatcher().completion().sense[0] & 0x7f, 0x71);
  EXPECT_EQ(bench.dispatcher().completion().sense[12], 0x0C);
  ASSERT_EQ(bench.dispatcher().start(slot), Bench::Next::kAnswered);
  EXPECT_EQ(bench.dispatcher().completion().status, 0x00);
}

TEST(Emulation, AllBlocksAreMappedWhereTheHandlerCannotTell) {
  Random random(1);
  Bench bench(kBlocks, Bench::plain_props());
  const auto status = bench.start(
      {.op = BlockOp::kLbaStatus, .offset = 2 * kBlock, .length = kBlock, .allocation_length = 24},
      Bytes(24, 0xEE));
  ASSERT_TRUE(status->good());
  const Bytes expected{0, 0, 0, 20, 0, 0, 0, 0,           0, 0, 0, 0,
                       0, 0, 0, 2,  0, 0, 0, kBlocks - 2, 0, 0, 0, 0};
  EXPECT_EQ(status->data, expected);
}

}  // namespace
}  // namespace tcmud::test
