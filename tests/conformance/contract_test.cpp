// SPDX-License-Identifier: Apache-2.0
//
// What every handler owes its host, whatever it does with data.
#include "conformance/cases.h"

namespace tcmud::conformance {
namespace {

class Contract : public Conformance {};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Handlers, Contract, ::testing::ValuesIn(cases()), name_of);

bool is_power_of_two(uint64_t n) {
  return n != 0 && (n & (n - 1)) == 0;
}

TEST_P(Contract, properties_are_such_as_the_core_can_tell_initiators) {
  open();
  const tcmud_props& p = lun_->props();
  EXPECT_EQ(p.size, sizeof(p));
  EXPECT_LE(p.model, TCMUD_MODEL_BLOCKING);
  EXPECT_GE(p.lun_size, size());
  for (const uint8_t feature :
       {p.fua, p.flush, p.unmap, p.write_zeroes, p.write_same, p.compare_and_write, p.lba_status}) {
    EXPECT_LE(feature, TCMUD_NATIVE);
  }
  if (p.physical_block_size != 0) {
    EXPECT_TRUE(is_power_of_two(p.physical_block_size));
    EXPECT_GE(p.physical_block_size, block());
  }
  EXPECT_EQ(p.max_transfer % block(), 0u);
  EXPECT_EQ(p.max_unmap_length % block(), 0u);
  EXPECT_EQ(p.max_write_zeroes_length % block(), 0u);
  EXPECT_EQ(p.unmap_granularity % block(), 0u);
}

TEST_P(Contract, an_operation_that_is_not_native_is_refused_not_guessed) {
  open();
  const auto same = Request::of(TCMUD_OP_WRITE_SAME, 0, block());
  const auto request = Request::of(999, 0, block());
  EXPECT_EQ(lun_->run(*request), TCMUD_NOT_SUPPORTED);
  if (lun_->props().write_same != TCMUD_NATIVE) {
    EXPECT_EQ(lun_->run(*same), TCMUD_NOT_SUPPORTED);
  }
}

TEST_P(Contract, an_unknown_option_is_refused_by_name) {
  const std::string config = scratch_.expand(GetParam().config) + ";no_such_option=1";
  std::string why;
  EXPECT_EQ(Lun::open(config, size(), block(), why), nullptr);
  EXPECT_NE(why.find("no_such_option"), std::string::npos) << why;
  why.clear();
  if (check_config(config, why) == 0) {
    EXPECT_TRUE(why.empty()) << "a reason without a refusal";
    ADD_FAILURE() << "open refuses this option, check_config takes it";
  }
  EXPECT_NE(why.find("no_such_option"), std::string::npos) << why;
}

TEST_P(Contract, check_config_accepts_what_open_accepts_and_leaves_no_trace) {
  const std::string config = scratch_.expand(GetParam().config);
  std::string why;
  EXPECT_EQ(check_config(config, why), 0) << why;
  EXPECT_EQ(::access((scratch_.memory() + "/image").c_str(), F_OK), -1);
  EXPECT_EQ(::access((scratch_.disk() + "/image").c_str(), F_OK), -1);
  open();
  EXPECT_EQ(check_config(config, why), 0) << "also while the LUN is open: " << why;
}

TEST_P(Contract, a_read_fills_its_whole_buffer) {
  open();
  // The buffers hold a filler before; what stays of it would go out to an initiator.
  const auto request = Request::read(0, 65536, 5, block());
  ASSERT_EQ(lun_->run(*request), TCMUD_OK);
  EXPECT_EQ(request->data(), std::vector<uint8_t>(65536, 0)) << "a new LUN reads as zeroes";
}

TEST_P(Contract, a_lun_can_be_closed_and_opened_again_at_once) {
  for (int i = 0; i < 5; ++i) {
    open();
    const auto request = Request::write(0, pattern(0, 4096, 1), 1, 0, block());
    lun_->submit(*request);
    lun_.reset();  // waits for the answer, as the daemon does
    EXPECT_EQ(request->status, TCMUD_OK);
  }
}

TEST_P(Contract, a_cancelled_request_is_answered_once) {
  open();
  std::vector<std::unique_ptr<Request>> requests;
  for (uint32_t i = 0; i < 300; ++i) {
    const uint64_t offset = (i % 64) * uint64_t{block()};
    requests.push_back(i % 2 == 0
                           ? Request::read(offset, block(), 1, block())
                           : Request::write(offset, pattern(offset, block(), 3), 1,
                                            lun_->props().fua == TCMUD_NATIVE ? TCMUD_FLAG_FUA : 0,
                                            block()));
    lun_->submit(*requests.back());
    lun_->cancel(*requests.back());
  }
  for (auto& request : requests) {
    ASSERT_TRUE(lun_->wait(*request));
    EXPECT_TRUE(request->status == TCMUD_OK || request->status == TCMUD_ABORTED) << request->status;
  }
}

TEST_P(Contract, many_threads_may_open_check_and_close_side_by_side) {
  // Where the configuration names one fixed place, its lock lets one in at a time.
  const bool own_places =
      !GetParam().persistent || scratch_.expand(GetParam().config) != GetParam().config;
  std::vector<std::thread> threads;
  for (int i = 0; i < (own_places ? 4 : 1); ++i) {
    threads.emplace_back([&, i] {
      const Scratch mine;
      const std::string config = mine.expand(GetParam().config);
      for (int round = 0; round < 3; ++round) {
        std::string why;
        EXPECT_EQ(check_config(config, why), 0) << why;
        auto lun = Lun::open(config, size(), block(), why);
        ASSERT_NE(lun, nullptr) << why;
        const auto request =
            Request::write(0, pattern(0, block(), static_cast<uint8_t>(i)), 1, 0, block());
        EXPECT_EQ(lun->run(*request), TCMUD_OK);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace tcmud::conformance
