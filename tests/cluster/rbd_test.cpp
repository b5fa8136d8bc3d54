// SPDX-License-Identifier: Apache-2.0
//
// The rbd handler through its C face, on a cluster that is well: what an administrator and an
// initiator meet.
#include <cstdlib>
#include <fstream>

#include <unistd.h>

#include "cluster/rbd_fixture.h"
#include "conformance/cases.h"

namespace tcmud::conformance {

ImageMaker* image_maker() {
  return nullptr;
}

namespace {

using test::must;

class Rbd : public RbdTest {};

std::unique_ptr<Request> compare_and_write(uint64_t offset, std::vector<uint8_t> expected,
                                           const std::vector<uint8_t>& data, uint32_t vectors) {
  const uint64_t length = expected.size();
  expected.insert(expected.end(), data.begin(), data.end());
  auto request = Request::write(offset, expected, vectors);
  request->c.op = TCMUD_OP_COMPARE_AND_WRITE;
  request->c.length = length;
  return request;
}

std::unique_ptr<Request> write_same(uint64_t offset, uint64_t length,
                                    const std::vector<uint8_t>& block) {
  auto request = Request::write(offset, block);
  request->c.op = TCMUD_OP_WRITE_SAME;
  request->c.length = length;
  return request;
}

TEST_F(Rbd, what_is_not_there_is_refused_with_cause_and_remedy) {
  EXPECT_EQ(open(), nullptr);
  EXPECT_NE(why_.find("rbd create"), std::string::npos) << why_;
  make_image();
  EXPECT_EQ(open(";nolock", 2 * kSize), nullptr);
  EXPECT_NE(why_.find(std::to_string(kSize)), std::string::npos) << why_;
  EXPECT_NE(why_.find("rbd resize"), std::string::npos) << why_;
  EXPECT_EQ(Lun::open("rbd/no-such-pool/image;conf=" + test::ceph_conf(), kSize, 512, why_),
            nullptr);
  EXPECT_NE(why_.find("no-such-pool"), std::string::npos) << why_;
  EXPECT_EQ(Lun::open("rbd/rbd/image;conf=/no/such/file", kSize, 512, why_), nullptr);
  EXPECT_NE(why_.find("/no/such/file"), std::string::npos) << why_;
  EXPECT_EQ(Lun::open("rbd/" + image_ + "@never;conf=" + test::ceph_conf(), kSize, 512, why_),
            nullptr);
  EXPECT_NE(why_.find("snapshot"), std::string::npos) << why_;
}

TEST_F(Rbd, properties_follow_the_image) {
  make_image("--object-size 1M --stripe-unit 64K --stripe-count 4");
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  const tcmud_props& p = lun_->props();
  EXPECT_EQ(p.optimal_io_size, 256u << 10);
  EXPECT_EQ(p.max_unmap_length, 4u << 20);
  EXPECT_EQ(p.unmap_granularity, 64u << 10);
  EXPECT_EQ(p.write_cache, 0);
  EXPECT_EQ(p.fua, TCMUD_NATIVE);
  EXPECT_EQ(p.unmap_zeroes, 1);
  EXPECT_EQ(p.thin, 1);
  EXPECT_EQ(p.rotational, 1) << "nothing says that it is not";
  EXPECT_EQ(p.compare_and_write, TCMUD_NATIVE);
  lun_.reset();
  lun_ = open(";nolock;cache");
  ASSERT_NE(lun_, nullptr) << why_;
  EXPECT_EQ(lun_->props().write_cache, 1);
  EXPECT_NE(lun_->props().fua, TCMUD_NATIVE);
}

// What counts is what is in force, wherever it was configured.
TEST_F(Rbd, a_cache_that_the_image_itself_asks_for_is_told_to_initiators) {
  make_image();
  must("rbd config image set " + image_ + " rbd_cache true");
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  EXPECT_EQ(lun_->props().write_cache, 1);
  EXPECT_EQ(write(*lun_, 0, 1 << 20, 3), TCMUD_OK);
  EXPECT_EQ(lun_->run(*Request::flush()), TCMUD_OK);
  EXPECT_TRUE(holds(*lun_, 0, 1 << 20, 3));
}

TEST_F(Rbd, compare_and_write_tells_where_the_first_difference_is) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  for (const uint64_t offset :
       {uint64_t{0}, uint64_t{512}, uint64_t{4096}, (uint64_t{4} << 20) - 512,
        (uint64_t{4} << 20) + 1024, kSize - 512}) {
    for (const uint32_t vectors : {1u, 2u}) {
      const std::vector<uint8_t> ones(512, 1);
      const std::vector<uint8_t> twos(512, 2);
      std::vector<uint8_t> wrong = ones;
      wrong[300] = 9;
      const auto refused = compare_and_write(offset, wrong, twos, vectors);
      EXPECT_EQ(lun_->run(*refused), TCMUD_MISCOMPARE) << offset;
      EXPECT_EQ(refused->info, 300u) << offset;
      EXPECT_TRUE(holds(*lun_, offset, 512, 1));
      EXPECT_EQ(lun_->run(*compare_and_write(offset, ones, twos, vectors)), TCMUD_OK) << offset;
      EXPECT_TRUE(holds(*lun_, offset, 512, 2));
      ASSERT_EQ(write(*lun_, offset, 512, 1), TCMUD_OK);
    }
  }
  EXPECT_TRUE(holds(*lun_, 0, kSize, 1)) << "nothing beside them has changed";
}

TEST_F(Rbd, write_same_repeats_its_block) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  const uint64_t begin = (4u << 20) - 64 * 512;
  EXPECT_EQ(lun_->run(*write_same(begin, 128 * 512, std::vector<uint8_t>(512, 7))), TCMUD_OK);
  EXPECT_EQ(lun_->run(*write_same(512, 512, std::vector<uint8_t>(512, 8))), TCMUD_OK);
  EXPECT_TRUE(holds(*lun_, begin, 128 * 512, 7));
  EXPECT_TRUE(holds(*lun_, 512, 512, 8));
  EXPECT_TRUE(holds(*lun_, 1024, begin - 1024, 1));
  EXPECT_TRUE(holds(*lun_, begin + 128 * 512, kSize - begin - 128 * 512, 1));
}

