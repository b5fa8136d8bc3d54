// SPDX-License-Identifier: Apache-2.0
#include "file/uring_engine.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <numeric>

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "unit/handlers/file/allocation_counter.h"

namespace tcmud::file {
namespace {

constexpr uint64_t kSize = 4u << 20;

struct Answers {
  std::atomic<uint32_t> count{0};
  // Slots are claimed in advance, so that complete() does not allocate.
  struct Answer {
    tcmud_request* request;
    int32_t status;
    uint64_t info;
  };
  std::array<Answer, 4096> all{};
};
Answers* answers = nullptr;

void complete(tcmud_request* request, int32_t status, uint64_t info) {
  const uint32_t at = answers->count.load();
  answers->all[at] = {request, status, info};
  answers->count.store(at + 1);
}

const tcmud_host kHost = {sizeof(tcmud_host),
                          TCMUD_ABI,
                          complete,
                          [](tcmud_device*, int32_t, const char*) {},
                          [](tcmud_device*, int32_t) {},
                          [](const char*) -> const tcmud_handler* { return nullptr; }};

std::atomic<int> plain_writes{0};
bool slow_writes = false;

// Nothing is done at once: everything goes through the ring.
ssize_t never_now(int, const iovec*, int, off_t, int) {
  return -EAGAIN;
}
const System& ring_only() {
  static const System kSystem = [] {
    System s = real_system();
    s.preadv2 = never_now;
    s.pwritev2 = never_now;
    return s;
  }();
  return kSystem;
}

// No RWF_NOWAIT, as on tmpfs; and writes are slow where asked for.
ssize_t plain_only_write(int fd, const iovec* iov, int count, off_t offset, int flags) {
  if (flags == RWF_NOWAIT) {
    return -EOPNOTSUPP;
  }
  plain_writes.fetch_add(1);
  if (slow_writes) {
    constexpr timespec kSlow = {0, 2 * InlineGuard::kSlowNs};
    ::nanosleep(&kSlow, nullptr);
  }
  return real_system().pwritev2(fd, iov, count, offset, flags);
}
const System& plain_only() {
  static const System kSystem = [] {
    System s = real_system();
    s.pwritev2 = plain_only_write;
    return s;
  }();
  return kSystem;
}

struct Io {
  tcmud_request request{};
  Context context{};
  std::vector<char> bytes;
  std::vector<iovec> iov;

  Io(tcmud_op op, uint64_t offset, uint64_t length, uint32_t vectors = 1, uint16_t flags = 0)
      : bytes(length, op == TCMUD_OP_READ ? '?' : 'w') {
    for (uint32_t i = 0; i < vectors; ++i) {
      const uint64_t from = length * i / vectors;
      iov.push_back({bytes.data() + from, length * (i + 1) / vectors - from});
    }
    request.size = sizeof(request);
    request.op = op;
    request.flags = flags;
    request.offset = offset;
    request.length = length;
    request.iov = iov.data();
    request.iovcnt = vectors;
    request.ctx = &context;
  }
};

class UringEngineTest : public ::testing::Test {
 protected:
  UringEngineTest() {
    answers = &answers_;
    slow_writes = false;
    plain_writes = 0;
    if (::mkdtemp(directory_.data()) == nullptr) {
      std::abort();
    }
    options_.path = directory_ + "/image";
    options_.create = true;
  }
  ~UringEngineTest() override {
    engine_.reset();
    std::filesystem::remove_all(directory_);
    answers = nullptr;
  }

  void open(const System& system) {
    target_ = std::make_unique<Target>(std::move(*Target::open(options_, kSize, 512, system)));
    auto engine = UringEngine::create({&kHost, nullptr}, system, *target_);
    ASSERT_TRUE(engine) << engine.refusal().why;
    engine_ = std::move(*engine);
  }
  // What the loop does until so many have been answered.
  void reap_until(uint32_t count) {
    engine_->flush_batch();
    while (answers_.count.load() < count) {
      pollfd fd = {engine_->event_fd(), POLLIN, 0};
      ASSERT_GT(::poll(&fd, 1, 20'000), 0)
          << "the ring went quiet with " << answers_.count << " of " << count << " answered";
      engine_->reap();
    }
  }
  Answers::Answer run(Io& io) {
    const uint32_t before = answers_.count.load();
    const int32_t status = engine_->submit(io.request);
    if (status != TCMUD_QUEUED) {
      return {&io.request, status, TCMUD_NO_INFO};
    }
    reap_until(before + 1);
    return answers_.all[before];
  }

  std::string directory_ = "/dev/shm/tcmud-uring-XXXXXX";
  Options options_;
  Answers answers_;
  std::unique_ptr<Target> target_;
  std::unique_ptr<UringEngine> engine_;
};

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

TEST_F(UringEngineTest, requests_cost_no_allocation) {
  open(ring_only());
  std::vector<std::unique_ptr<Io>> all;
  for (uint32_t i = 0; i < 400; ++i) {
    all.push_back(i % 10 == 9 ? std::make_unique<Io>(TCMUD_OP_FLUSH, 0, 0, 0)
                              : std::make_unique<Io>(TCMUD_OP_WRITE, i * 4096ull, 4096));
  }
  const uint64_t before = allocation_count();
  for (auto& io : all) {
    engine_->submit(io->request);
  }
  engine_->flush_batch();
  while (answers_.count.load() < all.size()) {
    engine_->reap();
  }
  EXPECT_EQ(allocation_count(), before);
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
  for (const uint16_t op : {0, 6, 7, 8, 999}) {
    Io io(TCMUD_OP_READ, 0, 512);
    io.request.op = op;
    EXPECT_EQ(engine_->submit(io.request), TCMUD_NOT_SUPPORTED);
  }
}

}  // namespace
}  // namespace tcmud::file
