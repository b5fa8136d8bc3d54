// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "device/device.h"
#include "ram_handler.h"
#include "support/eventually.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"

namespace tcmud::test {

using namespace std::chrono_literals;

// A LUN as a whole, from the ring to the handler and back, with each kind of handler.
class DeviceTest : public ::testing::TestWithParam<RamControl::Model> {
 protected:
  using Device = device::Device;
  using State = device::State;
  using Model = RamControl::Model;

  static constexpr uint64_t kBytes = 1 << 20;

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

}  // namespace tcmud::test
