// SPDX-License-Identifier: Apache-2.0
#include <numeric>
#include <optional>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "copy/copier.h"
#include "fake_lun.h"

// Copies between several LUNs against flat memory that is moved segment by segment.
namespace tcmud::copy {
namespace {

using test::FakeLun;
using End = CopyResult::End;

constexpr size_t kLuns = 3;
constexpr uint64_t kUnit = 4096;
constexpr uint64_t kUnits = 400;  // of one LUN

struct Segment {
  size_t source, destination;
  uint64_t from, to, length;  // in units
};

// Each number is drawn for itself and made to fit here, by no number that may be another one when a
// failure is shrunk: whatever comes of shrinking is segments again, too.
std::vector<Segment> segments() {
  const auto length =  // longer than all pieces under way together, or short
      rc::gen::oneOf(rc::gen::inRange<uint64_t>(0, kUnits - 50), rc::gen::inRange<uint64_t>(1, 8));
  const auto place = rc::gen::inRange<uint64_t>(0, kUnits + 1);
  const auto drawn =
      rc::gen::tuple(rc::gen::inRange<size_t>(0, kLuns), rc::gen::inRange<size_t>(0, kLuns), length,
                     place, rc::gen::arbitrary<bool>(), place);
  constexpr size_t kMost = 4;
  const auto all =
      *rc::gen::pair(rc::gen::inRange<size_t>(1, kMost + 1),
                     rc::gen::container<std::vector<decltype(drawn)::ValueType>>(kMost, drawn));
  std::vector<Segment> made;
  for (size_t i = 0; i < all.first; ++i) {
    const auto& [source, destination, blocks, from, is_near, to] = all.second[i];
    const uint64_t last = kUnits - blocks;  // where a segment of this length may begin
    Segment segment{source, destination, from % (last + 1), to % (last + 1), blocks};
    if (is_near) {  // so that they often overlap in one LUN
      segment.to = std::min(last, segment.from + to % 100);
    }
    made.push_back(segment);
  }
  return made;
}

struct World {
  World() {
    const uint32_t sizes[kLuns] = {512, 4096, 1024};
    for (size_t i = 0; i < kLuns; ++i) {
      auto lun = std::make_shared<FakeLun>(sizes[i], kUnits * kUnit / sizes[i]);
      lun->medium = test::noise(lun->medium.size(), *rc::gen::arbitrary<uint64_t>());
      // Zeroes in places.
      const uint64_t hole = *rc::gen::inRange<uint64_t>(0, kUnits / 2) * kUnit;
      std::fill_n(lun->medium.begin() + static_cast<long>(hole), kUnits / 2 * kUnit, uint8_t{0});
      lun->lun.thin = lun->lun.can_unmap = *rc::gen::arbitrary<bool>();
      lun->lun.max_transfer_blocks = *rc::gen::element(0u, 64u, 7u * 8, 4096u);
      luns.push_back(lun);
      model.push_back(lun->medium);
    }
  }
  std::vector<Move> moves(const std::vector<Segment>& segments) const {
    std::vector<Move> moves;
    for (const Segment& s : segments) {
      moves.push_back(
          {luns[s.source], s.from * kUnit, luns[s.destination], s.to * kUnit, s.length * kUnit});
    }
    return moves;
  }
  void apply(const Segment& s) {
    std::memmove(model[s.destination].data() + s.to * kUnit,
                 model[s.source].data() + s.from * kUnit, s.length * kUnit);
  }
  std::vector<std::shared_ptr<FakeLun>> luns;
  std::vector<FakeLun::Bytes> model;
};

CopyResult run(World& world, const std::vector<Segment>& wanted) {
  auto places = std::make_shared<std::atomic<size_t>>(0);
  std::optional<CopyResult> ended;
  auto copier = std::make_shared<Copier>(world.moves(wanted), nullptr, 0, Place::take(places, 1));
  RC_ASSERT(copier->run([&ended](const CopyResult& result) {
    RC_ASSERT(!ended);
    ended = result;
  }));
  std::mt19937_64 random(*rc::gen::arbitrary<uint64_t>());
  test::finish(world.luns, random);
  RC_ASSERT(ended.has_value());
  RC_ASSERT(*places == 0U);
  return *ended;
}

RC_GTEST_PROP(CopierProperty, CopiesAreThoseOfFlatMemoryInWhateverOrderRequestsEnd, ()) {
  World world;
  const auto wanted = segments();
  const CopyResult result = run(world, wanted);
  RC_ASSERT(result.end == End::kGood);
  uint64_t bytes = 0;
  for (const Segment& segment : wanted) {
    world.apply(segment);
    bytes += segment.length * kUnit;
  }
  RC_ASSERT(result.bytes == bytes);
  RC_ASSERT(result.moves == wanted.size());
  for (size_t i = 0; i < kLuns; ++i) {
    RC_ASSERT(world.luns[i]->medium == world.model[i]);
  }
}

RC_GTEST_PROP(CopierProperty, AfterTheFailureOfAnyRequestTheEndIsAnErrorAndTheRestUntouched, ()) {
  World world;
  const auto wanted = segments();
  const uint64_t failing = *rc::gen::inRange<uint64_t>(0, 60);
  uint64_t asked = 0;
  bool reading = false;
  bool failed = false;
  for (const auto& lun : world.luns) {
    lun->verdict = [&](const Request& request) {
      const bool fails = asked++ == failing;
      if (fails) {
        failed = true;
        reading = request.block.op == scsi::BlockOp::kRead;
      }
      return !fails;
    };
  }
  const CopyResult result = run(world, wanted);
  RC_ASSERT(failed == (result.end != End::kGood));
  if (!failed) {
    return;
  }
  RC_ASSERT(result.end == (reading ? End::kSourceFailed : End::kDestinationFailed));
  RC_ASSERT(result.moves < wanted.size());
  // The segments before it are done as a whole; of the one that failed, bytes of the destination
  // are what they were or what they were to be; everything else is as it was.
  for (size_t i = 0; i < result.moves; ++i) {
    world.apply(wanted[i]);
  }
  const auto before = world.model;
  world.apply(wanted[result.moves]);
  for (size_t i = 0; i < kLuns; ++i) {
    const auto& medium = world.luns[i]->medium;
    for (size_t at = 0; at < medium.size(); at += 512) {
      const auto same = [&](const FakeLun::Bytes& other) {
        return std::memcmp(&medium[at], &other[at], 512) == 0;
      };
      RC_ASSERT(same(before[i]) || same(world.model[i]));
    }
  }
  RC_ASSERT(result.bytes_of_move <= wanted[result.moves].length * kUnit);
}

}  // namespace
}  // namespace tcmud::copy
