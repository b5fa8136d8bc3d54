// SPDX-License-Identifier: Apache-2.0
#include <tuple>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "unit/scsi/disk.h"

// Properties of every command that the table describes, over random LUNs and CDBs.
namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;
using Wide = unsigned __int128;

// Values near a boundary, or any.
rc::Gen<uint64_t> near(uint64_t boundary) {
  return rc::gen::oneOf(
      rc::gen::map(rc::gen::inRange<int64_t>(-300, 300),
                   [boundary](int64_t d) { return boundary + static_cast<uint64_t>(d); }),
      rc::gen::arbitrary<uint64_t>(),
      rc::gen::element<uint64_t>(0, 1, UINT32_MAX, 1ULL << 32, 1ULL << 63, UINT64_MAX));
}

rc::Gen<Lun> any_lun() {
  return rc::gen::exec([] {
    Lun lun;
    lun.block_size = *rc::gen::element(512u, 1024u, 2048u, 4096u);
    lun.physical_block_size = lun.block_size << *rc::gen::inRange(0, 4);
    const uint64_t most = (1ULL << 63) / lun.block_size - 1;
    lun.blocks = *rc::gen::element<uint64_t>(1, 2, 255, 256, 2048, 0x1FFFFF, 0x200000, UINT32_MAX,
                                             1ULL << 32, (1ULL << 32) + 1, 1ULL << 40, most);
    lun.serial = *rc::gen::element<std::string>("", "0123", "3a5b6c7d-8e9f-4a1b-8c2d-0123456789ab");
    lun.read_only = *rc::gen::weightedElement<bool>({{1, true}, {9, false}});
    lun.write_cache = *rc::gen::arbitrary<bool>();
    lun.rotational = *rc::gen::arbitrary<bool>();
    lun.can_fua = *rc::gen::arbitrary<bool>();
    lun.can_flush = *rc::gen::arbitrary<bool>();
    lun.can_unmap = *rc::gen::arbitrary<bool>();
    lun.unmap_zeroes = *rc::gen::arbitrary<bool>();
    lun.thin = *rc::gen::arbitrary<bool>();
    lun.features = *rc::gen::element(0u, UINT32_MAX, UINT32_MAX, 0x155u, 0x2AAu);
    lun.software_write_protect = *rc::gen::weightedElement<bool>({{1, true}, {9, false}});
    lun.can_switch_write_cache = *rc::gen::arbitrary<bool>();
    lun.max_compare_and_write_blocks = *rc::gen::element<uint8_t>(1, 16, 255);
    lun.max_atomic_blocks = *rc::gen::element(1u, 256u);
    lun.max_transfer_blocks = *rc::gen::element(0u, 1u, 128u, 8192u, UINT32_MAX);
    lun.max_unmap_blocks = *rc::gen::element(0u, 1u, 1000u);
    lun.max_unmap_descriptors = *rc::gen::element(0u, 1u, 16u, 256u);
    lun.max_write_same_blocks = *rc::gen::element<uint64_t>(0, 1, 1000, 1ULL << 40);
    return lun;
  });
}

std::vector<const CommandDescription*> commands(bool (*wanted)(const CommandDescription&)) {
  std::vector<const CommandDescription*> all;
  for (const CommandDescription& d : command_table()) {
    if (!d.has(kAnsweredByTarget) && wanted(d)) {
      all.push_back(&d);
    }
  }
  return all;
}

// The range rule, in 128 bits: where nothing can overflow.
RC_GTEST_PROP(ExecuteProperty, AnExtentIsOutOfRangeExactlyWhereItsEndIsBehindTheLastBlock, ()) {
  Lun lun = *any_lun();
  lun.read_only = lun.software_write_protect = false;
  lun.max_transfer_blocks = 0;
  lun.max_write_same_blocks = 0;
  lun.features = UINT32_MAX;
  const auto with_lba = commands([](const CommandDescription& d) {
    return d.lba.width != 0 && d.transfer != Transfer::kDataIn;
  });
  const CommandDescription& d = **rc::gen::elementOf(with_lba);
  const uint64_t lba_mask = d.cdb_length == 6  ? 0x1FFFFF
                            : d.lba.width == 8 ? UINT64_MAX
                                               : UINT32_MAX;
  const uint64_t length_mask = (1ULL << (8 * d.length.width)) - 1;
  const uint64_t lba = *near(lun.blocks) & lba_mask;
  const uint64_t length = *near(lun.blocks - std::min(lba, lun.blocks)) & length_mask;
  const uint64_t blocks = d.cdb_length == 6 && length == 0 ? 256 : length;

  const uint64_t data_length = d.transfer == Transfer::kOneBlock ? lun.block_size : UINT64_MAX;
  const test::Answer answer = run(lun, test::with_extent(d, lba, length), data_length);
  const bool within = Wide{lba} + blocks <= lun.blocks;
  RC_TAG(within);
  RC_ASSERT((answer.outcome.sense.code == asc::kLbaOutOfRange) == !within);
  if (answer.block()) {
    const BlockRequest& block = answer.outcome.block;
    RC_ASSERT(Wide{block.offset} == Wide{lba} * lun.block_size);
    const bool none_is_the_rest = block.op == BlockOp::kFlush || block.op == BlockOp::kPrefetch ||
                                  block.op == BlockOp::kWriteSame;
    if (none_is_the_rest && blocks == 0) {
      RC_ASSERT(Wide{block.offset} + block.length == Wide{lun.blocks} * lun.block_size);
    } else {
      RC_ASSERT(Wide{block.length} == Wide{blocks} * lun.block_size);
    }
  }
}

