// SPDX-License-Identifier: Apache-2.0
//
// What every handler owes for its data: what was written is what is read.
#include <algorithm>
#include <deque>
#include <random>

#include <rapidcheck.h>

#include "conformance/cases.h"

namespace tcmud::conformance {
namespace {

class Data : public Conformance {
 protected:
  static std::vector<Case> with_data() {
    std::vector<Case> all = cases();
    std::erase_if(all, [](const Case& c) { return !c.keeps_data; });
    return all;
  }
  void SetUp() override { open(); }
  // A real disk takes its time over each sync.
  [[nodiscard]] static bool on_disk() {
    return GetParam().config.find("{disk}") != std::string::npos;
  }

 public:
  static auto values() { return ::testing::ValuesIn(with_data()); }
};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Handlers, Data, Data::values(), name_of);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Data);

TEST_P(Data, a_new_lun_reads_without_error_to_its_last_block) {
  EXPECT_EQ(read(0, block()).size(), block());
  EXPECT_EQ(read(size() - block(), block()).size(), block());
}

TEST_P(Data, single_blocks_at_the_edges_are_kept) {
  for (const uint64_t offset : {uint64_t{0}, uint64_t{block()}, uint64_t{1u << 20} - block(),
                                uint64_t{1u << 20}, size() - block()}) {
    ASSERT_EQ(write(offset, pattern(offset, block(), 1)), TCMUD_OK);
  }
  for (const uint64_t offset : {uint64_t{0}, uint64_t{block()}, uint64_t{1u << 20} - block(),
                                uint64_t{1u << 20}, size() - block()}) {
    expect_bytes(offset, pattern(offset, block(), 1));
  }
}

TEST_P(Data, every_size_is_kept_and_touches_nothing_beside) {
  const uint64_t base = 64 * 1024;
  for (uint64_t length = block(); length <= (1u << 20); length = length * 2 + block()) {
    const uint64_t area = base * 2 + length;
    ASSERT_EQ(write(0, std::vector<uint8_t>(area, 0xA5)), TCMUD_OK);
    ASSERT_EQ(write(base, pattern(base, length, 3)), TCMUD_OK);
    expect_bytes(base, pattern(base, length, 3));
    expect_bytes(0, std::vector<uint8_t>(base, 0xA5));
    expect_bytes(base + length, std::vector<uint8_t>(base, 0xA5));
  }
}

TEST_P(Data, the_shape_of_the_iovecs_does_not_matter) {
  uint8_t seed = 0;
  for (const uint32_t vectors : {1u, 2u, 3u, 255u, 1023u, 1024u, 1025u, 2000u}) {
    const uint64_t length = std::min<uint64_t>(uint64_t{vectors + 1} * block(), size() - block());
    const uint64_t offset = block();
    const std::vector<uint8_t> bytes = pattern(offset, length, ++seed);
    ASSERT_EQ(write(offset, bytes, vectors), TCMUD_OK) << vectors << " iovecs";
    expect_bytes(offset, bytes, 1);
    expect_bytes(offset, bytes, vectors);
  }
}

TEST_P(Data, the_whole_lun_at_once) {
  const uint64_t limit = lun_->props().max_transfer;
  const uint64_t length = limit == 0 ? size() : std::min<uint64_t>(size(), limit);
  ASSERT_EQ(write(0, pattern(0, length, 9)), TCMUD_OK);
  expect_bytes(0, pattern(0, length, 9));
}

TEST_P(Data, written_data_outlives_flush_and_close) {
  ASSERT_EQ(write(4096, pattern(4096, 8192, 5)), TCMUD_OK);
  if (lun_->props().flush == TCMUD_NATIVE) {
    ASSERT_EQ(lun_->run(*Request::flush()), TCMUD_OK);
  }
  if (lun_->props().fua == TCMUD_NATIVE) {
    ASSERT_EQ(write(65536, pattern(65536, 4096, 6), 1, TCMUD_FLAG_FUA), TCMUD_OK);
    expect_bytes(65536, pattern(65536, 4096, 6));
  }
  if (GetParam().persistent) {
    reopen();
    expect_bytes(4096, pattern(4096, 8192, 5));
  }
}

