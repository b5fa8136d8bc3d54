// SPDX-License-Identifier: Apache-2.0
#include "device/device.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <future>
#include <random>

#include <gtest/gtest.h>

#include "ram_handler.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"

namespace tcmud::test {
namespace {

using namespace std::chrono_literals;
using device::Device;
using device::State;
using Model = RamControl::Model;

constexpr uint64_t kBytes = 1 << 20;

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) {
      return true;
    }
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

class DeviceTest : public ::testing::TestWithParam<Model> {
 protected:
  DeviceTest() {
    control_.model = GetParam();
    EXPECT_TRUE(registry_.add(ram_handler(control_)));
  }

  static DeviceSpec spec(std::string dev_config = "ram/x") {
    DeviceSpec spec;
    spec.dev_config = std::move(dev_config);
    spec.bytes = kBytes;
    return spec;
  }

  std::unique_ptr<Device> make(uint32_t minor, kernel::DeviceName name) {
    return std::make_unique<Device>(kernel_, registry_, device::Settings{}, std::move(name), minor,
                                    nullptr);
  }

  // A LUN as the kernel adds it.
  void bring_up(DeviceSpec wanted = spec()) {
    auto added = kernel_.add_device(wanted);
    auto event = kernel_.next_event();
    ASSERT_TRUE(event);
    device_ = make(event->minor, event->device);
    device_->add(std::move(event->reply));
    ASSERT_EQ(added.reply.wait(), 0);
    fake_ = added.device;
    client_ = std::make_unique<ScsiClient>(*fake_);
  }

  void take_down() {
    auto reply = kernel_.remove_device(fake_);
    auto event = kernel_.next_event();
    ASSERT_TRUE(event);
    device_->remove(std::move(event->reply));
    ASSERT_EQ(reply.wait(), 0);
    ASSERT_TRUE(eventually([this] { return device_->state() == State::kClosed; }));
    device_.reset();
  }

  void TearDown() override {
    if (device_ != nullptr && device_->state() != State::kClosed) {
      device_->shut_down(std::chrono::steady_clock::now() + 10s);
      EXPECT_TRUE(eventually([this] { return device_->state() == State::kClosed; }));
    }
    device_.reset();
    EXPECT_EQ(control_.opened, control_.closed);
  }