Bytes random_cdb(const CommandDescription& d) {
  // Mostly zero: a CDB of random bits is refused for its first one.
  Bytes cdb = test::blank_cdb(d);
  for (size_t i = 1; i < cdb.size(); ++i) {
    cdb[i] |= static_cast<uint8_t>(*rc::gen::weightedOneOf<int>(
        {{6, rc::gen::just(0)},
         {2, rc::gen::map(rc::gen::inRange(0, 8), [](int b) { return 1 << b; })},
         {1, rc::gen::inRange(0, 256)}}));
  }
  if (d.has_service_action()) {
    test::set_service_action(cdb, d.service_action);
  }
  return cdb;
}

auto comparable(const test::Answer& a) {
  const Outcome& o = a.outcome;
  std::vector<uint64_t> ranges;
  for (const Range& range : a.ranges) {
    ranges.insert(ranges.end(), {range.offset, range.length});
  }
  return std::tuple(o.kind, o.status, o.sense.key, o.sense.code, o.sense.field, o.sense.field_bit,
                    a.data, ranges, o.block.op, o.block.fua, o.block.may_unmap, o.block.offset,
                    o.block.length, o.block.immediate, o.block.one_block, o.block.atomic,
                    o.block.allocation_length, o.mode.write_cache, o.mode.software_write_protect,
                    o.format.immediate, o.sanitize.immediate, o.sanitize.unrestricted_exit,
                    o.copy.list_identifier, o.copy.allocation_length, o.copy.failed_segment);
}

// What REPORT SUPPORTED OPERATION CODES says of the bits of a CDB is true.
RC_GTEST_PROP(ExecuteProperty, BitsOutsideTheUsageDataChangeNothing, ()) {
  const Lun lun = *any_lun();
  const CommandDescription& d =
      **rc::gen::elementOf(commands([](const CommandDescription&) { return true; }));
  const Bytes cdb = random_cdb(d);
  const uint64_t data_length = *rc::gen::element<uint64_t>(0, 24, 512, 4096, 1 << 20);
  const Bytes list = *rc::gen::container<Bytes>(64, rc::gen::arbitrary<uint8_t>());
  const auto expected = comparable(run(lun, cdb, data_length, list));
  for (size_t i = 1; i < cdb.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      if ((d.usage[i] >> bit & 1) == 0 && !test::is_service_action(d, i, bit)) {
        Bytes other = cdb;
        other[i] ^= static_cast<uint8_t>(1 << bit);
        RC_ASSERT(comparable(run(lun, other, data_length, list)) == expected);
      }
    }
  }
}

// A parameter list with which the options of its command come to count; empty for most.
Bytes valid_list(const CommandDescription& d) {
  Bytes list;
  if (d.opcode == 0x48 && d.service_action == 0x01) {
    list = {1, 0, 0, 4, 0xAA, 0xAA, 0xAA, 0xAA};
  } else if (d.opcode == 0x83 && d.service_action == 0x10) {
    list.resize(32, 0);
    list[1] = 30;
    list[15] = 16;
    list[27] = 1;
  } else if (d.opcode == 0x83 && d.service_action == 0x11) {
    list.resize(552, 0);
    test::put_be(list, 0, 2, 550);
    list[535] = 16;
    list[547] = 1;
  }
  return list;
}

