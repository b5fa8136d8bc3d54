// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <optional>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "device/device.h"
#include "ram_handler.h"
#include "scsi/designator.h"
#include "support/eventually.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"
#include "unit/copy/lists.h"

// Third-party copies on LUNs as a whole, from the ring to the handler and back.
namespace tcmud::test {
namespace {

using namespace std::chrono_literals;
using device::Device;
using device::State;
using Model = RamControl::Model;

constexpr uint64_t kBytes = 8 << 20;
constexpr uint8_t kNone = 3;

// Requests stop here while it is shut.
class Gate {
 public:
  void shut() { set(false); }
  void open() { set(true); }
  void pass() {
    std::unique_lock lock(mutex_);
    ++came_;
    opened_.wait(lock, [this] { return open_; });
  }
  bool somebody_came() {
    const std::lock_guard lock(mutex_);
    return came_ > 0;
  }

 private:
  void set(bool open) {
    const std::lock_guard lock(mutex_);
    open_ = open;
    came_ = 0;
    opened_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = true;
  int came_ = 0;
};

class DeviceCopyTest : public ::testing::TestWithParam<Model> {
 protected:
  struct Lun {
    std::unique_ptr<Device> device;
    std::shared_ptr<FakeDevice> fake;
    std::unique_ptr<ScsiClient> client;
    Bytes naa;
  };

  DeviceCopyTest() {
    control_.model = GetParam();
    control_.separate = true;
    settings_.copies = std::make_shared<copy::CopyManager>();
    EXPECT_TRUE(registry_.add(ram_handler(control_)));
  }

  void SetUp() override {
    a_ = bring_up("aaaa");
    b_ = bring_up("bbbb");
  }

  Lun bring_up(const std::string& serial, std::chrono::milliseconds command_timeout = 0ms) {
    DeviceSpec spec;
    spec.dev_config = "ram/x";
    spec.name = serial;
    spec.serial = serial;
    spec.bytes = kBytes;
    spec.ring.command_timeout = command_timeout;
    auto added = kernel_.add_device(spec);
    auto event = kernel_.next_event();
    EXPECT_TRUE(event);
    Lun lun;
    lun.device = std::make_unique<Device>(kernel_, registry_, settings_, event->device,
                                          event->minor, nullptr);
    lun.device->add(std::move(event->reply));
    EXPECT_EQ(added.reply.wait(), 0);
    lun.fake = added.device;
    lun.client = std::make_unique<ScsiClient>(*lun.fake);
    const auto naa = *scsi::naa_of(serial);
    lun.naa.assign(naa.begin(), naa.end());
    return lun;
  }

  static void shut_down(Lun& lun) {
    if (lun.device == nullptr) {
      return;
    }
    lun.device->shut_down(std::chrono::steady_clock::now() + 10s);
    EXPECT_TRUE(eventually([&] { return lun.device->state() == State::kClosed; }));
    lun.device.reset();
  }

  void TearDown() override {
    gate_.open();
    shut_down(a_);
    shut_down(b_);
    EXPECT_EQ(control_.opened, control_.closed);
  }

