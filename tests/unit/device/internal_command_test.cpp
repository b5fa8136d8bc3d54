// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "dispatcher_bench.h"

// Where the daemon's own commands differ from an initiator's; emulation_property_test has them in
// its mix.
namespace tcmud::test {
namespace {

using scsi::BlockOp;
using Bench = DispatcherBench;
using Bytes = Bench::Bytes;
using CommandPtr = std::shared_ptr<Bench::Command>;

constexpr uint64_t kBlocks = 24;
constexpr uint32_t kBlock = Bench::kBlock;
constexpr scsi::BlockRequest kReadFirst{.op = BlockOp::kRead, .offset = 0, .length = kBlock};
constexpr uint32_t kShare = Bench::kSlots / 4;

class InternalCommandTest : public ::testing::Test {
 protected:
  static scsi::BlockRequest write(uint64_t block) {
    return {.op = BlockOp::kWrite, .offset = block * kBlock, .length = kBlock};
  }
  void set_lun(const std::function<void(scsi::Lun&)>& change) {
    bench_.post([&change](device::Dispatcher& dispatcher) {
      device::View view = dispatcher.view();
      auto lun = std::make_shared<scsi::Lun>(*view.lun);
      change(*lun);
      view.lun = lun;
      dispatcher.set_view(view);
    });
  }
  // Starts a WRITE and takes what it comes to.
  CommandPtr written() {
    const CommandPtr command = bench_.start_internal(write(1), Bytes(kBlock, 0xAB));
    bench_.finish(random_);
    return command;
  }

  std::mt19937_64 random_{1};
  Bench bench_{kBlocks, Bench::plain_props()};
};

TEST_F(InternalCommandTest, WhatItWritesItReadsAndItsIovecsStayAsTheyWere) {
  Bytes data(kBlock * 8);
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<uint8_t>(random_());
  }
  scsi::BlockRequest block{.op = BlockOp::kWrite, .offset = kBlock, .length = 8 * kBlock};
  const CommandPtr wrote = bench_.start_internal(block, data);
  const std::vector<iovec> iov = wrote->iov;
  bench_.finish(random_);
  ASSERT_TRUE(wrote->good());
  block.op = BlockOp::kRead;
  const CommandPtr read = bench_.start_internal(block, Bytes(data.size()));
  bench_.finish(random_);
  ASSERT_TRUE(read->good());
  EXPECT_EQ(read->data, data);
  ASSERT_EQ(wrote->iov.size(), iov.size());
  for (size_t i = 0; i < iov.size(); ++i) {
    EXPECT_EQ(wrote->iov[i].iov_base, iov[i].iov_base);
    EXPECT_EQ(wrote->iov[i].iov_len, iov[i].iov_len);
  }
}

TEST_F(InternalCommandTest, RangesToUnmapAreItsOwn) {
  const std::vector<scsi::Range> ranges{{.offset = 0, .length = kBlock},
                                        {.offset = 3 * kBlock, .length = 2 * kBlock}};
  std::vector<scsi::Range> seen;
  bench_.verdict = [&seen](const Bench::Command&, const tcmud_request& request) {
    for (uint32_t i = 0; i < request.nranges; ++i) {
      seen.push_back({request.ranges[i].offset, request.ranges[i].length});
    }
    return TCMUD_OK;
  };
  const CommandPtr command =
      bench_.start_internal({.op = BlockOp::kUnmap, .ranges = 2}, Bytes(), ranges);
  bench_.finish(random_);
  EXPECT_TRUE(command->good());
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[1].offset, 3U * kBlock);
  EXPECT_EQ(seen[1].length, 2U * kBlock);
}

TEST_F(InternalCommandTest, WaitsForASlotAndGetsTheNext) {
  std::vector<CommandPtr> initiators;
  while (!bench_.full()) {
    initiators.push_back(bench_.start(kReadFirst, Bytes(kBlock)));
  }
  const CommandPtr first = bench_.start_internal(kReadFirst, Bytes(kBlock));
  const CommandPtr second = bench_.start_internal(kReadFirst, Bytes(kBlock));
  EXPECT_FALSE(first->launched);
  bench_.complete(0);
  EXPECT_TRUE(initiators[0]->ended);
  EXPECT_TRUE(first->launched);
  EXPECT_FALSE(second->launched);
  EXPECT_TRUE(bench_.full());
  bench_.finish(random_);
  EXPECT_TRUE(first->good() && second->good());
}

TEST_F(InternalCommandTest, HoweverManyThereAreInitiatorsFindSlots) {
  std::vector<CommandPtr> own;
  for (uint32_t i = 0; i < 2 * Bench::kSlots; ++i) {
    own.push_back(bench_.start_internal(kReadFirst, Bytes(kBlock)));
  }
  EXPECT_EQ(bench_.submitted.size(), kShare);
  EXPECT_TRUE(own[kShare - 1]->launched);
  EXPECT_FALSE(own[kShare]->launched);
  const CommandPtr initiator = bench_.start(kReadFirst, Bytes(kBlock));
  EXPECT_TRUE(initiator->launched);
  bench_.finish(random_);
  for (const CommandPtr& command : own) {
    EXPECT_TRUE(command->good());
  }
}

