// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <random>

#include "device_fixture.h"

// Commands for data, and what of them gets to the handler.
namespace tcmud::test {
namespace {

TEST_P(DeviceTest, WhatWasWrittenIsRead) {
  bring_up();
  const Bytes data = pattern(1, 64 << 10);
  ASSERT_TRUE(client_->write(16, data).good());
  EXPECT_EQ(client_->read(16, 128).data_in, data);
  take_down();
}

TEST_P(DeviceTest, ManyCommandsAtOnceAllEndRight) {
  bring_up();
  std::mt19937_64 random(7);
  std::vector<uint8_t> model(kBytes);
  for (int round = 0; round < 30; ++round) {
    // Writes of a round don't overlap: each has its own 8 KiB stripe.
    std::vector<std::pair<Ticket, uint64_t>> writes;
    for (uint64_t stripe = 0; stripe < 64; ++stripe) {
      const uint64_t lba = stripe * 16 + random() % 8;
      const Bytes data = pattern(random(), (1 + random() % 8) * 512);
      std::copy(data.begin(), data.end(), model.begin() + static_cast<long>(lba * 512));
      writes.emplace_back(client_->start_write(lba, data), lba);
    }
    for (const auto& [ticket, lba] : writes) {
      ASSERT_TRUE(ticket.wait().good()) << ticket.wait().describe();
    }
    std::vector<std::pair<Ticket, uint64_t>> reads;
    for (int i = 0; i < 64; ++i) {
      const uint64_t lba = random() % (kBytes / 512 - 32);
      reads.emplace_back(client_->start_read(lba, 32), lba);
    }
    for (const auto& [ticket, lba] : reads) {
      const Bytes expected(model.begin() + static_cast<long>(lba * 512),
                           model.begin() + static_cast<long>(lba * 512 + 32 * 512));
      ASSERT_EQ(ticket.wait().data_in, expected);
    }
  }
  take_down();
}

TEST_P(DeviceTest, FuaIsAFlagWhereTheHandlerHasIt) {
  bring_up();
  ASSERT_TRUE(client_->write(0, pattern(1, 512), 0x08).good());
  EXPECT_EQ(control_.fua_writes, 1U);
  EXPECT_EQ(control_.flushes, 0U);
}

TEST_P(DeviceTest, FuaIsAFlushBehindTheWriteWhereItHasNot) {
  control_.fua = TCMUD_NONE;
  bring_up();
  ASSERT_TRUE(client_->write(0, pattern(1, 512), 0x08).good());
  EXPECT_EQ(control_.fua_writes, 0U);
  EXPECT_EQ(control_.flushes, 1U);
}

TEST_P(DeviceTest, AReadWithFuaFlushesFirst) {
  bring_up();
  const Bytes data = pattern(4, 4096);
  ASSERT_TRUE(client_->write(0, data).good());
  EXPECT_EQ(client_->read(0, 8, 0x08).data_in, data);
  EXPECT_EQ(control_.flushes, 1U);
}

TEST_P(DeviceTest, AFailedFlushBehindAFuaWriteFailsTheWrite) {
  control_.fua = TCMUD_NONE;
  control_.verdict = [](const tcmud_request& request) {
    return request.op == TCMUD_OP_FLUSH ? TCMUD_WRITE_ERROR : TCMUD_OK;
  };
  bring_up();
  EXPECT_TRUE(client_->write(0, pattern(1, 512), 0x08).check(0x03, 0x0C, 0x00));
}

TEST_P(DeviceTest, WriteSameRepeatsTheBlockInPieces) {
  bring_up();
  const Bytes block = pattern(3, 512);
  ASSERT_TRUE(client_->write_same(8, 2000, block).good());
  const Bytes got = client_->read(7, 2002).data_in;
  EXPECT_TRUE(std::all_of(got.begin(), got.begin() + 512, [](uint8_t b) { return b == 0; }));
  for (size_t i = 0; i < 2000; ++i) {
    ASSERT_TRUE(
        std::equal(block.begin(), block.end(), got.begin() + static_cast<long>(512 * (i + 1))))
        << i;
  }
  EXPECT_TRUE(std::all_of(got.end() - 512, got.end(), [](uint8_t b) { return b == 0; }));
  EXPECT_EQ(control_.writes, (2000U * 512 + (256 << 10) - 1) / (256 << 10));
}

TEST_P(DeviceTest, WriteSameOfZeroesIsWriteZeroesInPiecesOfTheHandlersLimit) {
  control_.max_write_zeroes = 64 << 10;
  bring_up();
  ASSERT_TRUE(client_->write(0, pattern(5, 256 << 10)).good());
  ASSERT_TRUE(client_->write_same(1, 400, Bytes(512)).good());
  EXPECT_EQ(control_.zeroes, 4U);
  const Bytes got = client_->read(1, 400).data_in;
  EXPECT_TRUE(std::all_of(got.begin(), got.end(), [](uint8_t b) { return b == 0; }));
}

TEST_P(DeviceTest, WriteSameOfZeroesIsWrittenWhereTheHandlerHasNoWriteZeroes) {
  control_.write_zeroes = TCMUD_NONE;
  bring_up();
  ASSERT_TRUE(client_->write(0, pattern(5, 1 << 20)).good());
  ASSERT_TRUE(client_->write_same(3, 2000, Bytes(512)).good());
  const Bytes got = client_->read(2, 2002).data_in;
  EXPECT_TRUE(std::equal(got.begin(), got.begin() + 512, pattern(5, 1 << 20).begin() + 1024));
  EXPECT_TRUE(std::all_of(got.begin() + 512, got.end() - 512, [](uint8_t b) { return b == 0; }));
  EXPECT_FALSE(std::all_of(got.end() - 512, got.end(), [](uint8_t b) { return b == 0; }));
}

// Every piece of a composed command may be the one that fails, and the initiator learns of it.
TEST_P(DeviceTest, AWriteSameFailsWhicheverPieceFails) {
  control_.max_write_zeroes = 64 << 10;
  std::atomic<int> left{0};
  control_.verdict = [&left](const tcmud_request&) {
    return left.fetch_sub(1) == 0 ? TCMUD_NO_SPACE : TCMUD_OK;
  };
  bring_up();
  for (int k = 0; k < 8; ++k) {
    left = k;
    const Outcome outcome = client_->write_same(0, 1024, Bytes(512));
    EXPECT_TRUE(outcome.check(0x07, 0x27, 0x07)) << k << ": " << outcome.describe();
  }
  left = 8;
  EXPECT_TRUE(client_->write_same(0, 1024, Bytes(512)).good());
  control_.verdict = nullptr;
}

TEST_P(DeviceTest, LongUnmapListsAreCutToTheHandlersLimit) {
  bring_up();
  ASSERT_TRUE(client_->write(0, pattern(9, kBytes / 2)).good());
  std::vector<BlockRange> ranges;
  for (uint64_t i = 0; i < 10; ++i) {
    ranges.push_back({i * 16, 8});
  }
  ASSERT_TRUE(client_->unmap(ranges).good());
  EXPECT_EQ(control_.unmaps, 3U);
  for (const BlockRange& range : ranges) {
    const Bytes got = client_->read(range.lba, 16).data_in;
    EXPECT_TRUE(std::all_of(got.begin(), got.begin() + 4096, [](uint8_t b) { return b == 0; }));
    EXPECT_FALSE(std::all_of(got.begin() + 4096, got.end(), [](uint8_t b) { return b == 0; }));
  }
}

TEST_P(DeviceTest, EveryStatusOfAHandlerHasItsSense) {
  std::atomic<int32_t> status{0};
  control_.verdict = [&status](const tcmud_request&) { return status.load(); };
  bring_up();
  const auto outcome = [this, &status](int32_t wanted) {
    status = wanted;
    return client_->read(0, 8);
  };
  EXPECT_EQ(outcome(TCMUD_BUSY).status, 0x08);
  EXPECT_EQ(outcome(TCMUD_TIMEOUT).status, 0x08);
  EXPECT_EQ(outcome(TCMUD_NO_RESOURCE).status, 0x28);
  EXPECT_TRUE(outcome(TCMUD_NOT_SUPPORTED).check(0x05, 0x20, 0x00));
  EXPECT_TRUE(outcome(TCMUD_OUT_OF_RANGE).check(0x05, 0x21, 0x00));
  EXPECT_TRUE(outcome(TCMUD_READ_ERROR).check(0x03, 0x11, 0x00));
  EXPECT_TRUE(outcome(TCMUD_WRITE_ERROR).check(0x03, 0x0C, 0x00));
  EXPECT_TRUE(outcome(TCMUD_MISCOMPARE).check(0x0E, 0x1D, 0x00));
  EXPECT_TRUE(outcome(TCMUD_NO_SPACE).check(0x07, 0x27, 0x07));
  EXPECT_TRUE(outcome(TCMUD_WRITE_PROTECTED).check(0x07, 0x27, 0x00));
  EXPECT_TRUE(outcome(TCMUD_NOT_READY).check(0x02, 0x04, 0x01));
  EXPECT_TRUE(outcome(TCMUD_LOCK_LOST).check(0x02, 0x04, 0x0B));
  EXPECT_TRUE(outcome(TCMUD_ABORTED).check(0x0B, 0x00, 0x00));
  EXPECT_TRUE(outcome(TCMUD_INTERNAL).check(0x04, 0x44, 0x00));
  EXPECT_TRUE(outcome(4711).check(0x04, 0x44, 0x00));
  control_.verdict = nullptr;
  EXPECT_TRUE(client_->read(0, 8).good());
}

TEST_P(DeviceTest, UnsupportedCommandsAreAnsweredByUsNotDropped) {
  bring_up();
  for (const uint8_t opcode : {0xC0, 0x60, 0xFF, 0x7F}) {
    Bytes cdb(opcode == 0x7F ? 32 : 10);
    cdb[0] = opcode;
    if (opcode == 0x7F) {
      cdb[7] = 24;
    }
    EXPECT_TRUE(fake_->run(cdb).check(0x05, 0x20, 0x00)) << int{opcode};
  }
}

TEST_P(DeviceTest, ShortAnswersLeaveNoStaleBytes) {
  bring_up();
  ASSERT_TRUE(client_->write(0, Bytes(4096, 0xEE)).good());
  const Outcome got = fake_->run(cdb::inquiry(36), {}, 4096);
  ASSERT_TRUE(got.good());
  EXPECT_EQ(got.residual, 4096U - 36);
  // Nothing at all can't be told by READ_LEN: the buffer is zeroed.
  const Outcome none = fake_->run(cdb::inquiry(0), {}, 4096);
  ASSERT_TRUE(none.good());
  EXPECT_TRUE(
      std::all_of(none.data_in.begin(), none.data_in.end(), [](uint8_t b) { return b == 0; }));
}

TEST_P(DeviceTest, CompareAndWriteIsAtomicBesideEverythingElse) {
  bring_up();
  constexpr int kInitiators = 8, kEach = 10;
  std::vector<std::thread> initiators;
  std::atomic<int> bad{0};
  for (int i = 0; i < kInitiators; ++i) {
    initiators.emplace_back([&] {
      for (int done = 0; done < kEach;) {
        const Bytes was = client_->read(4, 2).data_in;
        Bytes next = was;
        ++next[600];
        const Outcome outcome = client_->compare_and_write(4, was, next);
        done += outcome.good();
        bad += !outcome.good() && !outcome.check(0x0E, 0x1D, 0x00);
      }
    });
  }
  for (std::thread& initiator : initiators) {
    initiator.join();
  }
  EXPECT_EQ(bad, 0);
  EXPECT_EQ(client_->read(4, 2).data_in[600], kInitiators * kEach);
  take_down();
}

TEST_P(DeviceTest, CompareAndWriteIsTheHandlersWithinItsUnitAndTheCoresBeyondAndAtomicAcrossBoth) {
  control_.compare_and_write_unit = 512;
  bring_up();
  constexpr int kInitiators = 8, kEach = 10;
  std::vector<std::thread> initiators;
  std::atomic<int> bad{0};
  for (int i = 0; i < kInitiators; ++i) {
    initiators.emplace_back([&, small = i % 2 == 0] {
      for (int done = 0; done < kEach;) {
        const Bytes was = small ? client_->read(5, 1).data_in : client_->read(4, 2).data_in;
        Bytes next = was;
        ++next[small ? 88 : 600];
        const Outcome outcome = client_->compare_and_write(small ? 5 : 4, was, next);
        done += outcome.good();
        bad += !outcome.good() && !outcome.check(0x0E, 0x1D, 0x00);
      }
    });
  }
  for (std::thread& initiator : initiators) {
    initiator.join();
  }
  EXPECT_EQ(bad, 0);
  EXPECT_EQ(client_->read(4, 2).data_in[600], kInitiators * kEach);
  EXPECT_GE(control_.compares, uint64_t{kInitiators / 2 * kEach});
  const uint64_t before = control_.compares;
  const Bytes was = client_->read(4, 2).data_in;
  EXPECT_TRUE(client_->compare_and_write(4, was, was).good());
  EXPECT_EQ(control_.compares, before) << "two units at once are not the handler's";
  take_down();
}

TEST_P(DeviceTest, AMiscompareTellsTheByteAndWritesNothing) {
  bring_up();
  const Bytes was = pattern(1, 2048);
  ASSERT_TRUE(client_->write(0, was).good());
  Bytes wrong = was;
  wrong[1030] ^= 1;
  const Outcome outcome = client_->compare_and_write(0, wrong, pattern(2, 2048));
  EXPECT_TRUE(outcome.check(0x0E, 0x1D, 0x00));
  EXPECT_EQ(outcome.sense[0], 0xF0);
  EXPECT_EQ((outcome.sense[5] << 8) | outcome.sense[6], 1030);
  EXPECT_EQ(client_->read(0, 4).data_in, was);
}

class CompletionTest : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(Threaded, CompletionTest, ::testing::Values(RamControl::Model::kThreaded),
                         [](const auto&) { return "threaded"; });

TEST_P(CompletionTest, ASecondCompletionIsNoticedAndIgnored) {
  bring_up();
  control_.complete_twice = true;
  for (int i = 0; i < 50; ++i) {
    // One at a time: the second completion may come when the slot serves nobody, or the next
    // command's request that was not yet handed over. With more in flight nothing could tell them
    // apart.
    ASSERT_TRUE(client_->write(0, pattern(1, 512)).good());
    std::this_thread::sleep_for(1ms);
  }
}

}  // namespace
}  // namespace tcmud::test