TEST_P(Data, zeroed_ranges_read_as_zeroes_and_nothing_beside_changes) {
  if (lun_->props().write_zeroes != TCMUD_NATIVE) {
    GTEST_SKIP() << "the handler does not offer WRITE_ZEROES";
  }
  const uint64_t area = 384 * 1024;
  for (const uint16_t flags : {uint16_t{0}, uint16_t{TCMUD_FLAG_MAY_UNMAP}}) {
    for (const auto& [offset, length] : std::vector<std::pair<uint64_t, uint64_t>>{
             {0, block()}, {block(), 65536}, {65536, 262144}, {12288 + block(), block() * 3}}) {
      ASSERT_EQ(write(0, pattern(0, area, 7)), TCMUD_OK);
      ASSERT_EQ(lun_->run(*Request::write_zeroes(offset, length, flags)), TCMUD_OK);
      std::vector<uint8_t> expected = pattern(0, area, 7);
      std::fill_n(expected.begin() + static_cast<ptrdiff_t>(offset), length, uint8_t{0});
      expect_bytes(0, expected);
    }
  }
}

TEST_P(Data, unmapped_ranges_read_as_promised_and_nothing_beside_changes) {
  if (lun_->props().unmap != TCMUD_NATIVE) {
    GTEST_SKIP() << "the handler does not offer UNMAP";
  }
  const uint64_t area = 384 * 1024;
  ASSERT_EQ(write(0, pattern(0, area, 8)), TCMUD_OK);
  std::vector<tcmud_range> ranges = {
      {block(), block()}, {65536, 131072}, {size() - block(), block()}};
  ranges.resize(std::min<size_t>(ranges.size(), std::max(1u, lun_->props().max_unmap_ranges)));
  ASSERT_EQ(lun_->run(*Request::unmap(ranges)), TCMUD_OK);
  const std::vector<uint8_t> was = pattern(0, area, 8);
  const std::vector<uint8_t> is = read(0, area);
  ASSERT_EQ(is.size(), area);
  for (uint64_t i = 0; i < area; ++i) {
    const bool unmapped = std::any_of(ranges.begin(), ranges.end(), [&](const tcmud_range& r) {
      return i >= r.offset && i < r.offset + r.length;
    });
    if (!unmapped) {
      ASSERT_EQ(is[i], was[i]) << "at byte " << i;
    } else if (lun_->props().unmap_zeroes != 0) {
      ASSERT_EQ(is[i], 0) << "at byte " << i;
    }
  }
}

TEST_P(Data, the_status_of_blocks_is_told_without_gaps_and_what_was_written_is_mapped) {
  if (lun_->props().lba_status != TCMUD_NATIVE) {
    GTEST_SKIP() << "the handler does not offer LBA_STATUS";
  }
  const uint64_t begin = 64 * 1024;
  const uint64_t length = 128 * 1024;
  ASSERT_EQ(write(begin, pattern(begin, length, 4)), TCMUD_OK);
  for (const uint32_t capacity : {1u, 2u, 64u}) {
    std::vector<tcmud_extent_status> extents(capacity + 1);
    extents[capacity].length = 4711;
    tcmud_lba_status status{};
    status.size = sizeof(status);
    status.capacity = capacity;
    status.extents = extents.data();
    const uint64_t from = begin + block();
    const auto request = Request::of(TCMUD_OP_LBA_STATUS, from, size() - from);
    request->c.lba_status = &status;
    ASSERT_EQ(lun_->run(*request), TCMUD_OK);
    ASSERT_GE(status.count, 1u);
    ASSERT_LE(status.count, capacity);
    EXPECT_EQ(extents[capacity].length, 4711u);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < status.count; ++i) {
      EXPECT_GT(extents[i].length, 0u);
      EXPECT_EQ(extents[i].length % block(), 0u);
      EXPECT_LE(extents[i].state, uint32_t{TCMUD_ANCHORED});
      sum += extents[i].length;
    }
    EXPECT_LE(from + sum, size());
    EXPECT_EQ(extents[0].state, uint32_t{TCMUD_MAPPED});
    EXPECT_GE(extents[0].length, length - block());
  }
}

