// SPDX-License-Identifier: Apache-2.0
//
// The fault handler over both kinds of inner handler: it does what its rules say, and every request
// is still answered.
#include <chrono>
#include <fstream>

#include "conformance/cases.h"
#include "support/eventually.h"

namespace tcmud::conformance {
namespace {

constexpr uint64_t kSize = 1u << 20;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The parameter is what follows the inner path: which engine serves it.
class Fault : public ::testing::TestWithParam<const char*> {
 protected:
  void open(const std::string& rules) {
    std::string why;
    lun_ = Lun::open(scratch_.expand("fault/file/{memory}/image;create;nolock" +
                                     std::string(GetParam()) + rules),
                     kSize, 512, why);
    ASSERT_NE(lun_, nullptr) << why;
  }
  [[nodiscard]] bool async() const { return lun_->props().model == TCMUD_MODEL_ASYNC; }
  int32_t write(uint64_t offset, uint64_t length = 512, uint8_t fill = 1) {
    return lun_->run(*Request::write(offset, std::vector<uint8_t>(length, fill)));
  }
  // What the file holds, past every fault.
  [[nodiscard]] std::vector<uint8_t> file_bytes(uint64_t offset, uint64_t length) const {
    std::ifstream in(scratch_.memory() + "/image", std::ios::binary);
    std::vector<uint8_t> bytes(length);
    in.seekg(static_cast<std::streamoff>(offset));
    in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(length));
    return bytes;
  }

