// SPDX-License-Identifier: Apache-2.0
// What one command costs beyond its I/O, in the units that don't depend on the machine: memory
// allocations, and switches of context.
#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "device/device.h"
#include "ram_handler.h"
#include "support/allocations.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"

namespace tcmud::test {
namespace {

// Counts on the LUN's own thread: the handler is called there.
struct OnTheLoop {
  std::atomic<uint64_t> allocations{0};
  std::atomic<uint64_t> commands{0};
  std::atomic<uint64_t> switches{0};
};

class HotPathCost : public ::testing::Test {
 protected:
  void SetUp() override {
    control_.verdict = [this](const tcmud_request&) {
      rusage usage{};
      ::getrusage(RUSAGE_THREAD, &usage);
      loop_.allocations = allocations();
      loop_.switches = static_cast<uint64_t>(usage.ru_nvcsw);
      ++loop_.commands;
      return TCMUD_OK;
    };
    ASSERT_TRUE(registry_.add(ram_handler(control_)));
    DeviceSpec spec;
    spec.dev_config = "ram/x;poll_us=0";
    spec.bytes = 1 << 20;
    fake_ = kernel_.create_device(spec);
    device_ = std::make_unique<device::Device>(kernel_, registry_, device::Settings{},
                                               fake_->device_name(), fake_->minor(), nullptr);
    device_->adopt();
    while (device_->state() != device::State::kRunning) {
      std::this_thread::yield();
    }
    client_ = std::make_unique<ScsiClient>(*fake_);
  }
  void TearDown() override {
    device_->shut_down(std::chrono::steady_clock::now() + std::chrono::seconds(10));
    device_.reset();
  }

  void run(int rounds, int depth) {
    const Bytes data(4096, 0x5a);
    for (int round = 0; round < rounds; ++round) {
      std::vector<Ticket> tickets;
      fake_->plug();
      for (int i = 0; i < depth; ++i) {
        tickets.push_back(i % 2 == 0 ? client_->start_read(static_cast<uint64_t>(i) * 8, 8)
                                     : client_->start_write(static_cast<uint64_t>(i) * 8, data));
      }
      fake_->unplug();
      for (const Ticket& ticket : tickets) {
        ASSERT_TRUE(ticket.wait().good());
      }
    }
  }

  RamControl control_;
  OnTheLoop loop_;
  plugin::Registry registry_;
  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> fake_;
  std::unique_ptr<ScsiClient> client_;
  std::unique_ptr<device::Device> device_;
};

TEST_F(HotPathCost, NoCommandAllocatesMemory) {
  run(20, 32);  // every slot has been used
  const uint64_t before = loop_.allocations;
  const uint64_t commands_before = loop_.commands;
  run(200, 32);
  EXPECT_EQ(loop_.commands - commands_before, 200U * 32);
  EXPECT_EQ(loop_.allocations - before, 0U);
}

TEST_F(HotPathCost, ALoneCommandCostsOneSwitchOfContextAndABatchSharesOne) {
  run(20, 32);
  uint64_t before = loop_.switches;
  uint64_t commands = loop_.commands;
  run(500, 1);
  const double lone =
      static_cast<double>(loop_.switches - before) / static_cast<double>(loop_.commands - commands);
  EXPECT_LE(lone, 1.1);
  before = loop_.switches;
  commands = loop_.commands;
  run(200, 32);
  const double batch =
      static_cast<double>(loop_.switches - before) / static_cast<double>(loop_.commands - commands);
  EXPECT_LE(batch, 0.2);
}

}  // namespace
}  // namespace tcmud::test
