// SPDX-License-Identifier: Apache-2.0
#include "support/allocations.h"
#include "unit/handlers/file/uring_engine_fixture.h"

namespace tcmud::file {
namespace {

TEST_F(UringEngineTest, requests_cost_no_allocation) {
  open(ring_only());
  std::vector<std::unique_ptr<Io>> all;
  for (uint32_t i = 0; i < 400; ++i) {
    all.push_back(i % 10 == 9 ? std::make_unique<Io>(TCMUD_OP_FLUSH, 0, 0, 0)
                              : std::make_unique<Io>(TCMUD_OP_WRITE, i * 4096ull, 4096));
  }
  const uint64_t before = test::allocations();
  for (auto& io : all) {
    engine_->submit(io->request);
  }
  engine_->flush_batch();
  while (answers_.count.load() < all.size()) {
    engine_->reap();
  }
  EXPECT_EQ(test::allocations(), before);
}

}  // namespace
}  // namespace tcmud::file
