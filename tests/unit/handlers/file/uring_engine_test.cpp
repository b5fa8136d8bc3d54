// SPDX-License-Identifier: Apache-2.0
#include "file/uring_engine.h"

#include <map>
#include <numeric>

#include "unit/handlers/file/uring_engine_fixture.h"

namespace tcmud::file {
namespace {

TEST_F(UringEngineTest, moves_every_byte_through_the_ring_whatever_the_iovecs) {
  open(ring_only());
  for (const uint32_t vectors : {1u, 2u, 7u, 1024u, 1025u, 2500u}) {
    for (const uint16_t flags : {uint16_t{0}, uint16_t{TCMUD_FLAG_FUA}}) {
      Io out(TCMUD_OP_WRITE, 4096, 1u << 20, vectors, flags);
      std::iota(out.bytes.begin(), out.bytes.end(), static_cast<char>(vectors + flags));
      EXPECT_EQ(run(out).status, TCMUD_OK);
      Io in(TCMUD_OP_READ, 4096, 1u << 20, vectors);
      EXPECT_EQ(run(in).status, TCMUD_OK);
      EXPECT_EQ(in.bytes, out.bytes);
    }
  }
}

TEST_F(UringEngineTest, small_requests_in_memory_are_done_within_submit) {
  open(plain_only());
  Io out(TCMUD_OP_WRITE, 0, 4096);
  EXPECT_EQ(engine_->submit(out.request), TCMUD_OK);
  Io in(TCMUD_OP_READ, 0, 4096);
  EXPECT_EQ(engine_->submit(in.request), TCMUD_OK);
  EXPECT_EQ(in.bytes, out.bytes);
}

TEST_F(UringEngineTest, writes_that_had_to_sleep_send_those_after_them_to_the_ring) {
  open(plain_only());
  slow_writes = true;
  for (int i = 0; i < 2; ++i) {
    Io io(TCMUD_OP_WRITE, 0, 4096);
    EXPECT_EQ(engine_->submit(io.request), TCMUD_OK);
  }
  EXPECT_EQ(plain_writes, 2);
  Io third(TCMUD_OP_WRITE, 4096, 4096);
  EXPECT_EQ(engine_->submit(third.request), TCMUD_QUEUED);
  EXPECT_EQ(plain_writes, 2) << "not on the loop";
  reap_until(1);
  EXPECT_EQ(answers_.all[0].status, TCMUD_OK);
}

TEST_F(UringEngineTest, a_thousand_in_flight_are_each_answered_once) {
  open(ring_only());
  constexpr uint32_t kRequests = 1000;
  std::vector<std::unique_ptr<Io>> all;
  for (uint32_t i = 0; i < kRequests; ++i) {
    all.push_back(i % 10 == 9 ? std::make_unique<Io>(TCMUD_OP_FLUSH, 0, 0, 0)
                              : std::make_unique<Io>(i % 2 == 0 ? TCMUD_OP_WRITE : TCMUD_OP_READ,
                                                     i * 4096ull, 4096));
    ASSERT_EQ(engine_->submit(all.back()->request), TCMUD_QUEUED);
  }
  reap_until(kRequests);
  EXPECT_EQ(engine_->reap(), 0u);
  std::map<tcmud_request*, int> seen;
  for (uint32_t i = 0; i < kRequests; ++i) {
    EXPECT_EQ(answers_.all[i].status, TCMUD_OK);
    EXPECT_EQ(++seen[answers_.all[i].request], 1);
  }
}

TEST_F(UringEngineTest, an_idle_ring_is_not_readable) {
  open(ring_only());
  Io io(TCMUD_OP_WRITE, 0, 4096);
  EXPECT_EQ(run(io).status, TCMUD_OK);
  pollfd fd = {engine_->event_fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&fd, 1, 0), 0);
}

TEST_F(UringEngineTest, a_file_cut_behind_our_back_gives_errors_where_it_ends_not_zeroes) {
  for (const System* system : {&ring_only(), &plain_only()}) {
    engine_.reset();
    target_.reset();
    std::filesystem::remove(options_.path);
    open(*system);
    std::filesystem::resize_file(options_.path, 65536);
    Io in(TCMUD_OP_READ, 65536 - 4096, 8192);
    const auto answer = run(in);
    EXPECT_EQ(answer.status, TCMUD_READ_ERROR);
    EXPECT_EQ(answer.info, 65536u);
  }
}

TEST_F(UringEngineTest, a_cancelled_request_is_answered_once_wherever_it_stands) {
  open(ring_only());
  std::vector<std::unique_ptr<Io>> all;
  constexpr uint32_t kRequests =
      600;  // more than the ring holds: some are in flight, some wait for room
  for (uint32_t i = 0; i < kRequests; ++i) {
    all.push_back(
        std::make_unique<Io>(TCMUD_OP_WRITE, (i % 1000) * 4096ull, 4096, 1, TCMUD_FLAG_FUA));
    ASSERT_EQ(engine_->submit(all.back()->request), TCMUD_QUEUED);
  }
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    engine_->cancel((*it)->request);
  }
  reap_until(kRequests);
  std::map<tcmud_request*, int> seen;
  uint32_t aborted = 0;
  for (uint32_t i = 0; i < kRequests; ++i) {
    const auto& answer = answers_.all[i];
    EXPECT_EQ(++seen[answer.request], 1);
    EXPECT_TRUE(answer.status == TCMUD_OK || answer.status == TCMUD_ABORTED) << answer.status;
    aborted += answer.status == TCMUD_ABORTED ? 1 : 0;
  }
  EXPECT_GT(aborted, 0u);
  for (int i = 0; i < 100; ++i) {
    engine_->reap();  // answers to the cancels themselves
  }
  EXPECT_EQ(answers_.count.load(), kRequests);
}

TEST_F(UringEngineTest, unknown_operations_are_refused) {
  open(ring_only());
  for (const uint16_t op : {0, 6, 7, 9, 999}) {
    Io io(TCMUD_OP_READ, 0, 512);
    io.request.op = op;
    EXPECT_EQ(engine_->submit(io.request), TCMUD_NOT_SUPPORTED);
  }
}

}  // namespace
}  // namespace tcmud::file