TEST_F(Rbd, unmapped_space_goes_back_to_the_pool) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  const auto used = [&] {
    return std::atoll(
        must("rbd du --format json " + image_ + " | sed 's/.*\"used_size\":\\([0-9]*\\).*/\\1/;q'")
            .c_str());
  };
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  EXPECT_EQ(used(), static_cast<long long>(kSize));
  EXPECT_EQ(lun_->run(*Request::unmap({{0, 4u << 20}})), TCMUD_OK);
  EXPECT_EQ(used(), static_cast<long long>(kSize) - (4 << 20));
  EXPECT_EQ(lun_->run(*Request::write_zeroes(4u << 20, 4u << 20, 0)), TCMUD_OK);
  EXPECT_EQ(used(), static_cast<long long>(kSize) - (4 << 20))
      << "zeroes that are not to be unmapped have their space";
  EXPECT_EQ(lun_->run(*Request::write_zeroes(4u << 20, 4u << 20, TCMUD_FLAG_MAY_UNMAP)), TCMUD_OK);
  EXPECT_EQ(used(), 0);
  EXPECT_TRUE(holds(*lun_, 0, kSize, 0));
}

TEST_F(Rbd, a_range_of_an_unmap_behind_the_end_fails_it_and_the_others_are_answered_for) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  EXPECT_EQ(lun_->run(*Request::unmap({{0, 512}, {kSize, 512}, {1024, 512}})), TCMUD_OUT_OF_RANGE);
}

TEST_F(Rbd, a_snapshot_is_a_read_only_lun_of_what_was) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  must("rbd snap create --no-progress " + image_ + "@then");
  ASSERT_EQ(write(*lun_, 0, kSize, 2), TCMUD_OK) << "the image is written on";
  auto then = Lun::open("rbd/" + image_ + "@then;conf=" + test::ceph_conf(), kSize, 512, why_);
  ASSERT_NE(then, nullptr) << why_;
  EXPECT_EQ(then->props().read_only, 1);
  EXPECT_TRUE(holds(*then, 0, kSize, 1));
  EXPECT_EQ(write(*then, 0, 512, 9), TCMUD_WRITE_PROTECTED);
  EXPECT_EQ(then->run(*Request::unmap({{0, 512}})), TCMUD_WRITE_PROTECTED);
  EXPECT_TRUE(holds(*lun_, 0, kSize, 2));
}

