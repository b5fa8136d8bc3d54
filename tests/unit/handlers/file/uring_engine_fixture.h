// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "file/uring_engine.h"

namespace tcmud::file {
inline constexpr uint64_t kSize = 4u << 20;

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
inline Answers* answers = nullptr;

inline void complete(tcmud_request* request, int32_t status, uint64_t info) {
  const uint32_t at = answers->count.load();
  answers->all[at] = {request, status, info};
  answers->count.store(at + 1);
}

inline const tcmud_host kHost = {sizeof(tcmud_host),
                                 TCMUD_ABI,
                                 complete,
                                 [](tcmud_device*, int32_t, const char*) {},
                                 [](tcmud_device*, int32_t) {},
                                 [](const char*) -> const tcmud_handler* { return nullptr; },
                                 [](tcmud_device*, int32_t, const char*) {}};

inline std::atomic<int> plain_writes{0};
inline bool slow_writes = false;

// Nothing is done at once: everything goes through the ring.
inline ssize_t never_now(int, const iovec*, int, off_t, int) {
  return -EAGAIN;
}
inline const System& ring_only() {
  static const System kSystem = [] {
    System s = real_system();
    s.preadv2 = never_now;
    s.pwritev2 = never_now;
    return s;
  }();
  return kSystem;
}

// No RWF_NOWAIT, as on tmpfs; and writes are slow where asked for.
inline ssize_t plain_only_write(int fd, const iovec* iov, int count, off_t offset, int flags) {
  if (flags == RWF_NOWAIT) {
    return -EOPNOTSUPP;
  }
  plain_writes.fetch_add(1);
  if (slow_writes) {
    constexpr timespec kSlow = {0, 12'000'000};  // more than a tick of any kernel's
    ::nanosleep(&kSlow, nullptr);
  }
  return real_system().pwritev2(fd, iov, count, offset, flags);
}
inline const System& plain_only() {
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

}  // namespace tcmud::file
