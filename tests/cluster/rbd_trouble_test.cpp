// SPDX-License-Identifier: Apache-2.0
//
// The rbd handler on a cluster in trouble: what initiators are told, and how it comes back.
#include <chrono>
#include <thread>

#include "cluster/rbd_fixture.h"
#include "conformance/cases.h"

namespace tcmud::conformance {

ImageMaker* image_maker() {
  return nullptr;
}

namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using test::cluster;
using test::must;

class RbdTrouble : public RbdTest {
 protected:
  void TearDown() override {
    cluster("resume", "all");
    RbdTest::TearDown();
  }
  // Fences each client that has the image open, as an administrator may.
  void fence() { fence(image_); }
  void fence(const std::string& image) {
    must("rbd status " + image +
         " | sed -n 's/.*watcher=\\([^ ]*\\) .*/\\1/p' | xargs -n 1 ceph osd blocklist add");
  }
  void unfence() { must("ceph osd blocklist clear"); }
};

TEST_F(RbdTrouble, a_client_that_an_administrator_fenced_opens_the_image_as_another_one) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  for (uint8_t round = 1; round <= 3; ++round) {
    ASSERT_EQ(write(*lun_, 0, kSize, round), TCMUD_OK);
    fence();
    const auto began = steady_clock::now();
    EXPECT_EQ(write_patiently(*lun_, 4096, 4096, 99), TCMUD_OK);
    EXPECT_LT(steady_clock::now() - began, seconds(10));
    EXPECT_TRUE(state_is(*lun_, TCMUD_BACKEND_UP));
    EXPECT_TRUE(holds(*lun_, 0, 4096, round));
    EXPECT_TRUE(holds(*lun_, 4096, 4096, 99));
  }
  unfence();
}

TEST_F(RbdTrouble, an_image_that_is_gone_is_told_and_served_again_when_it_is_back) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  ASSERT_EQ(write(*lun_, 0, 4096, 1), TCMUD_OK);
  const std::string aside = image_ + "-aside";
  must("rbd rename " + image_ + " " + aside);
  fence(aside);
  ASSERT_TRUE(test::eventually([&] { return write(*lun_, 0, 4096, 2) == TCMUD_NOT_READY; }));
  EXPECT_TRUE(state_is(*lun_, TCMUD_BACKEND_GONE));
  EXPECT_NE(lun_->backend_state().second.find(image_), std::string::npos)
      << lun_->backend_state().second;
  EXPECT_EQ(lun_->run(*Request::read(0, 512)), TCMUD_NOT_READY);
  must("rbd rename " + aside + " " + image_);
  EXPECT_TRUE(state_is(*lun_, TCMUD_BACKEND_UP));
  EXPECT_EQ(write_patiently(*lun_, 0, 4096, 3), TCMUD_OK);
  unfence();
}

TEST_F(RbdTrouble, a_lun_whose_image_was_removed_closes_at_once) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  fence();
  ASSERT_TRUE(test::eventually(
      [&] { return test::shell("rbd rm --no-progress " + image_).status == 0; }, seconds(60)));
  ASSERT_TRUE(test::eventually([&] { return write(*lun_, 0, 4096, 2) == TCMUD_NOT_READY; }));
  const auto began = steady_clock::now();
  lun_.reset();
  EXPECT_LT(steady_clock::now() - began, seconds(5));
  unfence();
}

TEST_F(RbdTrouble, osds_that_hang_cost_a_bounded_time_and_are_told) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  lun_->set_command_timeout(4);
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  cluster("pause", "0");
  const auto began = steady_clock::now();
  EXPECT_EQ(write(*lun_, 0, 4096, 2), TCMUD_TIMEOUT);
  EXPECT_EQ(lun_->run(*Request::read(4096, 4096)), TCMUD_TIMEOUT);
  EXPECT_LT(steady_clock::now() - began, seconds(10));
  EXPECT_TRUE(state_is(*lun_, TCMUD_BACKEND_SLOW));
  EXPECT_NE(lun_->backend_state().second.find("OSD"), std::string::npos);
  cluster("resume", "0");
  EXPECT_EQ(write_patiently(*lun_, 0, 4096, 2), TCMUD_OK);
  EXPECT_TRUE(state_is(*lun_, TCMUD_BACKEND_UP));
  EXPECT_TRUE(holds(*lun_, 0, 4096, 2));
  EXPECT_TRUE(holds(*lun_, 4096, kSize - 4096, 1));
}