  static Ticket third_party_out(Lun& lun, uint8_t action, const Bytes& list, uint32_t id = 0) {
    Cdb cdb(16);
    cdb[0] = 0x83;
    cdb[1] = action;
    store_be32(&cdb[6], id);
    store_be32(&cdb[10], static_cast<uint32_t>(list.size()));
    return lun.fake->submit(cdb, list);
  }
  static Ticket start_copy(Lun& home, const Bytes& list) { return third_party_out(home, 0, list); }
  static Outcome copy(Lun& home, const Bytes& list) { return start_copy(home, list).wait(); }
  static Ticket start_populate(Lun& lun, uint32_t id, const std::vector<TokenRange>& ranges) {
    return third_party_out(lun, 0x10, populate_list(ranges), id);
  }
  static Outcome write_using_token(Lun& lun, const Bytes& list, uint32_t id = 99) {
    return third_party_out(lun, 0x11, list, id).wait();
  }
  static Outcome information(Lun& lun, uint32_t id, uint32_t length = 1024) {
    Cdb cdb(16);
    cdb[0] = 0x84;
    cdb[1] = 0x07;
    store_be32(&cdb[2], id);
    store_be32(&cdb[10], length);
    return lun.fake->run(cdb, {}, length);
  }
  static Bytes token(Lun& lun, uint32_t id) {
    const Bytes data = information(lun, id).data_in;
    return data.size() < 550 ? Bytes(512) : Bytes(data.begin() + 38, data.begin() + 550);
  }
  Bytes token_of(Lun& lun, const std::vector<TokenRange>& ranges) {
    const uint32_t id = ++last_id_;
    EXPECT_TRUE(start_populate(lun, id, ranges).wait().good());
    return token(lun, id);
  }
  // Everything from `from` on in A to `to` in B, in pieces.
  Bytes a_to_b(uint16_t blocks = 2048, uint64_t from = 0, uint64_t to = 0) const {
    return xcopy_list(0, kNone, {cscd(a_.naa, 512), cscd(b_.naa, 512)}, {{0, 1, blocks, from, to}});
  }

