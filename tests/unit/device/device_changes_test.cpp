// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <future>

#include "device_fixture.h"

// What changes while a LUN serves: its size, identity, configuration and modes.
namespace tcmud::test {
namespace {

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

}  // namespace
}  // namespace tcmud::test
