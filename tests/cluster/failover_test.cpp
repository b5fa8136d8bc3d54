// SPDX-License-Identifier: Apache-2.0
//
// Two gateways to one image: each a process with a kernel of its own, that can be killed and
// stopped.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/ceph_tools.h"
#include "cluster/gateway.h"
#include "cluster/multipath_load.h"
#include "support/eventually.h"
#include "support/scsi_client.h"

namespace tcmud::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = MultipathLoad::Clock;

constexpr uint64_t kBytes = 8u << 20;
constexpr unsigned kWriters = 8;
constexpr int kActive = 0;       // active/optimized
constexpr seconds kPatience(5);  // longer than whoever waits for the lock's hold time
constexpr int kHoldSeconds = 3;  // the default of ;lock_hold

class Failover : public ::testing::Test {
 protected:
  void SetUp() override { must("rbd create " + image_ + " -s 8M"); }
  void TearDown() override {
    a_.reset();
    b_.reset();
    shell("rbd rm --no-progress " + image_);
    if (HasFailure()) {
      std::printf("%s", logs_.c_str());
    }
  }

  std::unique_ptr<Gateway> gateway(int group, const std::string& options = "") {
    return std::make_unique<Gateway>("rbd/" + image_ + ";conf=" + ceph_conf() + options, kBytes,
                                     group);
  }
  void start_both() {
    a_ = gateway(1);
    b_ = gateway(2);
  }
  void keep_logs() {
    logs_ = "---- gateway 1\n" + a_->log() + (b_ ? "---- gateway 2\n" + b_->log() : "");
  }
  std::unique_ptr<MultipathLoad> load(std::vector<Gateway*> paths, MultipathLoad::Policy policy,
                                      milliseconds patience = seconds(60)) {
    return std::make_unique<MultipathLoad>(std::move(paths), kBytes, kWriters, policy, patience);
  }
  static bool written(MultipathLoad& load, uint64_t count) {
    return eventually([&] { return load.done() >= count; }, seconds(60));
  }
  // As an initiator does, until it is done.
  static bool write_patiently(const Gateway& gateway, uint64_t lba, uint8_t seed) {
    return eventually(
        [&] {
          Nexus nexus(gateway);
          const auto outcome = nexus.write(lba, pattern(seed, 4096));
          return outcome && outcome->good();
        },
        seconds(30));
  }
  static Bytes read_patiently(const Gateway& gateway, uint64_t lba) {
    std::optional<Outcome> outcome;
    const bool done = eventually(
        [&] {
          Nexus nexus(gateway);
          outcome = nexus.read(lba, 4096 / 512);
          return outcome && outcome->good();
        },
        seconds(30));
    return done ? outcome->data_in : Bytes();
  }
  // The client that has the lock, as `rbd lock ls` names it.
  std::string owner() {
    const std::string lines = must("rbd lock ls " + image_ + " | tail -n 1");
    const size_t space = lines.find_last_of(' ');
    return lines.substr(space + 1, lines.find('\n') - space - 1);
  }
  // What the gateway logged of the last fence that it put up.
  static milliseconds fencing_time(const Gateway& gateway) {
    const std::string log = gateway.log();
    const std::string words = "fenced in ";
    const size_t at = log.rfind(words);
    return milliseconds(
        at == std::string::npos ? 0 : std::strtoul(log.c_str() + at + words.size(), nullptr, 10));
  }
  static size_t moves(const Gateway& gateway) { return gateway.logged("the lock is ours"); }
  static size_t fences(const Gateway& gateway) { return gateway.logged("fenced in"); }

  const std::string image_ = "rbd/" + unique_name("failover");
  std::unique_ptr<Gateway> a_;
  std::unique_ptr<Gateway> b_;
  std::string logs_;
};

TEST_F(Failover, the_owner_is_told_by_target_port_groups_and_by_the_image) {
  start_both();
  ASSERT_TRUE(write_patiently(*a_, 0, 1));
  Nexus to_a(*a_);
  Nexus to_b(*b_);
  for (Nexus* nexus : {&to_a, &to_b}) {
    EXPECT_TRUE(eventually([&] { return nexus->access_state(1) == kActive; }));
    EXPECT_NE(nexus->access_state(2), kActive);
  }
  const auto tag = [&] {
    const std::string line = must("rbd image-meta get " + image_ + " tcmu_rbd_locker_tag");
    return line.substr(0, line.find('\n'));
  };
  EXPECT_EQ(tag(), "tcmu_tag=1,rbd_client=" + owner());

  ASSERT_TRUE(write_patiently(*b_, 0, 2));
  for (Nexus* nexus : {&to_a, &to_b}) {
    EXPECT_TRUE(eventually([&] { return nexus->access_state(2) == kActive; }));
    EXPECT_NE(nexus->access_state(1), kActive);
  }
  EXPECT_TRUE(eventually([&] { return tag() == "tcmu_tag=2,rbd_client=" + owner(); })) << tag();
  EXPECT_EQ(fences(*b_), 0u) << "asked for, not taken";
  keep_logs();
}

