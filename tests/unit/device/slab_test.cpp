// SPDX-License-Identifier: Apache-2.0
#include "device/slab.h"

#include <set>

#include <gtest/gtest.h>

namespace tcmud::device {
namespace {

TEST(Slab, GivesEachSlotOnceAndNoMoreThanThereAre) {
  auto slab = Slab::create(16, 100);
  ASSERT_TRUE(slab);
  std::set<Slot*> slots;
  for (int i = 0; i < 16; ++i) {
    Slot* slot = (*slab)->take();
    ASSERT_NE(slot, nullptr);
    EXPECT_TRUE(slots.insert(slot).second);
  }
  EXPECT_EQ((*slab)->take(), nullptr);
  EXPECT_EQ((*slab)->in_use(), 16U);
  Slot* one = *slots.begin();
  (*slab)->give_back(one);
  EXPECT_EQ((*slab)->take(), one);
}

TEST(Slab, AContextIsAlignedZeroedOnceAndNobodyElses) {
  auto slab = Slab::create(4, 100);
  ASSERT_TRUE(slab);
  std::set<uint8_t*> contexts;
  for (int i = 0; i < 4; ++i) {
    auto* context = static_cast<uint8_t*>((*slab)->take()->request.c.ctx);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(context) % 64, 0U);
    for (int b = 0; b < 100; ++b) {
      ASSERT_EQ(context[b], 0);
      context[b] = 0xff;
    }
    contexts.insert(context);
  }
  uint8_t* last = nullptr;
  for (uint8_t* context : contexts) {
    EXPECT_TRUE(last == nullptr || context - last >= 100);
    last = context;
  }
}

TEST(Slab, IovecsOfASlotAreItsOwn) {
  auto slab = Slab::create(3, 0);
  ASSERT_TRUE(slab);
  Slot* a = (*slab)->take();
  Slot* b = (*slab)->take();
  EXPECT_EQ(a->request.c.ctx, nullptr);
  const auto of_a = (*slab)->iovecs(*a);
  const auto of_b = (*slab)->iovecs(*b);
  EXPECT_EQ(of_a.size(), Slab::kIovecs);
  EXPECT_TRUE(of_a.data() + of_a.size() <= of_b.data() || of_b.data() + of_b.size() <= of_a.data());
}

}  // namespace
}  // namespace tcmud::device