  RamControl control_;
  plugin::Registry registry_;
  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> fake_;
  std::unique_ptr<ScsiClient> client_;
  std::unique_ptr<Device> device_;
};

INSTANTIATE_TEST_SUITE_P(Models, DeviceTest,
                         ::testing::Values(Model::kInline, Model::kThreaded, Model::kPool),
                         [](const auto& model) {
                           switch (model.param) {
                             case Model::kInline:
                               return "inline";
                             case Model::kThreaded:
                               return "threaded";
                             case Model::kPool:
                               return "pool";
                           }
                           return "";
                         });

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

TEST_P(DeviceTest, ASerialNumberSetAfterEnableIsTold) {
  DeviceSpec wanted = spec();
  wanted.serial = "";
  bring_up(wanted);
  fake_->set_attribute("wwn/vpd_unit_serial", "T10 VPD Unit Serial Number: abc123");
  const Outcome got = client_->inquiry_vpd(0x80);
  ASSERT_TRUE(got.good());
  EXPECT_EQ(std::string(got.data_in.begin() + 4, got.data_in.begin() + 10), "abc123");
}

TEST_P(DeviceTest, ResizeIsToldOnceAndTheNewBlocksServe) {
  bring_up();
  auto reply = kernel_.reconfigure(fake_, kernel::SizeChange{2 * kBytes});
  auto event = kernel_.next_event();
  ASSERT_TRUE(event);
  device_->reconfigure(std::get<kernel::DeviceReconfigured>(event->what).change,
                       std::move(event->reply));
  ASSERT_EQ(reply.wait(), 0);
  EXPECT_TRUE(client_->test_unit_ready().check(0x06, 0x2A, 0x09));
  EXPECT_TRUE(client_->test_unit_ready().good());
  EXPECT_TRUE(client_->write(kBytes / 512, pattern(1, 4096)).good());
}

TEST_P(DeviceTest, RequestSenseTellsAResizeAndIsThenDoneWithIt) {
  bring_up();
  auto reply = kernel_.reconfigure(fake_, kernel::SizeChange{2 * kBytes});
  auto event = kernel_.next_event();
  device_->reconfigure(std::get<kernel::DeviceReconfigured>(event->what).change,
                       std::move(event->reply));
  ASSERT_EQ(reply.wait(), 0);
  const Outcome sense = fake_->run(cdb::request_sense(18), {}, 18);
  ASSERT_TRUE(sense.good());
  EXPECT_EQ(sense.data_in[2] & 0x0f, 0x06);
  EXPECT_EQ(sense.data_in[12], 0x2A);
  EXPECT_EQ(sense.data_in[13], 0x09);
  EXPECT_TRUE(client_->test_unit_ready().good());
}

TEST_P(DeviceTest, ReconfigurationToTheSameValueIsFine) {
  bring_up();
  const auto ask = [this](kernel::Change change) {
    auto reply = kernel_.reconfigure(fake_, std::move(change));
    auto event = kernel_.next_event();
    device_->reconfigure(std::get<kernel::DeviceReconfigured>(event->what).change,
                         std::move(event->reply));
    return reply.wait();
  };
  EXPECT_EQ(ask(kernel::SizeChange{kBytes}), 0);
  EXPECT_EQ(ask(kernel::ConfigChange{"ram/x"}), 0);
  EXPECT_EQ(ask(kernel::ConfigChange{"ram/y"}), -EOPNOTSUPP);
  EXPECT_EQ(ask(kernel::WriteCacheChange{true}), 0);
  EXPECT_TRUE(client_->test_unit_ready().good());
}

TEST_P(DeviceTest, WithTheWriteCacheSwitchedOffEveryWriteIsDurable) {
  bring_up();
  auto reply = kernel_.reconfigure(fake_, kernel::WriteCacheChange{false});
  auto event = kernel_.next_event();
  device_->reconfigure(std::get<kernel::DeviceReconfigured>(event->what).change,
                       std::move(event->reply));
  ASSERT_EQ(reply.wait(), 0);
  ASSERT_TRUE(client_->write(0, pattern(1, 512)).good());
  EXPECT_EQ(control_.fua_writes, 1U);
}

// The loop may be in the middle of a turn when it is told: what comes later counts by what was
// told.
TEST_P(DeviceTest, ACommandThatFollowsAReconfigurationFindsItDoneEvenInTheSameTurn) {
  bring_up();
  std::promise<void> begun;
  std::promise<void> go_on;
  std::atomic<bool> first{true};
  control_.verdict = [&](const tcmud_request&) {
    if (first.exchange(false)) {
      begun.set_value();
      go_on.get_future().wait();
    }
    return TCMUD_OK;
  };
  const Ticket read = client_->start_read(0, 1);
  begun.get_future().wait();
  auto reply = kernel_.reconfigure(fake_, kernel::WriteCacheChange{false});
  auto event = kernel_.next_event();
  device_->reconfigure(std::get<kernel::DeviceReconfigured>(event->what).change,
                       std::move(event->reply));
  EXPECT_EQ(reply.wait(), 0);
  const Ticket write = client_->start_write(0, pattern(1, 512));
  go_on.set_value();
  EXPECT_TRUE(read.wait().good());
  EXPECT_TRUE(write.wait().good());
  EXPECT_EQ(control_.fua_writes, 1U);
}

TEST_P(DeviceTest, AFailedOpenIsTheReplyAndLeavesNothingOpen) {
  control_.open_verdict = [] { return -ENXIO; };
  auto added = kernel_.add_device(spec());
  auto event = kernel_.next_event();
  ASSERT_TRUE(event);
  device_ = make(event->minor, event->device);
  device_->add(std::move(event->reply));
  EXPECT_EQ(added.reply.wait(), -ENXIO);
  EXPECT_TRUE(eventually([this] { return device_->state() == State::kClosed; }));
  EXPECT_FALSE(added.device->is_open());
}

TEST_P(DeviceTest, AnUnknownHandlerFailsAtOnce) {
  auto added = kernel_.add_device(spec("nothere/x"));
  auto event = kernel_.next_event();
  device_ = make(event->minor, event->device);
  device_->add(std::move(event->reply));
  EXPECT_EQ(added.reply.wait(), -ENOENT);
  EXPECT_TRUE(eventually([this] { return device_->state() == State::kClosed; }));
}

TEST_P(DeviceTest, ABadPollLimitFailsTheOpen) {
  for (const char* config :
       {"ram/x;poll_us=", "ram/x;poll_us=-1", "ram/x;poll_us=1001", "ram/x;poll_us=5x"}) {
    auto added = kernel_.add_device(spec(config));
    auto event = kernel_.next_event();
    auto device = make(event->minor, event->device);
    device->add(std::move(event->reply));
    EXPECT_EQ(added.reply.wait(), -EINVAL) << config;
    EXPECT_TRUE(eventually([&] { return device->state() == State::kClosed; }));
  }
}

TEST_P(DeviceTest, AnExistingDeviceIsAdopted) {
  fake_ = kernel_.create_device(spec());
  client_ = std::make_unique<ScsiClient>(*fake_);
  // Left in the ring by a predecessor: it is answered BUSY by the reset and repeated by the
  // initiator.
  const Bytes data = pattern(2, 4096);
  Ticket left = client_->start_write(0, data);
  device_ = make(fake_->minor(), fake_->device_name());
  device_->adopt();
  EXPECT_EQ(left.wait().status, 0x08);
  ASSERT_TRUE(eventually([this] { return device_->state() == State::kRunning; }));
  ASSERT_TRUE(client_->write(0, data).good());
  EXPECT_EQ(client_->read(0, 8).data_in, data);
}

TEST_P(DeviceTest, AnAdoptedDeviceWhoseBackendIsMissingIsRetriedAndAnswersBusyMeanwhile) {
  std::atomic<bool> there{false};
  control_.open_verdict = [&there] { return there ? 0 : -ENOENT; };
  fake_ = kernel_.create_device(spec());
  client_ = std::make_unique<ScsiClient>(*fake_);
  device_ = make(fake_->minor(), fake_->device_name());
  device_->adopt();
  ASSERT_TRUE(eventually([this] { return device_->state() == State::kRetrying; }));
  EXPECT_EQ(client_->test_unit_ready().status, 0x08);
  there = true;
  ASSERT_TRUE(eventually([this] { return device_->state() == State::kRunning; }));
  EXPECT_TRUE(client_->test_unit_ready().good());
  control_.open_verdict = nullptr;
}

TEST_P(DeviceTest, ADeviceThatIsRetriedCanBeRemovedAtOnce) {
  control_.open_verdict = [] { return -ENOENT; };
  fake_ = kernel_.create_device(spec());
  device_ = make(fake_->minor(), fake_->device_name());
  device_->adopt();
  ASSERT_TRUE(eventually([this] { return device_->state() == State::kRetrying; }));
  take_down();
}

TEST_P(DeviceTest, RemovalUnderLoadAnswersEverythingFirst) {
  bring_up();
  std::vector<Ticket> tickets;
  for (int i = 0; i < 200; ++i) {
    tickets.push_back(client_->start_write(static_cast<uint64_t>(i), pattern(1, 4096)));
  }
  for (const Ticket& ticket : tickets) {
    EXPECT_TRUE(ticket.wait().good());
  }
  take_down();
}

TEST_P(DeviceTest, ShutDownFinishesWhatIsInFlightAndLeavesTheRestInTheRing) {
  std::promise<void> gate;
  auto open_gate = gate.get_future().share();
  control_.verdict = [open_gate](const tcmud_request&) {
    open_gate.wait();
    return TCMUD_OK;
  };
  bring_up();
  Ticket first = client_->start_write(0, pattern(1, 512));
  ASSERT_TRUE(eventually([this] { return control_.requests > 0; }));
  device_->shut_down(std::chrono::steady_clock::now() + 10s);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(device_->state(), State::kRemoving);
  gate.set_value();
  EXPECT_TRUE(first.wait().good());
  EXPECT_TRUE(eventually([this] { return device_->state() == State::kClosed; }));
  control_.verdict = nullptr;
}

// The ring holds more than the slab: what is beyond waits, and nobody spins meanwhile.
TEST_P(DeviceTest, MoreCommandsThanSlotsWaitInTheRingWithoutCostingCpu) {
  std::promise<void> gate;
  auto open_gate = gate.get_future().share();
  control_.verdict = [open_gate](const tcmud_request&) {
    open_gate.wait();
    return TCMUD_OK;
  };
  bring_up();
  std::vector<Ticket> tickets;
  for (int i = 0; i < 1200; ++i) {
    tickets.push_back(fake_->submit(cdb::read_16(0, 1), {}, 512));
  }
  ASSERT_TRUE(eventually([this] { return control_.requests > 0; }));
  std::this_thread::sleep_for(50ms);
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(300ms);
  EXPECT_LT(std::clock() - before, CLOCKS_PER_SEC / 10);
  gate.set_value();
  for (const Ticket& ticket : tickets) {
    ASSERT_TRUE(ticket.wait().good());
  }
  control_.verdict = nullptr;
}

TEST_P(DeviceTest, GarbageInTheRingIsResetAndServiceGoesOn) {
  bring_up();
  const std::array<std::byte, 64> garbage{};  // an entry of length 0
  ASSERT_TRUE(fake_->publish_raw(garbage));
  fake_->spurious_event();
  ASSERT_TRUE(eventually([this] { return client_->test_unit_ready().status == 0x00; }));
  const Bytes data = pattern(1, 4096);
  ASSERT_TRUE(client_->write(0, data).good());
  EXPECT_EQ(client_->read(0, 8).data_in, data);
}

TEST_P(DeviceTest, ADeviceThatVanishesIsClosed) {
  bring_up();
  ASSERT_TRUE(client_->test_unit_ready().good());
  kernel_.vanish(fake_);
  EXPECT_TRUE(eventually([this] { return device_->state() == State::kClosed; }));
}

TEST_P(DeviceTest, TaskManagementNotificationsArePassedOver) {
  bring_up();
  Ticket ticket = client_->start_write(0, pattern(1, 512));
  fake_->task_management(5, {&ticket, 1});
  EXPECT_TRUE(ticket.wait().answered);
  EXPECT_TRUE(client_->test_unit_ready().good());
  take_down();
}

TEST_P(DeviceTest, AnUnknownRingOpcodeDoesNotStopTheRest) {
  bring_up();
  fake_->submit_ring_opcode(5).wait();
  EXPECT_TRUE(client_->test_unit_ready().good());
}

// Sets or clears bits of a mode page, as administrators' tools do: what MODE SENSE gives, changed.
Outcome select_mode(FakeDevice& device, uint8_t page, size_t byte, uint8_t bits, bool on) {
  const Outcome sensed = device.run(cdb::mode_sense_6(page), {}, 255);
  Bytes list(sensed.data_in.begin(), sensed.data_in.begin() + 1 + sensed.data_in[0]);
  const size_t at = 4 + size_t{list[3]} + byte;
  list[0] = 0;                        // MODE DATA LENGTH is reserved here,
  list[2] = 0;                        // so is the device-specific parameter,
  list[4 + size_t{list[3]}] &= 0x3F;  // and PS
  list[at] = static_cast<uint8_t>(on ? list[at] | bits : list[at] & ~bits);
  return device.run(cdb::mode_select_6(static_cast<uint8_t>(list.size())), list);
}

Outcome select_write_cache(FakeDevice& device, bool on) {
  return select_mode(device, 0x08, 2, 0x04, on);
}

Outcome select_write_protect(FakeDevice& device, bool on) {
  return select_mode(device, 0x0A, 4, 0x08, on);
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

TEST_P(DeviceTest, ModeSelectSwitchesTheWriteCacheAndFlushesFirst) {
  bring_up();
  ASSERT_TRUE(client_->write(0, pattern(1, 512)).good());
  EXPECT_EQ(control_.fua_writes + control_.flushes, 0U);
  ASSERT_TRUE(select_write_cache(*fake_, false).good());
  EXPECT_GE(control_.flushes, 1U);
  ASSERT_TRUE(client_->write(0, pattern(1, 512)).good());
  EXPECT_EQ(control_.fua_writes, 1U);
  ASSERT_TRUE(select_write_cache(*fake_, true).good());
  ASSERT_TRUE(client_->write(0, pattern(1, 512)).good());
  EXPECT_EQ(control_.fua_writes, 1U);
}

TEST_P(DeviceTest, AFlushThatFailsLeavesTheWriteCacheOn) {
  control_.verdict = [](const tcmud_request& request) {
    return request.op == TCMUD_OP_FLUSH ? TCMUD_WRITE_ERROR : TCMUD_OK;
  };
  bring_up();
  EXPECT_TRUE(select_write_cache(*fake_, false).check(0x03, 0x0C, 0x00));
  ASSERT_TRUE(client_->write(0, pattern(1, 512)).good());
  EXPECT_EQ(control_.fua_writes, 0U);
}

TEST_P(DeviceTest, ASoftwareWriteProtectedLunRefusesWritesUntilItIsNot) {
  bring_up();
  ASSERT_TRUE(select_write_protect(*fake_, true).good());
  EXPECT_TRUE(client_->write(0, pattern(1, 512)).check(0x07, 0x27, 0x02));
  EXPECT_TRUE(client_->read(0, 1).good());
  ASSERT_TRUE(select_write_protect(*fake_, false).good());
  EXPECT_TRUE(client_->write(0, pattern(1, 512)).good());
}

class CompletionTest : public DeviceTest {};
INSTANTIATE_TEST_SUITE_P(Threaded, CompletionTest, ::testing::Values(Model::kThreaded),
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
