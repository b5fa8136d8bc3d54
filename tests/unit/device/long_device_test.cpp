// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "device/device.h"
#include "ram_handler.h"
#include "support/eventually.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"

// FORMAT UNIT and SANITIZE through the ring, with threads: long_operation_test knows their rules.
namespace tcmud::test {
namespace {

using namespace std::chrono_literals;
using device::Device;
using device::State;
using Model = RamControl::Model;

constexpr uint64_t kBytes = 1 << 20;

const Bytes kFormat{0x04, 0x00, 0, 0, 0, 0}, kFormatWithList{0x04, 0x10, 0, 0, 0, 0};
const Bytes kImmediateList{0, 0x02, 0, 0};
const Bytes kOverwrite{0x48, 0x01, 0, 0, 0, 0, 0, 0, 5, 0}, kManyPasses{31, 0, 0, 1, 0xA5};

struct Kind {
  const char* name;
  Model model;
  uint32_t threads;
};

class LongDeviceTest : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    control_.model = GetParam().model;
    control_.threads = GetParam().threads;
    control_.max_write_zeroes = 32 << 10;
    control_.data = pattern(1, kBytes);
    control_.verdict = [this](const tcmud_request&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms_));
      return left_.fetch_sub(1) == 0 ? TCMUD_WRITE_ERROR : TCMUD_OK;
    };
    ASSERT_TRUE(registry_.add(ram_handler(control_)));
    DeviceSpec spec;
    spec.dev_config = "ram/x";
    spec.bytes = kBytes;
    fake_ = kernel_.create_device(spec);
    device_ = std::make_unique<Device>(kernel_, registry_, device::Settings{}, fake_->device_name(),
                                       fake_->minor(), nullptr);
    device_->adopt();
    ASSERT_TRUE(reached(State::kRunning));
    client_ = std::make_unique<ScsiClient>(*fake_);
  }
  void TearDown() override {
    device_->shut_down(std::chrono::steady_clock::now() + 10s);
    EXPECT_TRUE(reached(State::kClosed));
    device_.reset();
  }

  bool reached(State state) {
    return eventually([&] { return device_->state() == state; }, 20s);
  }
  // While it says that, `sense` is what commands get.
  bool wait_while(uint8_t key, uint8_t code, uint8_t qualifier) {
    for (int i = 0; i < 4000; ++i) {
      if (!client_->test_unit_ready().check(key, code, qualifier)) {
        return true;
      }
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }
  bool all(uint8_t byte) {
    const std::lock_guard lock(control_.mutex);
    return std::all_of(control_.data.begin(), control_.data.end(),
                       [byte](uint8_t b) { return b == byte; });
  }

  std::atomic<int> delay_ms_{0};   // of every request
  std::atomic<int64_t> left_{-1};  // requests before the one that fails; below 0: none does
  RamControl control_;
  plugin::Registry registry_;
  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> fake_;
  std::unique_ptr<ScsiClient> client_;
  std::unique_ptr<Device> device_;
};

INSTANTIATE_TEST_SUITE_P(Models, LongDeviceTest,
                         ::testing::Values(Kind{"inline", Model::kInline, 0},
                                           Kind{"threaded", Model::kThreaded, 0},
                                           Kind{"pool", Model::kPool, 4},
                                           Kind{"lone_thread", Model::kPool, 1}),
                         [](const auto& kind) { return kind.param.name; });

TEST_P(LongDeviceTest, AFormatIsAnsweredWhenTheLunIsZeroesAndDurable) {
  ASSERT_TRUE(fake_->run(kFormat).good());
  EXPECT_TRUE(all(0));
  EXPECT_EQ(control_.flushes, 1U);
  EXPECT_TRUE(client_->test_unit_ready().good());
}

// Also where the handler has one thread, which always has a piece to do.
TEST_P(LongDeviceTest, InTheBackgroundItLeavesInitiatorsTheirAnswers) {
  delay_ms_ = 100;
  ASSERT_TRUE(fake_->run(kFormatWithList, kImmediateList).good());
  EXPECT_TRUE(client_->read(0, 1).check(0x02, 0x04, 0x04));
  EXPECT_TRUE(client_->inquiry().good());
  EXPECT_TRUE(client_->test_unit_ready().check(0x02, 0x04, 0x04));
  delay_ms_ = 0;
  EXPECT_TRUE(wait_while(0x02, 0x04, 0x04));
  EXPECT_TRUE(client_->test_unit_ready().good());
  EXPECT_TRUE(all(0));
}

// The kernel, and with it the initiator's reset, waits for the command: the answer doesn't wait for
// the end.
TEST_P(LongDeviceTest, AResetEndsTheWaitingForItAndNotTheWork) {
  delay_ms_ = 20;
  const Ticket ticket = fake_->submit(kOverwrite, kManyPasses);
  EXPECT_TRUE(client_->test_unit_ready().check(0x02, 0x04, 0x1B));
  fake_->task_management(5, {&ticket, 1});
  EXPECT_EQ(ticket.wait().status, 0x40);
  EXPECT_TRUE(client_->test_unit_ready().check(0x02, 0x04, 0x1B));
  delay_ms_ = 0;
  EXPECT_TRUE(wait_while(0x02, 0x04, 0x1B));
  EXPECT_TRUE(all(0xA5));
}

TEST_P(LongDeviceTest, ALunClosesAmidWorkThatNobodyWaitsFor) {
  delay_ms_ = 20;
  const Ticket ticket = fake_->submit(kOverwrite, kManyPasses);
  EXPECT_TRUE(client_->test_unit_ready().check(0x02, 0x04, 0x1B));
  fake_->task_management(1, {&ticket, 1});
  fake_->task_management(5, {&ticket, 1});
  EXPECT_EQ(ticket.wait().status, 0x40);
  device_->shut_down(std::chrono::steady_clock::now() + 10s);
  EXPECT_TRUE(reached(State::kClosed));
}

TEST_P(LongDeviceTest, EachRequestOfAFormatMayBeTheOneThatFails) {
  for (int k = 0;; ++k) {
    left_ = k;
    const Outcome outcome = fake_->run(kFormat);
    if (outcome.good()) {
      EXPECT_EQ(k, kBytes / (32 << 10) + 1);  // the last one is the FLUSH
      break;
    }
    ASSERT_TRUE(outcome.check(0x03, 0x31, 0x01)) << k << ": " << outcome.describe();
    ASSERT_TRUE(client_->read(0, 1).check(0x03, 0x31, 0x00));
  }
  left_ = -1;
  EXPECT_TRUE(client_->read(0, 1).good());
}

TEST_P(LongDeviceTest, AClosingLunWaitsOnlyForWhatIsUnderWay) {
  delay_ms_ = 20;
  const Ticket ticket = fake_->submit(kOverwrite, kManyPasses);
  EXPECT_TRUE(client_->test_unit_ready().check(0x02, 0x04, 0x1B));
  device_->shut_down(std::chrono::steady_clock::now() + 10s);
  EXPECT_TRUE(reached(State::kClosed));
  EXPECT_TRUE(ticket.wait().check(0x02, 0x04, 0x00));
  EXPECT_LT(control_.requests, 31U);  // of at least 31 passes, each with a FLUSH
}

}  // namespace
}  // namespace tcmud::test