  RamControl control_;
  plugin::Registry registry_;
  device::Settings settings_;
  FakeKernel kernel_;
  Gate gate_;
  Lun a_, b_;
  uint32_t last_id_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Models, DeviceCopyTest,
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

TEST_P(DeviceCopyTest, CopiesBetweenLunsWhicheverIsAsked) {
  const Bytes data = pattern(1, 1 << 20);
  ASSERT_TRUE(a_.client->write(16, data).good());
  ASSERT_TRUE(copy(a_, a_to_b(2048, 16, 32)).good());
  EXPECT_EQ(b_.client->read(32, 2048).data_in, data);
  ASSERT_TRUE(copy(b_, a_to_b(2048, 16, 4096)).good());
  EXPECT_EQ(b_.client->read(4096, 2048).data_in, data);
}

TEST_P(DeviceCopyTest, CopiesWithinALunWhereTheTwoOverlap) {
  const Bytes data = pattern(2, 1 << 20);
  const auto move = [this](uint64_t from, uint64_t to) {
    return copy(a_, xcopy_list(0, kNone, {cscd(a_.naa, 512)}, {{0, 0, 2048, from, to}}));
  };
  ASSERT_TRUE(a_.client->write(0, data).good());
  ASSERT_TRUE(move(0, 8).good());
  EXPECT_EQ(a_.client->read(8, 2048).data_in, data);
  ASSERT_TRUE(move(8, 1).good());
  EXPECT_EQ(a_.client->read(1, 2048).data_in, data);
}

TEST_P(DeviceCopyTest, TheKthRequestFailsForEveryK) {
  const Bytes old = pattern(3, 1 << 20);
  const Bytes data = pattern(4, 1 << 20);
  ASSERT_TRUE(a_.client->write(0, data).good());
  std::atomic<int> failing{0};
  control_.verdict_of = [&failing](uint64_t, const tcmud_request& request) {
    const bool fails =
        (request.op == TCMUD_OP_READ || request.op == TCMUD_OP_WRITE) && failing.fetch_sub(1) == 1;
    return fails ? request.op == TCMUD_OP_READ ? TCMUD_READ_ERROR : TCMUD_WRITE_ERROR : TCMUD_OK;
  };
  constexpr int kRequests = 2 * 4;  // 1 MiB in pieces of 256 KiB
  for (int k = 1; k <= kRequests + 1; ++k) {
    failing = 0;
    ASSERT_TRUE(b_.client->write(1024, old).good());
    failing = k;
    const Outcome outcome = copy(a_, a_to_b(2048, 0, 1024));
    failing = 0;
    if (k > kRequests) {
      ASSERT_TRUE(outcome.good()) << outcome.describe();
      EXPECT_EQ(b_.client->read(1024, 2048).data_in, data);
      break;
    }
    ASSERT_TRUE(outcome.check(0x0A, 0x0D, 0x01)) << k << outcome.describe();
    const Bytes got = b_.client->read(1024, 2048).data_in;
    for (size_t at = 0; at < got.size(); at += 512) {
      ASSERT_TRUE(std::equal(&got[at], &got[at] + 512, &old[at]) ||
                  std::equal(&got[at], &got[at] + 512, &data[at]));
    }
  }
  const Bytes beside = b_.client->read(0, 1024).data_in;
  EXPECT_TRUE(std::all_of(beside.begin(), beside.end(), [](uint8_t b) { return b == 0; }));
}

TEST_P(DeviceCopyTest, AWriteProtectedDestinationIsAFailureOfIts) {
  const Bytes sensed = b_.fake->run(cdb::mode_sense_6(0x0A), {}, 255).data_in;
  ASSERT_GE(sensed.size(), 24U);
  Bytes list(4, 0);
  const size_t page = 4U + sensed[3];
  list.insert(list.end(), sensed.begin() + static_cast<long>(page),
              sensed.begin() + static_cast<long>(page) + 12);
  list[4] &= 0x3F;
  list[8] |= 0x08;  // SWP
  ASSERT_TRUE(b_.fake->run(cdb::mode_select_6(16), list).good());
  EXPECT_TRUE(copy(a_, a_to_b()).check(0x0A, 0x0D, 0x01));
  EXPECT_EQ(control_.writes, 0U);
}

TEST_P(DeviceCopyTest, ATokenCarriesDataToAnotherLun) {
  const Bytes data = pattern(5, 512 << 10);
  ASSERT_TRUE(a_.client->write(100, data).good());
  const Bytes rod = token_of(a_, {{100, 1024}});
  ASSERT_TRUE(write_using_token(b_, write_list(rod, {{0, 24}, {2000, 1000}})).good());
  EXPECT_EQ(b_.client->read(0, 24).data_in, Bytes(data.begin(), data.begin() + 24 * 512));
  EXPECT_EQ(b_.client->read(2000, 1000).data_in, Bytes(data.begin() + 24 * 512, data.end()));
  const Bytes told = information(b_, 99).data_in;
  ASSERT_GE(told.size(), 32U);
  EXPECT_EQ(told[5], 0x01);
  EXPECT_EQ(load_be64(&told[16]), 1024U);
}

TEST_P(DeviceCopyTest, EveryKindOfWriteRevokesATokenAndReadsDoNot) {
  ASSERT_TRUE(a_.client->write(0, pattern(6, 64 << 10)).good());
  const Bytes one = pattern(7, 512);
  const BlockRange unmapped{5, 1};
  using Send = std::function<Outcome()>;
  const std::vector<std::pair<const char*, Send>> writes{
      {"WRITE", [&] { return a_.client->write(5, one); }},
      {"COMPARE AND WRITE",
       [&] { return a_.client->compare_and_write(5, a_.client->read(5, 1).data_in, one); }},
      {"WRITE AND VERIFY", [&] { return a_.fake->run(cdb::write_and_verify_16(5, 1, 0x02), one); }},
      {"WRITE SAME", [&] { return a_.client->write_same(0, 8, one); }},
      {"WRITE SAME of zeroes", [&] { return a_.client->write_same(0, 8, Bytes(512)); }},
      {"UNMAP",
       [&] {
         return a_.client->unmap({&unmapped, 1});
       }},
      {"EXTENDED COPY",
       [&] {
         return copy(b_, xcopy_list(0, kNone, {cscd(a_.naa, 512)}, {{0, 0, 1, 64, 5}}));
       }},
      {"WRITE USING TOKEN", [&] {
         return write_using_token(a_, write_list(token_of(a_, {{64, 1}}), {{5, 1}}), 98);
       }}};
  for (const auto& [name, send] : writes) {
    const Bytes list = write_list(token_of(a_, {{4, 4}}), {{0, 4}});
    ASSERT_TRUE(a_.client->read(4, 4).good());
    ASSERT_TRUE(a_.client->write(8, one).good());
    ASSERT_TRUE(a_.client->flush().good());
    ASSERT_TRUE(write_using_token(b_, list).good()) << name;
    ASSERT_TRUE(send().good()) << name;
    const Outcome outcome = write_using_token(b_, list);
    EXPECT_TRUE(outcome.check(0x05, 0x23, 0x06)) << name << ": " << outcome.describe();
  }
}

TEST_P(DeviceCopyTest, ATokenWaitsForWritesUnderWayAndIsRevokedByThoseBehindIt) {
  if (GetParam() == Model::kInline) {
    gate_.open();  // such a handler never has a write under way: one behind the other
  } else {
    gate_.shut();
  }
  control_.verdict_of = [this](uint64_t, const tcmud_request& request) {
    if (request.op == TCMUD_OP_WRITE) {
      gate_.pass();
    }
    return TCMUD_OK;
  };
  const Bytes first = pattern(8, 4096);
  const Bytes second = pattern(9, 4096);
  const Ticket before = a_.client->start_write(0, first);
  ASSERT_TRUE(eventually([this, &before] { return gate_.somebody_came() || before.ready(); }));
  const Ticket populate = start_populate(a_, 1, {{0, 8}});
  const Ticket behind = a_.client->start_write(0, second);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(populate.ready(), GetParam() == Model::kInline);
  gate_.open();
  ASSERT_TRUE(before.wait().good());
  ASSERT_TRUE(populate.wait().good());
  ASSERT_TRUE(behind.wait().good());
  EXPECT_TRUE(write_using_token(b_, write_list(token(a_, 1), {{0, 8}})).check(0x05, 0x23, 0x06));
  EXPECT_EQ(a_.client->read(0, 8).data_in, second);
}

TEST_P(DeviceCopyTest, OtherCommandsGoOnWhileACopyDoes) {
  control_.verdict_of = [this](uint64_t disk, const tcmud_request& request) {
    if (disk == 1 && request.op == TCMUD_OP_WRITE) {
      gate_.pass();
    }
    return TCMUD_OK;
  };
  gate_.shut();
  const Ticket going = start_copy(a_, a_to_b());
  ASSERT_TRUE(eventually([this] { return gate_.somebody_came(); }));
  EXPECT_TRUE(a_.client->write(5000, pattern(1, 512)).good());
  EXPECT_TRUE(a_.client->read(5000, 1).good());
  EXPECT_FALSE(going.ready());
  gate_.open();
  EXPECT_TRUE(going.wait().good());
}

TEST_P(DeviceCopyTest, ALunClosesThoughTheOtherOneOfItsCopyHangs) {
  control_.verdict_of = [this](uint64_t disk, const tcmud_request& request) {
    if (disk == 1 && request.op == TCMUD_OP_WRITE) {
      gate_.pass();
    }
    return TCMUD_OK;
  };
  gate_.shut();
  const Ticket going = start_copy(a_, a_to_b());
  ASSERT_TRUE(eventually([this] { return gate_.somebody_came(); }));
  shut_down(a_);
  EXPECT_TRUE(going.wait().check(0x0B, 0x00, 0x00));
  gate_.open();
}

TEST_P(DeviceCopyTest, ACopyEndsWhenTheOtherLunIsRemoved) {
  control_.verdict_of = [this](uint64_t disk, const tcmud_request& request) {
    if (disk == 0 && request.op == TCMUD_OP_READ) {
      gate_.pass();
    }
    return TCMUD_OK;
  };
  gate_.shut();
  const Ticket going = start_copy(a_, a_to_b());
  ASSERT_TRUE(eventually([this] { return gate_.somebody_came(); }));
  shut_down(b_);
  gate_.open();
  const Outcome outcome = going.wait();
  EXPECT_TRUE(outcome.check(0x0A, 0x0D, 0x02)) << outcome.describe();
}

// The results of A's copy know the LUN that B was before.
TEST_P(DeviceCopyTest, ALunThatWasOpenedAgainIsFoundAgain) {
  const Bytes data = pattern(1, 4096);
  ASSERT_TRUE(a_.client->write(0, data).good());
  const auto list = xcopy_list(7, 0, {cscd(a_.naa, 512), cscd(b_.naa, 512)}, {{0, 1, 8, 0, 0}});
  ASSERT_TRUE(copy(a_, list).good());
  auto reply = kernel_.remove_device(b_.fake);
  auto event = kernel_.next_event();
  ASSERT_TRUE(event);
  b_.device->remove(std::move(event->reply));
  ASSERT_EQ(reply.wait(), 0);
  EXPECT_TRUE(copy(a_, xcopy_list(0, kNone, {cscd(b_.naa, 512)}, {{0xFFFF, 0, 8, 0, 8}}))
                  .check(0x0A, 0x0D, 0x02));
  b_ = bring_up("bbbb");
  const Outcome outcome =
      copy(a_, xcopy_list(0, kNone, {cscd(b_.naa, 512)}, {{0xFFFF, 0, 8, 0, 8}}));
  ASSERT_TRUE(outcome.good()) << outcome.describe();
  EXPECT_EQ(b_.client->read(8, 8).data_in, data);
}

TEST_P(DeviceCopyTest, AnAbortedCopyIsAnsweredWhenNothingOfItIsUnderWay) {
  control_.verdict_of = [this](uint64_t disk, const tcmud_request& request) {
    if (disk == 1 && request.op == TCMUD_OP_WRITE) {
      gate_.pass();
    }
    return TCMUD_OK;
  };
  gate_.shut();
  const Ticket going = start_copy(a_, a_to_b(16000));
  ASSERT_TRUE(eventually([this] { return gate_.somebody_came(); }));
  a_.fake->task_management(1, {&going, 1});
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(going.ready());
  gate_.open();
  EXPECT_TRUE(going.wait().check(0x0B, 0x00, 0x00)) << going.wait().describe();
  EXPECT_LT(control_.writes, 16000U / 512);
}

TEST_P(DeviceCopyTest, CopiesInBothDirectionsAndManyAtOnceAllEnd) {
  ASSERT_TRUE(a_.client->write(0, pattern(1, 1 << 20)).good());
  std::vector<Ticket> going;
  for (uint64_t i = 0; i < 8; ++i) {
    going.push_back(start_copy(a_, a_to_b(1024, 0, 4096 + i * 1024)));
    going.push_back(start_copy(b_, xcopy_list(0, kNone, {cscd(a_.naa, 512), cscd(b_.naa, 512)},
                                              {{1, 0, 1024, 0, 4096 + i * 1024}})));
  }
  for (const Ticket& ticket : going) {
    const Outcome& outcome = ticket.wait();
    EXPECT_TRUE(outcome.good() || outcome.status == 0x28) << outcome.describe();
  }
  EXPECT_TRUE(going.front().wait().good());
  EXPECT_EQ(b_.client->read(4096, 1024).data_in, a_.client->read(0, 1024).data_in);
}

TEST_P(DeviceCopyTest, ASlowCopyIsAnsweredBeforeTheKernelDoesIt) {
  Lun slow = bring_up("cccc", 1000ms);
  std::mutex one_by_one;
  control_.verdict_of = [&one_by_one](uint64_t disk, const tcmud_request&) {
    if (disk == 2) {
      const std::lock_guard lock(one_by_one);
      std::this_thread::sleep_for(20ms);
    }
    return TCMUD_OK;
  };
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = copy(
      slow,
      xcopy_list(0, kNone, {}, {{0xFFFF, 0xFFFF, 8000, 0, 8000}, {0xFFFF, 0xFFFF, 8000, 0, 8000}}));
  EXPECT_TRUE(outcome.check(0x0A, 0x00, 0x00)) << outcome.describe();
  EXPECT_GT(std::chrono::steady_clock::now() - begin, 500ms);
  control_.verdict_of = nullptr;
  shut_down(slow);
}

// ---- Who may name whom

constexpr const char* kGroup = "iscsi/iqn.x:target/tpgt_1";
constexpr const char* kOne = "iqn.x:one";
constexpr const char* kTwo = "iqn.x:two";

// The daemon's default: only LUNs that everybody reaches who reaches the one that is asked.
class WaysOfDevices : public DeviceCopyTest {
 protected:
  WaysOfDevices() { settings_.ways = std::make_shared<device::WayReader>(kernel_.fabrics()); }