  Scratch scratch_;
  std::unique_ptr<Lun> lun_;
};

INSTANTIATE_TEST_SUITE_P(Inner, Fault, ::testing::Values("", ";io=sync"), [](const auto& info) {
  return info.param[0] == 0 ? "async" : "blocking";
});

TEST_P(Fault, every_status_can_be_had_by_name) {
  const std::vector<std::pair<const char*, int32_t>> names = {
      {"busy", TCMUD_BUSY},           {"no_resource", TCMUD_NO_RESOURCE},
      {"no_space", TCMUD_NO_SPACE},   {"write_protected", TCMUD_WRITE_PROTECTED},
      {"not_ready", TCMUD_NOT_READY}, {"lock_lost", TCMUD_LOCK_LOST},
      {"timeout", TCMUD_TIMEOUT},     {"aborted", TCMUD_ABORTED},
      {"internal", TCMUD_INTERNAL},   {"miscompare", TCMUD_MISCOMPARE}};
  for (const auto& [name, status] : names) {
    open(std::string(";fault_rule=error:status=") + name);
    EXPECT_EQ(write(0), status) << name;
  }
}

TEST_P(Fault, each_kth_request_fails_and_all_others_work) {
  for (int k = 1; k <= 5; ++k) {
    open(";fault_rule=error:ops=write:every=" + std::to_string(k));
    for (int i = 1; i <= 15; ++i) {
      EXPECT_EQ(write(4096), i % k == 0 ? TCMUD_WRITE_ERROR : TCMUD_OK);
      EXPECT_EQ(lun_->run(*Request::read(4096, 512)), TCMUD_OK);
    }
  }
}

TEST_P(Fault, what_fails_has_not_touched_the_inner_handler) {
  open(";fault_rule=error:ops=write:range=8192+512");
  EXPECT_EQ(write(0, 512, 7), TCMUD_OK);
  EXPECT_EQ(write(8192, 512, 7), TCMUD_WRITE_ERROR);
  EXPECT_EQ(file_bytes(0, 512), std::vector<uint8_t>(512, 7));
  EXPECT_EQ(file_bytes(8192, 512), std::vector<uint8_t>(512, 0));
}

TEST_P(Fault, a_short_transfer_does_the_front_and_tells_where_it_ended) {
  open(";fault_rule=short:bytes=1500:at=1;fault_rule=short:ops=read:status=busy");
  const auto request = Request::write(4096, std::vector<uint8_t>(4096, 9), 5);
  EXPECT_EQ(lun_->run(*request), TCMUD_WRITE_ERROR);
  EXPECT_EQ(request->info, 4096u + 1024u) << "whole blocks";
  EXPECT_EQ(file_bytes(4096, 1024), std::vector<uint8_t>(1024, 9));
  EXPECT_EQ(file_bytes(5120, 3072), std::vector<uint8_t>(3072, 0));
  const auto one_block = Request::read(4096, 512);
  EXPECT_EQ(lun_->run(*one_block), TCMUD_BUSY);
  EXPECT_EQ(one_block->info, TCMUD_NO_INFO);
}

TEST_P(Fault, delays_and_late_answers_take_at_least_their_time) {
  for (const char* action : {"delay", "late"}) {
    open(std::string(";fault_rule=") + action + ":us=20000");
    const auto before = steady_clock::now();
    EXPECT_EQ(write(0, 512, 3), TCMUD_OK);
    EXPECT_GE(steady_clock::now() - before, milliseconds(20));
    EXPECT_EQ(file_bytes(0, 512), std::vector<uint8_t>(512, 3));
  }
}

TEST_P(Fault, a_late_answer_is_late_though_the_work_is_done) {
  open(";fault_rule=late:us=300000000:at=1");
  if (!async()) {
    return;  // a thread of the pool would sleep for five minutes
  }
  const auto request = Request::write(0, std::vector<uint8_t>(512, 5));
  lun_->submit(*request);
  while (file_bytes(0, 512) != std::vector<uint8_t>(512, 5)) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_FALSE(lun_->done(*request));
  lun_->cancel(*request);
  ASSERT_TRUE(lun_->wait(*request));
  EXPECT_EQ(request->status, TCMUD_OK) << "cancelled too late: it is done, and says so";
}

TEST_P(Fault, a_hanging_request_goes_on_when_the_file_appears) {
  const std::string gate = scratch_.memory() + "/gate";
  open(";fault_rule=hang:until=" + gate + ":at=1");
  const auto request = Request::write(0, std::vector<uint8_t>(512, 4));
  lun_->submit(*request);
  EXPECT_FALSE(lun_->wait(*request, milliseconds(50)));
  EXPECT_EQ(lun_->run(*Request::read(4096, 512)), TCMUD_OK) << "others pass by";
  std::ofstream(gate) << "open";
  ASSERT_TRUE(lun_->wait(*request));
  EXPECT_EQ(request->status, TCMUD_OK);
  EXPECT_EQ(file_bytes(0, 512), std::vector<uint8_t>(512, 4));
}

TEST_P(Fault, a_hanging_request_gives_up_after_its_time) {
  open(";fault_rule=hang:ms=30");
  EXPECT_EQ(write(0, 512, 4), TCMUD_TIMEOUT);
  EXPECT_EQ(file_bytes(0, 512), std::vector<uint8_t>(512, 0));
}

TEST_P(Fault, a_cancelled_hanging_request_ends_at_once) {
  open(";fault_rule=hang:ms=600000:at=1");
  if (!async()) {
    lun_.reset();
    return;  // nobody can take the pool's thread from it
  }
  const auto request = Request::write(0, std::vector<uint8_t>(512, 4));
  lun_->submit(*request);
  lun_->cancel(*request);
  ASSERT_TRUE(lun_->wait(*request));
  EXPECT_EQ(request->status, TCMUD_ABORTED);
}

TEST_P(Fault, a_second_completion_reaches_the_host) {
  open(";fault_rule=double:at=2");
  EXPECT_EQ(write(0), TCMUD_OK);
  EXPECT_TRUE(lun_->violations().empty());
  const auto request = Request::write(512, std::vector<uint8_t>(512, 4));
  EXPECT_EQ(lun_->run(*request), TCMUD_OK);
  std::vector<std::string> violations;
  EXPECT_TRUE(test::eventually(
      [&] {
        violations = lun_->violations();
        return !violations.empty();
      },
      std::chrono::seconds(5)));
  EXPECT_EQ(violations.size(), 1u);
}

TEST_P(Fault, reordered_requests_arrive_last_one_first) {
  open(";fault_rule=reorder:depth=4:ms=10000:ops=write");
  if (!async()) {
    return;  // a pool has no order to turn round
  }
  std::vector<std::unique_ptr<Request>> requests;
  for (uint8_t i = 1; i <= 4; ++i) {
    requests.push_back(Request::write(0, std::vector<uint8_t>(512, i)));
    lun_->submit(*requests.back());
  }
  for (auto& request : requests) {
    ASSERT_TRUE(lun_->wait(*request));
    EXPECT_EQ(request->status, TCMUD_OK);
  }
  EXPECT_EQ(file_bytes(0, 512), std::vector<uint8_t>(512, 1)) << "the first came last";
}

TEST_P(Fault, too_few_to_reorder_go_on_after_a_while) {
  open(";fault_rule=reorder:depth=100:ms=20:ops=write");
  std::vector<std::unique_ptr<Request>> requests;
  for (uint8_t i = 1; i <= 3; ++i) {
    requests.push_back(Request::write(i * 512u, std::vector<uint8_t>(512, i)));
    lun_->submit(*requests.back());
  }
  for (auto& request : requests) {
    ASSERT_TRUE(lun_->wait(*request));
    EXPECT_EQ(request->status, TCMUD_OK);
  }
}

// Everything at once, from many requests, with cancels in between: each is answered once. For TSan.
TEST_P(Fault, a_storm_of_faults_loses_no_request) {
  open(
      ";fault_rule=error:chance=10;fault_rule=delay:us=0-2000:chance=30;fault_rule=late:us=0-2000:"
      "chance=30"
      ";fault_rule=reorder:depth=3:ms=3:chance=50;fault_rule=short:chance=50");
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<Request>> requests;
    for (uint32_t i = 0; i < 100; ++i) {
      requests.push_back(i % 2 == 0 ? Request::read(i * 4096, 4096, 2)
                                    : Request::write(i * 4096, std::vector<uint8_t>(4096, 1), 3));
      lun_->submit(*requests.back());
      if (i % 5 == 0 && async()) {
        lun_->cancel(*requests[i / 2]);
      }
    }
    for (auto& request : requests) {
      ASSERT_TRUE(lun_->wait(*request));
      EXPECT_NE(request->status, TCMUD_QUEUED);
    }
  }
}

TEST(FaultStack, a_fault_handler_stands_on_a_fault_handler) {
  Scratch scratch;
  std::string why;
  const auto lun = Lun::open(scratch.expand("fault/null/x;fault_rule=error:at=1"), kSize, 512, why);
  ASSERT_NE(lun, nullptr) << why;
  EXPECT_EQ(lun->run(*Request::read(0, 512)), TCMUD_READ_ERROR);
  EXPECT_EQ(lun->run(*Request::read(0, 512)), TCMUD_OK);
  EXPECT_EQ(Lun::open("fault/no_such/x", kSize, 512, why), nullptr);
  EXPECT_NE(why.find("no_such"), std::string::npos);
  EXPECT_EQ(Lun::open("fault/file/relative", kSize, 512, why), nullptr);
  EXPECT_NE(why.find("absolute"), std::string::npos) << "the inner handler's own reason: " << why;
  EXPECT_EQ(Lun::open("fault/fault/null/x", kSize, 512, why), nullptr);
  EXPECT_NE(why.find("keeps more"), std::string::npos) << why;
}

}  // namespace
}  // namespace tcmud::conformance
