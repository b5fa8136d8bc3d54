// SPDX-License-Identifier: Apache-2.0
//
// A LUN on an RBD image of a real cluster, from the ring to the OSDs and back, while things go
// wrong: what initiators are told, and how it goes on by itself.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cluster/ceph_tools.h"
#include "device/device.h"
#include "plugin/registry.h"
#include "support/eventually.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"

namespace tcmud::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using device::Device;
using device::State;

constexpr uint8_t kBusy = 0x08;
constexpr uint64_t kMiB = 1 << 20;

// A LUN with its initiator, who repeats what is BUSY.
class Lun {
 public:
  // `command_timeout` as attrib/cmd_time_out has it, in seconds.
  Lun(FakeKernel& kernel, const plugin::Registry& registry, DeviceSpec spec,
      const std::string& command_timeout = "0")
      : kernel_(kernel) {
    auto added = kernel.add_device(spec);
    auto event = kernel.next_event();
    fake_ = added.device;
    fake_->set_attribute("attrib/cmd_time_out", command_timeout);
    device_ = std::make_unique<Device>(kernel, registry, device::Settings{}, event->device,
                                       event->minor, nullptr);
    device_->add(std::move(event->reply));
    opened_ = added.reply.wait(60s);
    client_ = std::make_unique<ScsiClient>(*fake_);
  }
  ~Lun() {
    if (device_ != nullptr && device_->state() != State::kClosed) {
      take_down();
    }
  }

  [[nodiscard]] std::optional<int> opened() const { return opened_; }
  ScsiClient& client() { return *client_; }
  FakeDevice& fake() { return *fake_; }
  Device& device() { return *device_; }

  // How long the administrator's rmdir took.
  Clock::duration take_down() {
    const auto begin = Clock::now();
    auto reply = kernel_.remove_device(fake_);
    auto event = kernel_.next_event();
    device_->remove(std::move(event->reply));
    EXPECT_EQ(reply.wait(40s), 0);
    const auto took = Clock::now() - begin;
    EXPECT_TRUE(eventually([this] { return device_->state() == State::kClosed; }, 90s));
    return took;
  }

  Outcome write(uint64_t offset, const Bytes& data, std::chrono::seconds limit = 60s) {
    return repeat([&] { return client_->write(offset / 512, data); }, limit);
  }
  Outcome read(uint64_t offset, size_t bytes, std::chrono::seconds limit = 60s) {
    return repeat([&] { return client_->read(offset / 512, static_cast<uint32_t>(bytes / 512)); },
                  limit);
  }
  uint64_t capacity() {
    const Outcome told = repeat([&] { return fake_->run(cdb::read_capacity_16(), {}, 32); }, 60s);
    uint64_t last = 0;
    for (size_t i = 0; told.good() && i < 8; ++i) {
      last = last << 8 | told.data_in.at(i);
    }
    return (last + 1) * 512;
  }
  // Is it told that the capacity changed, once?
  bool tells_new_capacity() {
    return eventually([this] { return client_->test_unit_ready().check(0x06, 0x2A, 0x09); }, 30s);
  }

 private:
  template <class Command>
  static Outcome repeat(Command command, std::chrono::seconds limit) {
    Outcome outcome;
    EXPECT_TRUE(eventually(
        [&] {
          outcome = command();
          return outcome.status != kBusy;
        },
        limit))
        << "still BUSY";
    return outcome;
  }

  FakeKernel& kernel_;
  std::shared_ptr<FakeDevice> fake_;
  std::unique_ptr<Device> device_;
  std::optional<int> opened_;
  std::unique_ptr<ScsiClient> client_;
};

class RbdLunTest : public ::testing::Test {
 protected:
  RbdLunTest() { EXPECT_TRUE(registry_.load_directory(TCMUD_HANDLER_DIRECTORY)); }
  ~RbdLunTest() override { cluster("resume", "all"); }

  static std::string make_image(const std::string& pool, uint64_t bytes) {
    std::string image = pool + "/" + unique_name("lun");
    must("rbd create " + image + " -s " + std::to_string(bytes) + "B");
    return image;
  }
  static DeviceSpec spec(const std::string& image, uint64_t bytes) {
    DeviceSpec spec;
    spec.name = unique_name("disk");
    spec.dev_config = "rbd/" + image + ";conf=" + ceph_conf();
    spec.bytes = bytes;
    return spec;
  }
  std::unique_ptr<Lun> open(const std::string& image, uint64_t bytes,
                            const std::string& command_timeout = "0") {
    auto lun = std::make_unique<Lun>(kernel_, registry_, spec(image, bytes), command_timeout);
    EXPECT_EQ(lun->opened(), 0);
    return lun;
  }