TEST_F(RbdTrouble, a_lun_on_a_hung_cluster_closes_in_a_bounded_time) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  lun_->set_command_timeout(4);
  ASSERT_EQ(write(*lun_, 0, 4096, 1), TCMUD_OK);
  cluster("pause", "all");
  EXPECT_EQ(write(*lun_, 0, 4096, 2), TCMUD_TIMEOUT);
  const auto began = steady_clock::now();
  lun_.reset();
  const auto took = steady_clock::now() - began;
  std::printf("closed after %.1f s\n", std::chrono::duration<double>(took).count());
  EXPECT_LT(took, seconds(30));
}

TEST_F(RbdTrouble, opening_on_a_hung_cluster_ends_with_a_reason) {
  make_image();
  cluster("pause", "mon");
  const auto began = steady_clock::now();
  EXPECT_EQ(open(";nolock;mon_op_timeout=3"), nullptr);
  EXPECT_NE(why_.find("monitors"), std::string::npos) << why_;
  EXPECT_LT(steady_clock::now() - began, seconds(15));
}

// Blocked writes would look like a dead LUN; this is what thin provisioned LUNs say when there is
// no more space, and reading goes on.
TEST_F(RbdTrouble, a_full_pool_refuses_what_needs_space_and_nothing_else) {
  const std::string pool = test::unique_name("small");
  must("ceph osd pool create " + pool + " 1; rbd pool init " + pool);
  image_ = pool + "/image";
  make_image();
  must("ceph osd pool set-quota " + pool + " max_bytes 4194304");
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  lun_->set_command_timeout(12);
  ASSERT_EQ(write(*lun_, 0, 6u << 20, 5), TCMUD_OK);
  // It counts when the manager has told the monitors of the pool's use.
  ASSERT_TRUE(test::eventually(
      [&] { return must("ceph health detail").find(pool + "' is full") != std::string::npos; },
      seconds(60)));
  ASSERT_TRUE(test::eventually(
      [&] { return write(*lun_, kSize - (64 << 10), 64 << 10, 6) == TCMUD_NO_SPACE; },
      seconds(30)));
  EXPECT_EQ(lun_->backend_state().first, TCMUD_BACKEND_UP);
  EXPECT_TRUE(holds(*lun_, 0, 64 << 10, 5));
  EXPECT_EQ(write(*lun_, 0, 64 << 10, 7), TCMUD_OK) << "what has its space can be written again";
  EXPECT_EQ(lun_->run(*Request::unmap({{0, 4u << 20}})), TCMUD_OK) << "and space can be given back";
  must("ceph osd pool set-quota " + pool + " max_bytes 0");
  ASSERT_TRUE(test::eventually(
      [&] { return write(*lun_, kSize - (64 << 10), 64 << 10, 6) == TCMUD_OK; }, seconds(30)));
  EXPECT_TRUE(holds(*lun_, kSize - (64 << 10), 64 << 10, 6));
  lun_.reset();
  must("rbd rm --no-progress " + image_);
  image_.clear();
}

TEST_F(RbdTrouble, an_osd_that_restarts_costs_nothing_but_time) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  std::vector<std::unique_ptr<Request>> requests;
  cluster("stop-osd", "0");
  for (uint64_t at = 0; at < kSize; at += 256 << 10) {
    requests.push_back(Request::write(at, std::vector<uint8_t>(256 << 10, 2)));
    lun_->submit(*requests.back());
  }
  cluster("start-osd", "0");
  for (auto& request : requests) {
    ASSERT_TRUE(lun_->wait(*request, seconds(60)));
    EXPECT_EQ(request->status, TCMUD_OK);
  }
  EXPECT_TRUE(holds(*lun_, 0, kSize, 2));
}

TEST_F(RbdTrouble,
       a_snapshot_is_rolled_back_under_a_lun_that_reads_and_refused_under_one_that_writes) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  must("rbd snap create --no-progress " + image_ + "@then");
  ASSERT_EQ(write(*lun_, 0, kSize, 2), TCMUD_OK);
  EXPECT_NE(test::shell("rbd snap rollback --no-progress " + image_ + "@then").status, 0);
  EXPECT_TRUE(holds(*lun_, 0, kSize, 2));
  lun_.reset();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  EXPECT_TRUE(holds(*lun_, 0, kSize, 2));
  must("rbd snap rollback --no-progress " + image_ + "@then");
  EXPECT_TRUE(holds(*lun_, 0, kSize, 1));
  EXPECT_EQ(write_patiently(*lun_, 0, 4096, 3), TCMUD_OK);
}

}  // namespace
}  // namespace tcmud::conformance