  // One portal group has both, and needs ACLs.
  void SetUp() override {
    DeviceCopyTest::SetUp();
    fabrics_.set_attribute(std::string(kGroup) + "/enable", "1");
    fabrics_.set_attribute(std::string(kGroup) + "/attrib/generate_node_acls", "0");
    fabrics_.add_lun(kGroup, "lun_0", a_.fake->device_name().lun());
    fabrics_.add_lun(kGroup, "lun_1", b_.fake->device_name().lun());
    map(kOne, "lun_0");
    map(kOne, "lun_1");
  }
  void map(const char* initiator, const char* lun, bool write_protect = false) {
    fabrics_.map(kGroup, initiator, lun, write_protect);
  }
  static std::string acl(const char* initiator) {
    return std::string(kGroup) + "/acls/" + initiator;
  }
  Outcome from_a() { return copy(a_, a_to_b(8)); }
  Outcome from_b() { return copy(b_, a_to_b(8)); }
  static bool is_refused(const Outcome& outcome) { return outcome.check(0x0A, 0x0D, 0x02); }
  // What was changed counts for copies that come a second later.
  static void outwait() { std::this_thread::sleep_for(1010ms); }

  FakeFabrics& fabrics_ = kernel_.fabric_tree();
};

INSTANTIATE_TEST_SUITE_P(Models, WaysOfDevices, ::testing::Values(Model::kInline, Model::kPool),
                         [](const auto& model) {
                           return model.param == Model::kPool ? "pool" : "inline";
                         });

TEST_P(WaysOfDevices, WhoReachesBothMayCopyUntilSomebodyReachesOneAlone) {
  const Bytes data = pattern(1, 4096);
  ASSERT_TRUE(a_.client->write(0, data).good());
  ASSERT_TRUE(from_a().good());
  EXPECT_EQ(b_.client->read(0, 8).data_in, data);
  ASSERT_TRUE(from_b().good());
  map(kTwo, "lun_0");
  outwait();
  EXPECT_TRUE(is_refused(from_a()));
  EXPECT_TRUE(from_b().good());  // he doesn't reach B
  fabrics_.remove(acl(kTwo));
  outwait();
  EXPECT_TRUE(from_a().good());
}

TEST_P(WaysOfDevices, AMappingThatWasTakenAwayCountsAfterASecond) {
  ASSERT_TRUE(from_a().good());
  fabrics_.remove(acl(kOne) + "/lun_1");
  outwait();
  EXPECT_TRUE(is_refused(from_a()));
  EXPECT_TRUE(is_refused(from_b()));  // nobody can have sent it
  // A LUN may always be copied within itself.
  EXPECT_TRUE(copy(a_, xcopy_list(0, kNone, {cscd(a_.naa, 512)}, {{0, 0, 8, 0, 64}})).good());
}

TEST_P(WaysOfDevices, AWriteProtectedMappingIsGoodForReadingOnly) {
  map(kOne, "lun_1", true);
  EXPECT_TRUE(is_refused(from_a()));
  EXPECT_TRUE(
      copy(a_, xcopy_list(0, kNone, {cscd(a_.naa, 512), cscd(b_.naa, 512)}, {{1, 0, 8, 0, 64}}))
          .good());
  map(kOne, "lun_1", false);
  outwait();
  EXPECT_TRUE(from_a().good());
}

TEST_P(WaysOfDevices, WithinASecondOneReadingIsEnoughForAllLuns) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(from_a().good());
    ASSERT_TRUE(from_b().good());
  }
  const auto seconds = (std::chrono::steady_clock::now() - begin) / 1s;
  EXPECT_LE(fabrics_.walks(), 2 * (seconds + 1));
  EXPECT_GE(fabrics_.walks(), 1);
}

TEST_P(WaysOfDevices, WhoNamesNoOtherLunNeverWaitsForConfigfs) {
  fabrics_.hang(true);
  EXPECT_TRUE(copy(a_, xcopy_list(0, kNone, {cscd(a_.naa, 512)}, {{0, 0, 8, 0, 64}})).good());
  EXPECT_TRUE(write_using_token(b_, write_list(token_of(a_, {{0, 8}}), {{0, 8}})).good());
  EXPECT_EQ(fabrics_.walks(), 0);
  fabrics_.hang(false);
}

// An rmdir has its directory locked until commands of the LUN are answered; so does an rm of the
// link that exports it. If the copy waited for that directory, both would wait for ever.
TEST_P(WaysOfDevices, ACopyIsAnsweredThoughConfigfsIsLockedAndOtherCommandsGoOn) {
  fabrics_.hang(true);
  const Ticket waiting = start_copy(a_, a_to_b(8));
  EXPECT_TRUE(a_.client->write(100, pattern(1, 512)).good());
  EXPECT_TRUE(a_.client->read(100, 1).good());
  EXPECT_FALSE(waiting.ready());
  EXPECT_TRUE(is_refused(waiting.wait()));
  fabrics_.hang(false);
  outwait();
  EXPECT_TRUE(from_a().good());
}

TEST_P(WaysOfDevices, ALunThatClosesAnswersACopyThatWaitsForConfigfs) {
  fabrics_.hang(true);
  const Ticket waiting = start_copy(a_, a_to_b(8));
  ASSERT_TRUE(eventually([this] { return fabrics_.walks() > 0; }));
  shut_down(a_);
  const Outcome outcome = waiting.wait();
  EXPECT_TRUE(outcome.status == 0x08 || is_refused(outcome)) << outcome.describe();
  fabrics_.hang(false);
}

TEST_P(DeviceCopyTest, LunsOfADaemonWithoutCopiesHaveNoneOfTheCommands) {
  settings_.copies = nullptr;
  Lun plain = bring_up("dddd");
  EXPECT_EQ(plain.fake->run(cdb::inquiry(), {}, 96).data_in.at(5) & 0x08, 0);  // 3PC
  EXPECT_TRUE(plain.fake->run(cdb::inquiry_vpd(0x8F), {}, 255).check(0x05, 0x24, 0x00));
  EXPECT_TRUE(
      third_party_out(plain, 0x10, populate_list({{0, 8}}), 1).wait().check(0x05, 0x20, 0x00));
  // Nor can others name it.
  EXPECT_TRUE(copy(a_, xcopy_list(0, kNone, {cscd(plain.naa, 512)}, {{0xFFFF, 0, 8, 0, 8}}))
                  .check(0x0A, 0x0D, 0x02));
  EXPECT_TRUE(
      copy(plain, xcopy_list(0, kNone, {}, {{0xFFFF, 0xFFFF, 8, 0, 8}})).check(0x05, 0x20, 0x00));
  shut_down(plain);
}

}  // namespace
}  // namespace tcmud::test