  // A pool that goes with the test.
  class Pool {
   public:
    Pool() : name_(unique_name("pool")) {
      must("ceph osd pool create " + name_ + " 8 && rbd pool init " + name_);
    }
    ~Pool() { remove(); }
    void remove() {
      if (!std::exchange(removed_, true)) {
        must("ceph config set mon mon_allow_pool_delete true && ceph osd pool rm " + name_ + " " +
             name_ + " --yes-i-really-really-mean-it");
      }
    }
    [[nodiscard]] const std::string& name() const { return name_; }

   private:
    const std::string name_;
    bool removed_ = false;
  };

  plugin::Registry registry_;
  FakeKernel kernel_;
};

TEST_F(RbdLunTest, WhatIsWrittenIsInTheImage) {
  const std::string image = make_image("rbd", 8 * kMiB);
  auto lun = open(image, 8 * kMiB);
  const Bytes data = pattern(1, 64 * 1024);
  ASSERT_TRUE(lun->write(kMiB, data).good());
  ASSERT_TRUE(lun->read(kMiB, data.size()).data_in == data);
  const std::string file = ::testing::TempDir() + unique_name("export");
  must("rbd export --no-progress " + image + " " + file);
  std::ifstream in(file, std::ios::binary);
  Bytes exported(data.size());
  in.seekg(kMiB);
  in.read(reinterpret_cast<char*>(exported.data()), static_cast<std::streamsize>(exported.size()));
  EXPECT_TRUE(in && exported == data);
  std::remove(file.c_str());
}

TEST_F(RbdLunTest, AnOsdThatRestartsCostsNoError) {
  auto lun = open(make_image("rbd", 8 * kMiB), 8 * kMiB);
  ASSERT_TRUE(lun->write(0, pattern(1, 4096)).good());
  cluster("stop-osd", "0");
  const Ticket waiting = lun->client().start_write(0, pattern(2, 4096));
  std::this_thread::sleep_for(1s);
  EXPECT_FALSE(waiting.ready());
  cluster("start-osd", "0");
  EXPECT_TRUE(waiting.wait(60s).good());
  EXPECT_TRUE(lun->read(0, 4096).data_in == pattern(2, 4096));
}

TEST_F(RbdLunTest, AClusterThatHangsMakesBusyBeforeTheKernelGivesUp) {
  auto lun = open(make_image("rbd", 8 * kMiB), 8 * kMiB, "6");
  ASSERT_TRUE(lun->write(0, pattern(1, 4096)).good());
  cluster("pause", "0");
  const auto begin = Clock::now();
  const Ticket write = lun->client().start_write(0, pattern(2, 4096));
  const Ticket read = lun->client().start_read(64, 8);
  EXPECT_EQ(write.wait(20s).status, kBusy);
  EXPECT_EQ(read.wait(20s).status, kBusy);
  EXPECT_LT(Clock::now() - begin, 6500ms);
  EXPECT_GT(Clock::now() - begin, 3s);
  cluster("resume", "0");
  EXPECT_TRUE(lun->write(0, pattern(3, 4096)).good());
  EXPECT_TRUE(lun->read(0, 4096).data_in == pattern(3, 4096))
      << "what timed out must not come later";
}

TEST_F(RbdLunTest, AFullPoolIsNoMediumErrorAndReadsGoOn) {
  const Pool pool;
  auto lun = open(make_image(pool.name(), 64 * kMiB), 64 * kMiB);
  ASSERT_TRUE(lun->write(0, pattern(1, kMiB)).good());
  must("ceph osd pool set-quota " + pool.name() + " max_bytes 1000000");
  Outcome outcome;
  uint64_t at = 4 * kMiB;
  // The manager has to count first, the monitors to look, and the client to hear of it.
  ASSERT_TRUE(eventually(
      [&] {
        std::this_thread::sleep_for(200ms);
        outcome = lun->write(at, pattern(2, 4096));
        at += 4096;
        return !outcome.good();
      },
      60s));
  EXPECT_TRUE(outcome.check(0x07, 0x27, 0x07)) << outcome.describe();
  EXPECT_TRUE(lun->read(0, 4096).good());
  must("ceph osd pool set-quota " + pool.name() + " max_bytes 0");
  EXPECT_TRUE(eventually(
      [&] {
        std::this_thread::sleep_for(200ms);
        return lun->write(0, pattern(3, 4096)).good();
      },
      60s));
}

TEST_F(RbdLunTest, TheLunTakesTheSizeOfItsImage) {
  const std::string image = make_image("rbd", 8 * kMiB);
  auto lun = open(image, 8 * kMiB);
  // Without the lock, and then with it: then it is the LUN's own client that resizes.
  must("rbd resize --no-progress " + image + " -s 16M");
  EXPECT_TRUE(lun->tells_new_capacity());
  EXPECT_EQ(lun->capacity(), 16 * kMiB);
  ASSERT_TRUE(lun->write(15 * kMiB, pattern(1, 4096)).good());
  must("rbd resize --no-progress " + image + " -s 24M");
  EXPECT_TRUE(lun->tells_new_capacity());
  EXPECT_EQ(lun->capacity(), 24 * kMiB);
  EXPECT_TRUE(lun->write(23 * kMiB, pattern(1, 4096)).good());
  must("rbd resize --no-progress --allow-shrink " + image + " -s 8M");
  EXPECT_TRUE(lun->tells_new_capacity());
  EXPECT_EQ(lun->capacity(), 8 * kMiB);
  EXPECT_TRUE(lun->read(15 * kMiB, 4096).check(0x05, 0x21, 0x00));
}