TEST_F(Rbd, a_read_only_lun_refuses_everything_that_writes) {
  make_image();
  for (const bool by_option : {true, false}) {
    lun_ = open(by_option ? ";readonly" : "", kSize, 512, by_option ? 0 : TCMUD_OPEN_READ_ONLY);
    ASSERT_NE(lun_, nullptr) << why_;
    EXPECT_EQ(lun_->props().read_only, 1);
    EXPECT_EQ(lun_->props().lock, 0);
    EXPECT_EQ(write(*lun_, 0, 512, 1), TCMUD_WRITE_PROTECTED);
    EXPECT_EQ(lun_->run(*Request::write_zeroes(0, 512, 0)), TCMUD_WRITE_PROTECTED);
    EXPECT_TRUE(holds(*lun_, 0, 4096, 0));
    EXPECT_EQ(lun_->run(*Request::flush()), TCMUD_OK);
    lun_.reset();
  }
}

TEST_F(Rbd, a_grown_image_is_told_and_served) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  EXPECT_EQ(lun_->resize(2 * kSize, why_), -EINVAL);
  EXPECT_NE(why_.find("rbd resize"), std::string::npos) << why_;
  EXPECT_EQ(write(*lun_, kSize, 512, 1), TCMUD_OUT_OF_RANGE);
  must("rbd resize --no-progress " + image_ + " -s 16M");
  ASSERT_TRUE(told(*lun_, TCMUD_EVENT_RESIZED));
  lun_->refresh_props();
  EXPECT_EQ(lun_->props().lun_size, 2 * kSize);
  EXPECT_EQ(lun_->resize(2 * kSize, why_), 0) << why_;
  EXPECT_EQ(write(*lun_, 2 * kSize - 512, 512, 1), TCMUD_OK);
}

// librbd cuts off what lies behind the end and calls it done.
TEST_F(Rbd, nothing_behind_the_end_of_a_shrunk_image_is_called_done) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  ASSERT_EQ(write(*lun_, 0, kSize, 1), TCMUD_OK);
  must("rbd resize --no-progress --allow-shrink " + image_ + " -s 4M");
  ASSERT_TRUE(told(*lun_, TCMUD_EVENT_RESIZED));
  lun_->refresh_props();
  EXPECT_EQ(lun_->props().lun_size, kSize / 2);
  EXPECT_EQ(write(*lun_, kSize - 512, 512, 2), TCMUD_OUT_OF_RANGE);
  EXPECT_EQ(write(*lun_, kSize / 2 - 512, 1024, 2), TCMUD_OUT_OF_RANGE);
  EXPECT_EQ(lun_->run(*Request::read(kSize / 2 - 512, 1024)), TCMUD_OUT_OF_RANGE);
  EXPECT_TRUE(holds(*lun_, 0, kSize / 2, 1));
}

TEST_F(Rbd, what_was_written_is_what_rbd_export_brings) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  std::vector<uint8_t> model(kSize);
  for (uint64_t i = 0; i < kSize; ++i) {
    model[i] = static_cast<uint8_t>(i * 131 + (i >> 12));
  }
  for (uint64_t at = 0; at < kSize; at += 256 << 10) {
    const auto from = model.begin() + static_cast<ptrdiff_t>(at);
    ASSERT_EQ(lun_->run(*Request::write(at, {from, from + (256 << 10)}, 7)), TCMUD_OK);
  }
  const conformance::Scratch scratch;
  const std::string file = scratch.memory() + "/model";
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(model.data()), static_cast<std::streamsize>(kSize));
  const test::Ran compared =
      test::shell("rbd export --no-progress " + image_ + " - | cmp - " + file);
  EXPECT_EQ(compared.status, 0) << compared.out;
}