// And the other way round: no bit is claimed that nothing looks at. For each bit there is a CDB on
// a LUN that can everything, or on one that can nothing, whose answer changes with it.
TEST(ExecuteProperty, EveryBitOfTheUsageDataChangesSomeAnswer) {
  Lun no_fua = test::everything();
  no_fua.can_fua = false;
  const Lun luns[] = {test::everything(), test::plain(), no_fua};
  for (const CommandDescription* d : commands([](const CommandDescription&) { return true; })) {
    for (size_t i = 1; i < d->cdb_length; ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        if ((d->usage[i] >> bit & 1) == 0 || test::is_service_action(*d, i, bit)) {
          continue;
        }
        bool matters = false;
        for (const Lun& lun : luns) {
          // A blank CDB, one with a length of one, and what the options of some commands need to be
          // looked at.
          for (int variant = 0; variant < 5; ++variant) {
            Bytes cdb = test::blank_cdb(*d);
            if (variant > 0 && d->length.width != 0) {
              cdb[d->length.offset + d->length.width - 1u] = variant == 1 ? 1 : 0xFF;
            }
            if (d->opcode == 0x1A || d->opcode == 0x5A) {
              cdb[2] = variant == 3 ? 0x01 : variant == 4 ? 0x7F : 0x3F;
            }
            if (d->opcode == 0xA3) {
              cdb[2] = variant == 3 ? 3 : 0;
            }
            if (d->opcode == 0x1B) {
              cdb[4] = 1;
            }
            if (d->opcode == 0x15 || d->opcode == 0x55) {
              cdb[1] = 0x10;  // PF
            }
            const Bytes list = variant == 2 ? valid_list(*d) : Bytes{};
            if (!list.empty()) {
              test::put_be(cdb, d->length.offset, d->length.width, list.size());
            }
            const uint64_t data_length = d->transfer == Transfer::kOneBlock ? lun.block_size
                                         : d->transfer == Transfer::kCompareAndWrite
                                             ? 2 * lun.block_size
                                             : test::kPlenty;
            const auto before = comparable(run(lun, cdb, data_length, list));
            cdb[i] ^= static_cast<uint8_t>(1 << bit);
            matters |= comparable(run(lun, cdb, data_length, list)) != before;
          }
        }
        EXPECT_TRUE(matters) << d->name << " byte " << i << " bit " << bit;
      }
    }
  }
}

RC_GTEST_PROP(ExecuteProperty, EveryUnmapRangeIsOneOfTheListAndWithinTheLun, ()) {
  Lun lun = *any_lun();
  lun.can_unmap = true;
  lun.read_only = lun.software_write_protect = false;
  lun.max_unmap_blocks = 0;
  const auto count = *rc::gen::inRange<size_t>(0, 20);
  Bytes list(8 + 16 * count, 0);
  test::put_be(list, 2, 2,
               *rc::gen::oneOf(rc::gen::just<uint64_t>(16 * count),
                               rc::gen::inRange<uint64_t>(0, 16 * count + 40)));
  for (size_t i = 0; i < count; ++i) {
    test::put_be(list, 8 + 16 * i, 8,
                 *rc::gen::weightedOneOf<uint64_t>(
                     {{9, rc::gen::inRange<uint64_t>(0, lun.blocks)}, {1, near(lun.blocks)}}));
    test::put_be(list, 16 + 16 * i, 4, *rc::gen::inRange<uint64_t>(0, 3));
  }
  Bytes cdb = {0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  test::put_be(cdb, 7, 2, list.size());
  const test::Answer answer = run(lun, cdb, list.size(), list);

  // The model: walk the whole descriptors that are announced and there.
  const size_t there = std::min<uint64_t>(test::get_be(list, 2, 2), list.size() - 8) / 16;
  const size_t limit = lun.max_unmap_descriptors == 0 ? 256 : lun.max_unmap_descriptors;
  std::vector<std::pair<Wide, Wide>> expected;
  bool bad = there > limit;
  for (size_t i = 0; i < there; ++i) {
    const Wide lba = test::get_be(list, 8 + 16 * i, 8);
    const Wide blocks = test::get_be(list, 16 + 16 * i, 4);
    bad |= lba + blocks > lun.blocks;
    if (blocks > 0) {
      expected.push_back({lba * lun.block_size, blocks * lun.block_size});
    }
  }
  RC_TAG(bad);
  RC_ASSERT((answer.outcome.status == Status::kCheckCondition) == bad);
  if (!bad) {
    RC_ASSERT(answer.ranges.size() == expected.size());
    RC_ASSERT(answer.block() == !expected.empty());
    for (size_t i = 0; i < expected.size(); ++i) {
      RC_ASSERT(Wide{answer.ranges[i].offset} == expected[i].first);
      RC_ASSERT(Wide{answer.ranges[i].length} == expected[i].second);
    }
  }
}

}  // namespace
}  // namespace tcmud::scsi
