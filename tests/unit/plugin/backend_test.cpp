// SPDX-License-Identifier: Apache-2.0
#include "plugin/backend.h"

#include <cstdio>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcmud::plugin {
namespace {

using ::testing::HasSubstr;

// What the one handler of these tests does; set per test.
std::function<void(tcmud_props&)> fill_props;
std::function<int32_t(tcmud_request*)> on_submit;
int closes = 0;
const tcmud_host* host = nullptr;

tcmud_handler scripted() {
  tcmud_handler handler{};
  handler.size = sizeof handler;
  handler.abi = TCMUD_ABI;
  handler.subtype = "scripted";
  handler.open = [](const tcmud_open_args* args, void**, char* why, size_t why_size) -> int32_t {
    host = args->host;
    if (std::string_view(args->config.path) == "silent") {
      return -EACCES;
    }
    if (std::string_view(args->config.path) == "bad") {
      std::snprintf(why, why_size, "it is bad; take a good one");
      return -EBADF;
    }
    return 0;
  };
  handler.get_props = [](void*, tcmud_props* props) {
    props->lun_size = 1 << 20;
    if (fill_props) {
      fill_props(*props);
    }
  };
  handler.submit = [](void*, tcmud_request* request) { return on_submit(request); };
  handler.close = [](void*) { ++closes; };
  return handler;
}

struct Sink final : CompletionSink {
  void completed(Request&, int32_t status, uint64_t) override { statuses.push_back(status); }
  void stray_completion(const Request&, int32_t) override { ++strays; }
  std::vector<int32_t> statuses;
  int strays = 0;
};

class BackendTest : public ::testing::Test {
 protected:
  BackendTest() {
    fill_props = nullptr;
    on_submit = [](tcmud_request*) { return TCMUD_OK; };
    closes = 0;
    EXPECT_TRUE(registry_.add(scripted()));
  }
  Result<std::unique_ptr<Backend>> open(const std::string& path = "x", uint64_t size = 1 << 20,
                                        uint32_t block_size = 512) {
    return Backend::open(registry_,
                         {.name = "user_0/t",
                          .subtype = "scripted",
                          .config = path,
                          .lun_size = size,
                          .block_size = block_size},
                         news_);
  }
  struct News final : HandlerNews {
    void event(tcmud_event) override {}
    void backend_state(tcmud_backend_state, const char*) override {}
  } news_;
  Registry registry_;
};

TEST_F(BackendTest, AnOpenThatFailsTellsTheHandlersReason) {
  const auto failed = open("bad");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, EBADF);
  EXPECT_EQ(failed.error().message, "it is bad; take a good one");
  EXPECT_THAT(open("silent").error().message, HasSubstr("gave no reason"));
  EXPECT_EQ(closes, 0) << "what did not open is not closed";
}

TEST_F(BackendTest, SizesThatCannotBeAreRefusedBeforeTheHandlerIsAsked) {
  EXPECT_EQ(open("x", 1 << 20, 520).error().code, EINVAL);
  EXPECT_EQ(open("x", 1000).error().code, EINVAL);
  EXPECT_EQ(open("x", 0).error().code, EINVAL);
}

// Properties that make no sense are a bug of the handler: refused at open, and what was opened is
// closed.
TEST_F(BackendTest, WhatAHandlerSaysOfItselfIsChecked) {
  const std::vector<std::function<void(tcmud_props&)>> nonsense{
      [](tcmud_props& p) { p.model = 7; },
      [](tcmud_props& p) { p.model = TCMUD_MODEL_BLOCKING; },
      [](tcmud_props& p) { p.model = TCMUD_MODEL_BLOCKING, p.threads = 65; },
      [](tcmud_props& p) { p.lun_size = 4096; },
      [](tcmud_props& p) { p.physical_block_size = 256; },
      [](tcmud_props& p) { p.physical_block_size = 3000; },
      [](tcmud_props& p) { p.max_transfer = 1000; },
      [](tcmud_props& p) { p.unmap_granularity = 700; },
  };
  for (const auto& fill : nonsense) {
    fill_props = fill;
    closes = 0;
    EXPECT_FALSE(open());
    EXPECT_EQ(closes, 1);
  }
}

TEST_F(BackendTest, WithoutResizeResizingIsRefused) {
  const auto backend = open();
  ASSERT_TRUE(backend);
  EXPECT_EQ((*backend)->resize(1 << 21).error().code, EOPNOTSUPP);
  EXPECT_EQ((*backend)->resize(1000).error().code, EINVAL);
}

TEST_F(BackendTest, AQueuedRequestIsCompletedOnce) {
  auto backend = open();
  ASSERT_TRUE(backend);
  Sink sink;
  Request request;
  request.sink = &sink;
  on_submit = [](tcmud_request*) -> int32_t { return TCMUD_QUEUED; };
  EXPECT_EQ((*backend)->submit(request), TCMUD_QUEUED);
  host->complete(&request.c, TCMUD_BUSY, TCMUD_NO_INFO);
  host->complete(&request.c, TCMUD_OK, TCMUD_NO_INFO);
  EXPECT_EQ(sink.statuses, std::vector<int32_t>{TCMUD_BUSY});
  EXPECT_EQ(sink.strays, 1);
}

TEST_F(BackendTest, ACompletionBesidesAFinalStatusCountsAndIsNoticed) {
  auto backend = open();
  ASSERT_TRUE(backend);
  Sink sink;
  Request request;
  request.sink = &sink;
  on_submit = [](tcmud_request* c) -> int32_t {
    host->complete(c, TCMUD_READ_ERROR, 0);
    return TCMUD_OK;
  };
  EXPECT_EQ((*backend)->submit(request), TCMUD_QUEUED) << "the completion is the answer";
  EXPECT_EQ(sink.statuses, std::vector<int32_t>{TCMUD_READ_ERROR});
  EXPECT_EQ(sink.strays, 1);
}

}  // namespace
}  // namespace tcmud::plugin