// A random history against the plainest model of a disk.
TEST_P(Data, any_sequence_agrees_with_a_flat_array) {
  constexpr uint64_t kArea = 256 * 1024;
  const uint64_t blocks = kArea / block();
  std::vector<uint8_t> model(kArea);
  const tcmud_props props = lun_->props();
  ASSERT_EQ(write(0, model), TCMUD_OK);
  const int most_steps = on_disk() ? 8 : 30;
  const bool held = rc::check([&] {
    const auto steps = *rc::gen::inRange(1, most_steps);
    for (int step = 0; step < steps; ++step) {
      const uint64_t first = *rc::gen::inRange<uint64_t>(0, blocks);
      const uint64_t count =
          *rc::gen::inRange<uint64_t>(1, std::min<uint64_t>(blocks - first, 200) + 1);
      const uint64_t offset = first * block();
      const uint64_t length = count * block();
      const auto vectors =
          *rc::gen::inRange(1u, static_cast<uint32_t>(std::min<uint64_t>(count, 17)) + 1);
      const auto at = model.begin() + static_cast<ptrdiff_t>(offset);
      const auto kind = *rc::gen::inRange(0, 6);
      if (kind <= 1) {
        const std::vector<uint8_t> bytes = pattern(offset, length, *rc::gen::arbitrary<uint8_t>());
        const bool fua = kind == 1 && step % 4 == 0 && props.fua == TCMUD_NATIVE;
        RC_ASSERT(write(offset, bytes, vectors, fua ? TCMUD_FLAG_FUA : 0) == TCMUD_OK);
        std::copy(bytes.begin(), bytes.end(), at);
      } else if (kind == 2 && props.write_zeroes == TCMUD_NATIVE) {
        const uint16_t flags = *rc::gen::element<uint16_t>(0, TCMUD_FLAG_MAY_UNMAP);
        RC_ASSERT(lun_->run(*Request::write_zeroes(offset, length, flags)) == TCMUD_OK);
        std::fill_n(at, length, uint8_t{0});
      } else if (kind == 3 && props.unmap == TCMUD_NATIVE && props.unmap_zeroes != 0) {
        RC_ASSERT(lun_->run(*Request::unmap({{offset, length}})) == TCMUD_OK);
        std::fill_n(at, length, uint8_t{0});
      } else if (kind == 4 && props.flush == TCMUD_NATIVE && step % 8 == 0) {
        RC_ASSERT(lun_->run(*Request::flush()) == TCMUD_OK);
      } else {
        RC_ASSERT(read(offset, length, vectors) ==
                  std::vector<uint8_t>(at, at + static_cast<ptrdiff_t>(length)));
      }
    }
    RC_ASSERT(read(0, kArea) == model);
  });
  EXPECT_TRUE(held);
}

// Each worker owns a stripe, so every request may run beside every other; TSan watches.
TEST_P(Data, many_requests_at_once_are_each_answered_once_and_rightly) {
  constexpr uint32_t kDepth = 64;
  const int rounds = on_disk() ? 3 : 12;
  const uint64_t stripe = size() / kDepth / block() * block();
  const uint64_t length = std::min<uint64_t>(stripe, 16 * uint64_t{block()});
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::unique_ptr<Request>> requests;
    for (uint32_t i = 0; i < kDepth; ++i) {
      const uint64_t offset = i * stripe;
      const bool fua = lun_->props().fua == TCMUD_NATIVE && i % 16 == 0;
      requests.push_back(Request::write(offset,
                                        pattern(offset, length, static_cast<uint8_t>(round)),
                                        1 + i % 4, fua ? TCMUD_FLAG_FUA : 0, block()));
      if (i % 16 == 5 && lun_->props().flush == TCMUD_NATIVE) {
        requests.push_back(Request::flush());
      }
    }
    for (auto& request : requests) {
      lun_->submit(*request);
    }
    for (auto& request : requests) {
      ASSERT_TRUE(lun_->wait(*request));
      ASSERT_EQ(request->status, TCMUD_OK);
    }
    requests.clear();
    for (uint32_t i = 0; i < kDepth; ++i) {
      requests.push_back(Request::read(i * stripe, length, 1 + i % 3, block()));
      lun_->submit(*requests.back());
    }
    for (uint32_t i = 0; i < kDepth; ++i) {
      ASSERT_TRUE(lun_->wait(*requests[i]));
      ASSERT_EQ(requests[i]->status, TCMUD_OK);
      ASSERT_EQ(requests[i]->data(), pattern(i * stripe, length, static_cast<uint8_t>(round)));
    }
  }
}

// More requests than any queue of the handler is long.
TEST_P(Data, a_flood_of_a_thousand_requests_is_answered) {
  std::vector<std::unique_ptr<Request>> requests;
  for (uint32_t i = 0; i < 1000; ++i) {
    const uint64_t offset = (i % (size() / block())) * block();
    requests.push_back(
        i % 2 == 0
            ? Request::write(offset, pattern(offset, block(), 2), 1,
                             i % 20 == 0 && lun_->props().fua == TCMUD_NATIVE ? TCMUD_FLAG_FUA : 0,
                             block())
            : Request::read(offset, block(), 1, block()));
  }
  for (auto& request : requests) {
    lun_->submit(*request);
  }
  for (auto& request : requests) {
    ASSERT_TRUE(lun_->wait(*request));
    ASSERT_EQ(request->status, TCMUD_OK);
  }
}

}  // namespace
}  // namespace tcmud::conformance
