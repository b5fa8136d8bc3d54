// SPDX-License-Identifier: Apache-2.0
#include "file/request_list.h"

#include <array>
#include <deque>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace tcmud::file {
namespace {

TEST(RequestList, any_sequence_agrees_with_a_deque) {
  const bool held = rc::check([] {
    std::array<Context, 8> contexts{};
    std::deque<Context*> model;
    RequestList list;
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 24));
    for (const int step : steps) {
      Context& c = contexts[static_cast<size_t>(step) % contexts.size()];
      const auto at = std::find(model.begin(), model.end(), &c);
      if (step < 8) {
        if (at == model.end()) {
          list.push(c);
          model.push_back(&c);
        }
      } else if (step < 16) {
        RC_ASSERT(list.remove(c) == (at != model.end()));
        if (at != model.end()) {
          model.erase(at);
        }
      } else {
        Context* first = list.pop();
        RC_ASSERT(first == (model.empty() ? nullptr : model.front()));
        if (first != nullptr) {
          model.pop_front();
        }
      }
      RC_ASSERT(list.empty() == model.empty());
    }
    RequestList rest = list.take_all();
    RC_ASSERT(list.empty());
    for (Context* expected : model) {
      RC_ASSERT(rest.pop() == expected);
    }
    RC_ASSERT(rest.empty());
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace tcmud::file
