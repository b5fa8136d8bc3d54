// SPDX-License-Identifier: Apache-2.0
#include "device/device.h"

#include <array>
#include <atomic>
#include <ctime>
#include <future>

#include <sys/eventfd.h>

#include "device_fixture.h"

// How a LUN comes and goes, and what the ring and its handler may do to it meanwhile.
namespace tcmud::test {

INSTANTIATE_TEST_SUITE_P(Models, DeviceTest,
                         ::testing::Values(RamControl::Model::kInline, RamControl::Model::kThreaded,
                                           RamControl::Model::kPool),
                         [](const auto& model) {
                           switch (model.param) {
                             case RamControl::Model::kInline:
                               return "inline";
                             case RamControl::Model::kThreaded:
                               return "threaded";
                             case RamControl::Model::kPool:
                               return "pool";
                           }
                           return "";
                         });

namespace {

class AsynchronousDeviceTest : public DeviceTest {};

INSTANTIATE_TEST_SUITE_P(Models, AsynchronousDeviceTest,
                         ::testing::Values(RamControl::Model::kInline,
                                           RamControl::Model::kThreaded),
                         [](const auto& model) {
                           return model.param == RamControl::Model::kInline ? "inline" : "threaded";
                         });

// A lock that was lost, say, while nobody wrote.
TEST_P(AsynchronousDeviceTest, AHandlerThatCallsIsReapedAlsoWhenItHasNoRequest) {
  const Fd calls(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  control_.event_fd = calls.get();
  bring_up();
  for (uint64_t call = 1; call <= 3; ++call) {
    ASSERT_EQ(::eventfd_write(calls.get(), 1), 0);
    ASSERT_TRUE(eventually([&] { return control_.heard == call; })) << call;
  }
  EXPECT_EQ(control_.requests, 0u);
  take_down();
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
  EXPECT_EQ(device_->status().state_reason, "the test said no");
  EXPECT_EQ(device_->status().backend, device::BackendState::kClosed);
  there = true;
  ASSERT_TRUE(eventually([this] { return device_->state() == State::kRunning; }));
  EXPECT_TRUE(client_->test_unit_ready().good());
  control_.open_verdict = nullptr;
}

TEST_P(DeviceTest, ItsStatusTellsHowItIs) {
  bring_up();
  const device::LunStatus up = device_->status();
  EXPECT_EQ(up.state, State::kRunning);
  EXPECT_EQ(up.state_reason, "");
  EXPECT_STREQ(up.task, "");
  EXPECT_EQ(up.size, kBytes);
  EXPECT_EQ(up.block_size, 512U);
  EXPECT_EQ(up.backend, device::BackendState::kUp);
  EXPECT_FALSE(up.lock);
  control_.tell_state(TCMUD_BACKEND_SLOW, "no answer; see ceph -s");
  const device::LunStatus slow = device_->status();
  EXPECT_EQ(slow.backend, device::BackendState::kSlow);
  EXPECT_EQ(slow.backend_reason, "no answer; see ceph -s");
  EXPECT_EQ(slow.state, State::kRunning);
  ASSERT_EQ(kernel_.reconfigure(fake_, kernel::SizeChange{2 * kBytes}).replied(), false);
  auto event = kernel_.next_event();
  ASSERT_TRUE(event);
  device_->reconfigure(std::get<kernel::DeviceReconfigured>(event->what).change,
                       std::move(event->reply));
  EXPECT_TRUE(eventually([this] { return device_->status().size == 2 * kBytes; }));
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

}  // namespace
}  // namespace tcmud::test