class Encrypted : public RbdTest, public ::testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Format, Encrypted, ::testing::Values("luks1", "luks2"),
                         [](const auto& info) { return std::string(info.param); });

// Few opens: the time that deriving the key takes is what protects it.
TEST_P(Encrypted, an_encrypted_image_is_read_and_written_in_the_clear) {
  const std::string file = must("mktemp");
  const std::string passphrase = file.substr(0, file.find('\n'));
  must("printf 'a good one' > " + passphrase);
  must("rbd create " + image_ + " -s 32M");
  must("rbd encryption format " + image_ + " " + GetParam() + " " + passphrase);
  const std::string options =
      std::string(";nolock;encryption=") + GetParam() + ";passphrase_file=" + passphrase;
  lun_ = open(options, kSize, 4096);
  ASSERT_NE(lun_, nullptr) << why_;
  EXPECT_LT(lun_->props().lun_size, 32u << 20) << "the header's space is not the initiator's";
  EXPECT_EQ(lun_->props().unmap, TCMUD_NONE);
  ASSERT_EQ(write(*lun_, 0, kSize, 0x5A), TCMUD_OK);
  ASSERT_EQ(write(*lun_, 4096, 4096, 0x33), TCMUD_OK);
  EXPECT_EQ(lun_->run(*Request::write_zeroes(8192, 65536, 0)), TCMUD_OK);
  EXPECT_EQ(lun_->run(*Request::write_zeroes(1 << 20, 65536, TCMUD_FLAG_MAY_UNMAP)), TCMUD_OK);
  EXPECT_TRUE(holds(*lun_, 4096, 4096, 0x33));
  EXPECT_TRUE(holds(*lun_, 8192, 65536, 0));
  EXPECT_TRUE(holds(*lun_, 1 << 20, 65536, 0));
  EXPECT_TRUE(holds(*lun_, (1 << 20) + 65536, kSize - (1 << 20) - 65536, 0x5A));
  lun_.reset();
  EXPECT_EQ(test::shell("rbd export --no-progress " + image_ + " - | grep -c ZZZZZZZZ").out, "0\n")
      << "in the clear in the pool";
  if (GetParam() != std::string("luks2")) {
    must("rm " + passphrase);
    return;
  }
  lun_ = open(options, kSize, 4096);
  ASSERT_NE(lun_, nullptr) << why_;
  EXPECT_TRUE(holds(*lun_, (1 << 20) + 65536, kSize - (1 << 20) - 65536, 0x5A));
  lun_.reset();
  must("printf 'a bad one' > " + passphrase);
  EXPECT_EQ(open(options, kSize, 4096), nullptr);
  EXPECT_NE(why_.find("passphrase"), std::string::npos) << why_;
  must("rm " + passphrase);
}

TEST_F(Rbd, the_service_map_tells_of_the_lun) {
  make_image();
  lun_ = open();
  ASSERT_NE(lun_, nullptr) << why_;
  const std::string key = must("uname -n | tr -d '\\n'") + ":" + image_;
  ASSERT_TRUE(
      test::eventually([&] { return must("ceph service dump").find(key) != std::string::npos; },
                       std::chrono::seconds(20)))
      << must("ceph service dump");
  const std::string dump = must("ceph service dump | tr -d ' \\n'");
  for (const char* pair : {"\"pool_name\":\"rbd\"", "\"daemon_type\":\"portal\"",
                           "\"image_id\":", "\"image_name\":", "\"daemon_prefix\":"}) {
    EXPECT_NE(dump.find(pair), std::string::npos) << pair << " is not in " << dump;
  }
  ASSERT_TRUE(test::eventually(
      [&] { return must("ceph service status").find("cmd_timed_out_cnt") != std::string::npos; },
      std::chrono::seconds(20)));
  const std::string status = must("ceph service status | tr -d ' \\n'");
  for (const char* pair : {"\"lock_owner\":\"false\"", "\"lock_lost_cnt\":\"0\"",
                           "\"conn_lost_cnt\":\"0\"", "\"cmd_timed_out_cnt\":\"0\""}) {
    EXPECT_NE(status.find(pair), std::string::npos) << pair << " is not in " << status;
  }
}

}  // namespace
}  // namespace tcmud::conformance