TEST_F(InternalCommandTest, AnotherMayBeStartedAtTheEndOfOne) {
  int left = 100;
  CommandPtr last;
  bench_.on_end = [&](Bench::Command&) {
    if (left-- > 0) {
      last = bench_.start_internal(write(2), Bytes(kBlock, static_cast<uint8_t>(left)));
    }
  };
  bench_.start_internal(kReadFirst, Bytes(kBlock));
  bench_.finish(random_);
  EXPECT_TRUE(last->good());
  EXPECT_EQ(bench_.requests, 101U);
}

TEST_F(InternalCommandTest, AClosingLunEndsWhatWaitsAndRefusesWhatComes) {
  std::vector<CommandPtr> own;
  for (uint32_t i = 0; i < kShare + 3; ++i) {
    own.push_back(bench_.start_internal(kReadFirst, Bytes(kBlock)));
  }
  bench_.post([](device::Dispatcher& dispatcher) { dispatcher.refuse_internal(true); });
  for (uint32_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(own[i]->ended, i >= kShare);
    EXPECT_TRUE(i < kShare || own[i]->check(0x02, 0x04)) << i;
  }
  const CommandPtr late = bench_.start_internal(kReadFirst, Bytes(kBlock));
  EXPECT_TRUE(late->check(0x02, 0x04));
  bench_.finish(random_);
  EXPECT_TRUE(own[0]->good());
  bench_.post([](device::Dispatcher& dispatcher) { dispatcher.refuse_internal(false); });
  const CommandPtr again = bench_.start_internal(kReadFirst, Bytes(kBlock));
  bench_.finish(random_);
  EXPECT_TRUE(again->good());
}

TEST_F(InternalCommandTest, TheStateOfTheLunCounts) {
  set_lun([](scsi::Lun& lun) { lun.read_only = true; });
  EXPECT_TRUE(written()->check(0x07, 0x27));
  EXPECT_EQ(bench_.requests, 0U);
  set_lun([](scsi::Lun& lun) {
    lun.read_only = false;
    lun.progress = 17;
  });
  EXPECT_TRUE(written()->check(0x02, 0x04));
  set_lun([](scsi::Lun& lun) {
    lun.progress.reset();
    lun.sanitize_failure = scsi::SanitizeFailure::kRestricted;
  });
  EXPECT_TRUE(written()->check(0x03, 0x31));
  EXPECT_EQ(bench_.requests, 0U);
  set_lun([](scsi::Lun& lun) { lun.sanitize_failure = scsi::SanitizeFailure::kNone; });
  EXPECT_TRUE(written()->good());
}

TEST_F(InternalCommandTest, AReadOnlyLunIsRead) {
  set_lun([](scsi::Lun& lun) { lun.read_only = true; });
  const CommandPtr read = bench_.start_internal(kReadFirst, Bytes(kBlock));
  bench_.finish(random_);
  EXPECT_TRUE(read->good());
}

TEST_F(InternalCommandTest, BlocksThatTheLunHasNoMoreAreNotTouched) {
  const std::vector<scsi::Range> ranges{{.offset = 0, .length = kBlock},
                                        {.offset = 11 * kBlock, .length = 2 * kBlock}};
  set_lun([](scsi::Lun& lun) { lun.blocks = 12; });
  EXPECT_TRUE(bench_.start_internal(write(12), Bytes(kBlock))->check(0x05, 0x21));
  EXPECT_TRUE(
      bench_
          .start_internal({.op = BlockOp::kWrite, .offset = UINT64_MAX - 511, .length = kBlock},
                          Bytes(kBlock))
          ->check(0x05, 0x21));
  EXPECT_TRUE(bench_.start_internal({.op = BlockOp::kUnmap, .ranges = 2}, Bytes(), ranges)
                  ->check(0x05, 0x21));
  EXPECT_EQ(bench_.requests, 0U);
  const CommandPtr last = bench_.start_internal(write(11), Bytes(kBlock));
  bench_.finish(random_);
  EXPECT_TRUE(last->good());
}

TEST_F(InternalCommandTest, GoesByTheLocksUnlessItsCallerHasThem) {
  const CommandPtr holder = bench_.start(
      {.op = BlockOp::kCompareAndWrite, .offset = 0, .length = kBlock}, Bytes(2 * kBlock));
  const CommandPtr waits = bench_.start_internal(kReadFirst, Bytes(kBlock));
  EXPECT_FALSE(waits->launched);
  bench_.finish(random_);
  EXPECT_TRUE(holder->good() && waits->good());
}

TEST_F(InternalCommandTest, AHeldCommandIsAnsweredAsItIsFinished) {
  device::Slot slot;
  slot.data_length = 0;
  EXPECT_EQ(bench_.dispatcher().hold(slot), Bench::Next::kWait);
  EXPECT_EQ(bench_.dispatcher().take_released(), nullptr);
  bench_.dispatcher().finish(slot, {.status = scsi::Status::kBusy});
  ASSERT_EQ(bench_.dispatcher().take_released(), &slot);
  EXPECT_EQ(bench_.dispatcher().go_on(slot), Bench::Next::kAnswered);
  EXPECT_EQ(bench_.dispatcher().completion().status, 0x08);
  EXPECT_TRUE(bench_.dispatcher().end(slot));
  EXPECT_EQ(bench_.dispatcher().take_released(), nullptr);
}

}  // namespace
}  // namespace tcmud::test