TEST_F(RbdLunTest, AnImageRemovedUnderTheLunMakesItNotReadyAndTheLunCanGo) {
  Pool pool;
  auto lun = open(make_image(pool.name(), 8 * kMiB), 8 * kMiB, "12");
  ASSERT_TRUE(lun->write(0, pattern(1, 4096)).good());
  pool.remove();
  Outcome outcome;
  EXPECT_TRUE(eventually(
      [&] {
        std::this_thread::sleep_for(100ms);
        outcome = lun->client().read(0, 8);
        return outcome.sense_key() == 0x02;
      },
      60s))
      << outcome.describe();
  EXPECT_LT(lun->take_down(), 25s);
}

TEST_F(RbdLunTest, ASnapshotIsTakenUnderTheLunAndRolledBackWithoutIt) {
  const std::string image = make_image("rbd", 8 * kMiB);
  auto lun = open(image, 8 * kMiB);
  ASSERT_TRUE(lun->write(0, pattern(1, 4096)).good());
  must("rbd snap create --no-progress " + image + "@then");
  ASSERT_TRUE(lun->write(0, pattern(2, 4096)).good());
  {
    auto then = open(image + "@then", 8 * kMiB);
    EXPECT_TRUE(then->read(0, 4096).data_in == pattern(1, 4096));
    EXPECT_TRUE(then->write(0, pattern(3, 4096)).check(0x07, 0x27, 0x00));
  }
  EXPECT_NE(shell("timeout 20 rbd snap rollback --no-progress " + image + "@then").status, 0)
      << "the LUN has the lock";
  EXPECT_TRUE(lun->read(0, 4096).data_in == pattern(2, 4096));
  lun.reset();
  must("rbd snap rollback --no-progress " + image + "@then");
  EXPECT_TRUE(open(image, 8 * kMiB)->read(0, 4096).data_in == pattern(1, 4096));
}

TEST_F(RbdLunTest, AClientThatTheAdministratorFencedComesBackByItself) {
  const std::string image = make_image("rbd", 8 * kMiB);
  auto lun = open(image, 8 * kMiB);
  ASSERT_TRUE(lun->write(0, pattern(1, 4096)).good());
  const auto status = nlohmann::json::parse(must("rbd status --format json " + image));
  for (const auto& watcher : status.at("watchers")) {
    must("ceph osd blocklist add " + watcher.at("address").get<std::string>());
  }
  EXPECT_TRUE(lun->write(4096, pattern(2, 4096)).good());
  EXPECT_TRUE(lun->read(0, 4096).data_in == pattern(1, 4096));
  EXPECT_TRUE(lun->read(4096, 4096).data_in == pattern(2, 4096));
  must("ceph osd blocklist clear");
}

TEST_F(RbdLunTest, AHungClusterCostsItsOwnLunAlone) {
  auto hung = open(make_image("rbd", 8 * kMiB), 8 * kMiB, "12");
  ASSERT_TRUE(hung->write(0, pattern(1, 4096)).good());
  const std::string file = ::testing::TempDir() + unique_name("neighbour");
  DeviceSpec neighbour;
  neighbour.name = "neighbour";
  neighbour.dev_config = "file/" + file + ";create";
  neighbour.bytes = 8 * kMiB;
  Lun other(kernel_, registry_, neighbour);
  ASSERT_EQ(other.opened(), 0);

  cluster("pause", "all");
  const Ticket waiting = hung->client().start_write(0, pattern(2, 4096));
  auto slowest = 0ns;
  for (int i = 0; i < 2000; ++i) {
    const auto begin = Clock::now();
    ASSERT_TRUE(other.client().write(static_cast<uint64_t>(i % 1024) * 8, pattern(3, 4096)).good());
    slowest = std::max<Clock::duration>(slowest, Clock::now() - begin);
  }
  EXPECT_LT(slowest, 1s);
  {
    DeviceSpec third = neighbour;
    third.name = "third";
    third.dev_config = "file/" + file + "2;create";
    const auto begin = Clock::now();
    Lun added(kernel_, registry_, third);
    EXPECT_EQ(added.opened(), 0);
    added.take_down();
    EXPECT_LT(Clock::now() - begin, 2s);
  }
  EXPECT_EQ(waiting.wait(30s).status, kBusy);
  cluster("resume", "all");
  EXPECT_TRUE(hung->write(0, pattern(4, 4096)).good());
  std::remove(file.c_str());
  std::remove((file + "2").c_str());
}

}  // namespace
}  // namespace tcmud::test
