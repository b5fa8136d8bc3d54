// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "fake_ceph.h"
#include "rbd/connection.h"

namespace tcmud::rbd::test {

// A request and what became of it.
struct Asked {
  tcmud_request c{};
  alignas(64) Context context{};
  std::vector<char> data;
  std::vector<iovec> iov;
  std::vector<tcmud_range> ranges;
  int32_t status = TCMUD_QUEUED;
  uint64_t info = TCMUD_NO_INFO;
  int completions = 0;
};

// A host, and a cluster that obeys the test.
class RbdUnit : public ::testing::Test {
 protected:
  RbdUnit() {
    host_.size = sizeof(host_);
    host_.complete = [](tcmud_request* c, int32_t status, uint64_t info) {
      auto* asked = reinterpret_cast<Asked*>(c);
      asked->status = status;
      asked->info = info;
      ++asked->completions;
    };
    host_.log = [](tcmud_device*, int32_t, const char*) {};
    host_.event = [](tcmud_device* device, int32_t what) {
      auto* test = reinterpret_cast<RbdUnit*>(device);
      const std::lock_guard lock(test->mutex_);
      test->events_.push_back(what);
    };
    host_.backend_state = [](tcmud_device* device, int32_t state, const char* why) {
      auto* test = reinterpret_cast<RbdUnit*>(device);
      const std::lock_guard lock(test->mutex_);
      test->states_.emplace_back(state, why);
    };
    args_.device = api::Device(&host_, reinterpret_cast<tcmud_device*>(this));
    options_.pool = "pool";
    options_.image = "image";
    options_.lock = false;
  }

  api::Result<std::unique_ptr<Connection>> open() {
    return Connection::open(FakeCeph::table(), options_, args_);
  }

  std::unique_ptr<Asked> make(uint16_t op, uint64_t offset, uint64_t length, uint32_t vectors = 1,
                              uint64_t bytes = UINT64_MAX) {
    auto asked = std::make_unique<Asked>();
    asked->c.size = sizeof(asked->c);
    asked->c.op = op;
    asked->c.offset = offset;
    asked->c.length = length;
    asked->c.ctx = &asked->context;
    asked->data.resize(bytes == UINT64_MAX ? length : bytes);
    for (size_t i = 0; i < asked->data.size(); ++i) {
      asked->data[i] = static_cast<char>(i * 7 + i / 256);
    }
    for (uint32_t i = 0; i < vectors; ++i) {
      const size_t begin = asked->data.size() * i / vectors;
      const size_t end = asked->data.size() * (i + 1) / vectors;
      asked->iov.push_back({asked->data.data() + begin, end - begin});
    }
    asked->c.iov = asked->iov.data();
    asked->c.iovcnt = vectors;
    return asked;
  }
  // As the host does: a final status is the answer.
  static void submit(Connection& connection, Asked& asked) {
    const int32_t status = connection.submit(asked.c);
    if (status != TCMUD_QUEUED) {
      EXPECT_EQ(asked.completions, 0);
      asked.status = status;
      ++asked.completions;
    }
  }

  std::vector<std::pair<int32_t, std::string>> states() {
    const std::lock_guard lock(mutex_);
    return states_;
  }
  int32_t state() {
    const std::lock_guard lock(mutex_);
    return states_.empty() ? TCMUD_BACKEND_UP : states_.back().first;
  }
  std::vector<int32_t> events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }

  FakeCeph ceph_;
  tcmud_host host_{};
  api::OpenArgs args_;
  Options options_;

 private:
  std::mutex mutex_;
  std::vector<int32_t> events_;
  std::vector<std::pair<int32_t, std::string>> states_;
};

}  // namespace tcmud::rbd::test