TEST_F(Failover, a_killed_owner_is_replaced_within_five_seconds_and_nothing_is_lost) {
  start_both();
  auto initiator = load({a_.get(), b_.get()}, MultipathLoad::Policy::kFailover);
  initiator->start();
  ASSERT_TRUE(written(*initiator, 1000));
  a_->kill();
  const auto when = Clock::now();
  const milliseconds took = initiator->first_done_after(when, seconds(30));
  const milliseconds fencing = fencing_time(*b_);
  std::printf("taken over after %lld ms, %lld ms of which Ceph took to fence\n",
              static_cast<long long>(took.count()), static_cast<long long>(fencing.count()));
  EXPECT_LT(took - fencing, seconds(5));
  EXPECT_EQ(fences(*b_), 1u);
  ASSERT_TRUE(written(*initiator, initiator->done() + 1000));
  initiator->stop();
  keep_logs();
  EXPECT_TRUE(initiator->holds_through(*b_));
  EXPECT_TRUE(initiator->holds_in_export(image_));
}

// A host that hangs, and goes on later where it was.
TEST_F(Failover, writes_of_a_paused_owner_are_refused_when_it_goes_on) {
  for (int round = 0; round < 3 && !HasFailure(); ++round) {
    start_both();
    auto initiator = load({a_.get(), b_.get()}, MultipathLoad::Policy::kFailover, kPatience);
    initiator->start();
    ASSERT_TRUE(written(*initiator, 500));
    std::vector<std::unique_ptr<Nexus>> late;
    for (uint64_t at = 0; at < kBytes; at += 256 << 10) {
      late.push_back(std::make_unique<Nexus>(*a_));
    }
    // In the middle of the writers' writes, and with more on their way, all over the image.
    a_->pause();
    for (uint64_t i = 0; i < late.size(); ++i) {
      late[i]->send_write(i * 512, pattern(i + 7, 64 << 10));
    }
    ASSERT_TRUE(written(*initiator, initiator->done() + 2000)) << "by way of the other one";
    a_->resume();
    // By the cluster's word, or because it then hears that it is asked for it.
    EXPECT_TRUE(
        eventually([&] { return a_->logged("the lock is no longer ours") > 0; }, seconds(20)));
    ASSERT_TRUE(written(*initiator, initiator->done() + 200));
    initiator->stop();
    keep_logs();
    EXPECT_TRUE(initiator->holds_through(*b_));
    EXPECT_TRUE(initiator->holds_in_export(image_));
    EXPECT_EQ(fences(*b_), 1u);
    // It comes back as another client of the cluster, and gets the lock for the asking.
    EXPECT_TRUE(write_patiently(*a_, 0, 1));
    EXPECT_EQ(fences(*a_), 0u);
    a_.reset();
    b_.reset();
    must("rbd rm --no-progress " + image_ + " && rbd create " + image_ + " -s 8M");
  }
}

TEST_F(Failover, with_both_paths_in_use_the_lock_moves_no_more_often_than_its_hold_time_lets_it) {
  start_both();
  const char* wanted = std::getenv("TCMUD_PING_PONG_SECONDS");
  const int duration = wanted != nullptr ? std::atoi(wanted) : 60;
  auto initiator = load({a_.get(), b_.get()}, MultipathLoad::Policy::kAlternate);
  initiator->start();
  std::this_thread::sleep_for(seconds(duration));
  const size_t count = moves(*a_) + moves(*b_);
  initiator->stop();
  keep_logs();
  std::printf("%zu moves in %d s; %llu writes done, %llu times BUSY\n", count, duration,
              static_cast<unsigned long long>(initiator->done()),
              static_cast<unsigned long long>(initiator->repeated()));
  EXPECT_LE(count, static_cast<size_t>(duration / kHoldSeconds + 1));
  EXPECT_GE(count, static_cast<size_t>(duration / kHoldSeconds / 2)) << "both are to be served";
  EXPECT_EQ(fences(*a_) + fences(*b_), 0u);
  EXPECT_TRUE(initiator->holds_through(*a_));
  EXPECT_TRUE(initiator->holds_in_export(image_));
}

TEST_F(Failover, an_owner_that_an_administrator_fences_finds_back) {
  a_ = gateway(1);
  auto initiator = load({a_.get()}, MultipathLoad::Policy::kFailover);
  initiator->start();
  ASSERT_TRUE(written(*initiator, 500));
  must("ceph osd blocklist add " + owner());
  const auto when = Clock::now();
  ASSERT_TRUE(eventually([&] { return a_->logged("lost: ") == 1; }));
  EXPECT_LT(initiator->first_done_after(when, seconds(30)), seconds(10));
  ASSERT_TRUE(written(*initiator, initiator->done() + 500));
  initiator->stop();
  keep_logs();
  EXPECT_TRUE(initiator->holds_in_export(image_));
}

TEST_F(Failover, a_lock_that_an_administrator_removes_is_had_again) {
  a_ = gateway(1);
  auto initiator = load({a_.get()}, MultipathLoad::Policy::kFailover);
  initiator->start();
  ASSERT_TRUE(written(*initiator, 500));
  // Locker, ID and address are the columns of the last line; the ID has a space in it.
  must("rbd lock ls " + image_ +
       " | tail -n 1 | awk '{print \"\\\"\" $2 \" \" $3 \"\\\" \" $1}' | "
       "xargs rbd lock rm " +
       image_);
  ASSERT_TRUE(eventually([&] { return a_->logged("lost: ") == 1; }, seconds(30)));
  ASSERT_TRUE(written(*initiator, initiator->done() + 500));
  initiator->stop();
  keep_logs();
  EXPECT_TRUE(initiator->holds_in_export(image_));
}

// What one of them has written may be in its cache alone, and what the other one has cached may be
// older.
TEST_F(Failover, with_a_cache_nobody_reads_what_has_been_replaced_by_way_of_the_other_one) {
  // The default, writearound, keeps nothing for reads, and written data for moments only.
  must("rbd config image set " + image_ + " rbd_cache_policy writeback");
  a_ = gateway(1, ";cache;lock_hold=0");
  b_ = gateway(2, ";cache;lock_hold=0");
  ASSERT_TRUE(write_patiently(*a_, 8, 1));
  // librbd's cache writes through until an initiator shows that it knows how to flush.
  ASSERT_TRUE(Nexus(*a_).run(cdb::synchronize_cache_10(), {}, 0).value_or(Outcome()).good());
  for (uint8_t seed = 2; seed < 7; ++seed) {
    ASSERT_TRUE(write_patiently(*a_, 8, seed));
    ASSERT_TRUE(read_patiently(*b_, 8) == pattern(seed, 4096)) << "write " << int{seed};
  }
  keep_logs();
}

// What qemu, or `rbd bench`, would be: it neither listens nor gives it up for the asking.
TEST_F(Failover, another_program_that_has_the_lock_is_fenced) {
  a_ = gateway(1);
  must("{ rbd bench --io-type write --io-total 100G " + image_ + " >/dev/null 2>&1 & }; true");
  ASSERT_TRUE(eventually([&] { return !owner().empty(); }));
  EXPECT_TRUE(write_patiently(*a_, 0, 9));
  EXPECT_EQ(fences(*a_), 1u);
  keep_logs();
}

TEST_F(Failover, an_image_whose_lock_shuts_nobody_out_is_refused) {
  const auto why = [this] {
    try {
      a_ = gateway(1);
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string("served");
  };
  must("rbd feature disable " + image_ +
       " object-map fast-diff exclusive-lock 2>/dev/null || "
       "rbd feature disable " +
       image_ + " exclusive-lock");
  EXPECT_NE(why().find("lacks the feature exclusive-lock"), std::string::npos);
  must("rbd feature enable " + image_ + " exclusive-lock");
  must("rbd config image set " + image_ + " rbd_blocklist_on_break_lock false");
  EXPECT_NE(why().find("rbd_blocklist_on_break_lock=false"), std::string::npos);
  must("rbd config image remove " + image_ + " rbd_blocklist_on_break_lock");
  EXPECT_EQ(why(), "served");
}

TEST_F(Failover, an_image_that_loses_its_lock_under_the_lun_is_not_written_any_more) {
  a_ = gateway(1);
  ASSERT_TRUE(write_patiently(*a_, 0, 1));
  must("rbd feature disable " + image_ +
       " object-map fast-diff 2>/dev/null || true; "
       "rbd feature disable " +
       image_ + " exclusive-lock");
  ASSERT_TRUE(eventually([&] { return a_->logged("lost: ") == 1; }));
  Nexus nexus(*a_);
  const auto outcome = nexus.write(0, pattern(2, 4096));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, kStatusBusy);
  must("rbd feature enable " + image_ + " exclusive-lock");
  EXPECT_TRUE(write_patiently(*a_, 0, 3));
  keep_logs();
}

TEST_F(Failover, a_gateway_that_ends_leaves_the_lock_to_the_other_one) {
  start_both();
  ASSERT_TRUE(write_patiently(*a_, 0, 1));
  EXPECT_TRUE(a_->stop());
  const auto when = Clock::now();
  EXPECT_TRUE(write_patiently(*b_, 0, 2));
  EXPECT_LT(Clock::now() - when, seconds(1)) << "nobody is waited for";
  EXPECT_EQ(fences(*b_), 0u);
}

}  // namespace
}  // namespace tcmud::test
