// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "fuzz/input.h"
#include "scsi/command_table.h"
#include "scsi/execute.h"
#include "scsi/extended_copy.h"
#include "scsi/rod_token.h"

// Any LUN, any CDB of any length, any data: whatever execute() says keeps to the LUN, to the
// buffers, and to its own contract. The input begins with the LUN; every byte that is not there
// counts as zero.
namespace {

using namespace tcmud::scsi;
using tcmud::test::Input;

constexpr uint8_t kSanitize = 0x48;

#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

Lun any_lun(Input& in) {
  Lun lun;
  lun.block_size = 512u << (in.byte() % 4);
  lun.physical_block_size = static_cast<uint32_t>(in.number(2)) << 4;
  // A quarter each: a handful of blocks, the boundary of 21 bits, that of 32 bits, and as many as
  // there can be.
  const uint8_t kind = in.byte();
  const uint64_t distance = in.number(2);
  const uint64_t most = (uint64_t{1} << 63) / lun.block_size - 1;
  const uint64_t bases[] = {0, 0x1F8000, 0xFFFF8000, most - 0xFFFF};
  lun.blocks = bases[kind % 4] + distance;
  const uint8_t flags = in.byte();
  lun.read_only = (flags & 0x07) == 0x07;
  lun.can_fua = (flags & 0x08) != 0;
  lun.can_flush = (flags & 0x10) != 0;
  lun.can_unmap = (flags & 0x20) == 0;
  lun.unmap_zeroes = (flags & 0x40) != 0;
  lun.thin = (flags & 0x80) != 0;
  const uint8_t limits = in.byte();
  lun.max_transfer_blocks = (limits & 1) != 0 ? static_cast<uint32_t>(in.number(2)) : 0;
  lun.max_unmap_blocks = (limits & 2) != 0 ? static_cast<uint32_t>(in.number(3)) : 0;
  lun.max_unmap_descriptors = (limits & 4) != 0 ? static_cast<uint32_t>(in.number(2)) : 256;
  lun.max_write_same_blocks = (limits & 8) != 0 ? in.number(3) : 0;
  if ((limits & 16) != 0) {
    const auto serial = in.bytes(in.byte());
    lun.serial.assign(serial.begin(), serial.end());
    lun.vendor = lun.product = lun.serial;
  }
  return lun;
}

// What came later than the corpus, and is therefore read behind all of its inputs.
void add_features(Input& in, Lun& lun) {
  lun.features = static_cast<uint32_t>(in.number(2));
  const uint8_t state = in.byte();
  lun.software_write_protect = (state & 0x07) == 0x07;
  lun.can_switch_write_cache = (state & 0x08) != 0;
  if ((state & 0x70) == 0x70) {
    lun.progress = in.byte();
  }
  if ((state & 0x81) == 0x81) {
    lun.sanitize_failure = SanitizeFailure::kUnrestricted;
  }
  lun.max_compare_and_write_blocks = in.byte();
  lun.max_atomic_blocks = in.byte();
}

TargetPort any_port(Input& in) {
  const uint8_t kind = in.byte();
  return {.relative_id = static_cast<uint16_t>(in.number(2)),
          .protocol = static_cast<uint8_t>(kind & 0x0F),
          .enabled = (kind & 0x10) != 0,
          .target = (kind & 0x20) != 0 ? "naa.6001405000000011" : std::string(in.byte(), 'q'),
          .tag = static_cast<uint16_t>(in.number(2))};
}

// Ascending by their ids; now and then as many as there can be.
void add_port_groups(Input& in, Lun& lun) {
  const uint8_t shape = in.byte();
  const size_t count = shape == 0xFF ? kMaxTargetPortGroups : shape % 4;
  uint16_t id = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t flags = in.byte();
    TargetPortGroup group;
    id = static_cast<uint16_t>(id + 1 + (flags >> 6));
    group.id = id;
    group.state = static_cast<AccessState>(in.byte() & 0x0F);
    group.supported = in.byte();
    group.preferred = (flags & 0x01) != 0;
    group.implicitly = (flags & 0x02) != 0;
    group.explicitly = (flags & 0x04) != 0;
    group.status = (flags >> 3 & 0x03) % 3;
    const size_t ports = shape == 0xFF ? kMaxTargetPorts / kMaxTargetPortGroups : in.byte() % 4;
    std::generate_n(std::back_inserter(group.ports), ports, [&in] { return any_port(in); });
    lun.target_port_groups.push_back(std::move(group));
  }
}

void check_extent(const Lun& lun, uint64_t offset, uint64_t length) {
  const uint64_t size = lun.blocks * lun.block_size;
  REQUIRE(offset % lun.block_size == 0);
  REQUIRE(length % lun.block_size == 0);
  REQUIRE(offset <= size);
  REQUIRE(length <= size - offset);
}

// What the engine is going to do by a parameter list that was found valid.
void check_list(const Lun& lun, const Outcome& outcome, std::span<const uint8_t> list) {
  const auto check_ranges = [&lun](const TokenRanges& ranges) {
    REQUIRE(ranges.count <= kMaxTokenRanges);
    for (size_t i = 0; i < ranges.count; ++i) {
      REQUIRE(ranges.range[i].length > 0);
      check_extent(lun, ranges.range[i].offset, ranges.range[i].length);
    }
  };
  switch (outcome.kind) {
    case Outcome::Kind::kExtendedCopy: {
      ExtendedCopy copy;
      REQUIRE(decode_extended_copy(list, copy).status == Status::kGood);
      for (size_t i = 0; i < copy.segments; ++i) {
        for (const uint16_t cscd : {copy.segment[i].source, copy.segment[i].destination}) {
          REQUIRE(cscd == kThisLogicalUnit || cscd < copy.cscds);
        }
        CopyExtents extents;
        if (segment_extents(copy.segment[i], lun, lun, extents)) {
          check_extent(lun, extents.source, extents.length);
          check_extent(lun, extents.destination, extents.length);
        }
      }
      break;
    }
    case Outcome::Kind::kPopulateToken: {
      PopulateToken populate;
      REQUIRE(decode_populate_token(lun, list, populate).status == Status::kGood);
      REQUIRE(populate.timeout > 0 && populate.timeout <= kMaxTokenTimeout);
      check_ranges(populate.ranges);
      break;
    }
    case Outcome::Kind::kWriteUsingToken: {
      WriteUsingToken write;
      REQUIRE(decode_write_using_token(lun, list, write).status == Status::kGood);
      REQUIRE(write.token.size() == kRodTokenLength);
      check_ranges(write.ranges);
      break;
    }
    case Outcome::Kind::kSetTargetPortGroups: {
      const auto requests = requested_states(lun, list);
      REQUIRE(!requests.empty());
      for (const StateRequest& request : requests) {
        REQUIRE(std::any_of(lun.target_port_groups.begin(), lun.target_port_groups.end(),
                            [&request](const TargetPortGroup& group) {
                              return group.id == request.group && group.explicitly &&
                                     group.state != request.state &&
                                     (group.supported >> static_cast<int>(request.state) & 1) != 0;
                            }));
      }
      break;
    }
    default:
      break;
  }
}

void check_block(const Lun& lun, const Command& command, const BlockRequest& block,
                 std::span<const Range> ranges) {
  if (block.op == BlockOp::kUnmap) {
    REQUIRE(lun.can_unmap);
    REQUIRE(block.ranges > 0);
    REQUIRE(block.ranges <= std::min<size_t>(ranges.size(), command.parameters.size() / 16));
    for (const Range& range : ranges.first(block.ranges)) {
      REQUIRE(range.length > 0);
      check_extent(lun, range.offset, range.length);
    }
  } else {
    REQUIRE(block.ranges == 0);
    check_extent(lun, block.offset, block.length);
  }
  switch (block.op) {
    case BlockOp::kRead:
    case BlockOp::kWrite:
      REQUIRE(block.length > 0);
      REQUIRE(block.length <= command.data_length);
      REQUIRE(lun.max_transfer_blocks == 0 ||
              block.length / lun.block_size <= lun.max_transfer_blocks);
      break;
    case BlockOp::kWriteSame:
      REQUIRE(command.data_length == lun.block_size);
      [[fallthrough]];
    case BlockOp::kWriteZeroes:
      REQUIRE(block.length > 0);
      REQUIRE(lun.can_unmap || !block.may_unmap);
      break;
    case BlockOp::kFlush:
      REQUIRE(lun.can_flush);
      break;
    case BlockOp::kUnmap:
      break;
    case BlockOp::kCompareAndWrite:
      REQUIRE(lun.has(kCanCompareAndWrite));
      REQUIRE(block.length > 0);
      REQUIRE(command.data_length == 2 * block.length);
      break;
    case BlockOp::kVerifyData:
      REQUIRE(lun.has(kCanVerify));
      REQUIRE(block.length > 0);
      REQUIRE(command.data_length >= (block.one_block ? lun.block_size : block.length));
      break;
    case BlockOp::kVerify:
      REQUIRE(lun.has(kCanVerify));
      REQUIRE(block.length > 0);
      break;
    case BlockOp::kWriteAndVerify:
    case BlockOp::kOrWrite:
      REQUIRE(lun.has(block.op == BlockOp::kOrWrite ? kCanOrWrite : kCanVerify));
      REQUIRE(block.length > 0);
      REQUIRE(block.length <= command.data_length);
      break;
    case BlockOp::kPrefetch:
      REQUIRE(lun.has(kCanPrefetch));
      REQUIRE(block.length > 0);
      break;
    case BlockOp::kLbaStatus:
      REQUIRE(lun.has(kCanTellLbaStatus));
      REQUIRE(block.length == 0);
      REQUIRE(block.offset < lun.blocks * lun.block_size);
      REQUIRE(block.allocation_length <= command.data_length);
      break;
  }
  REQUIRE(lun.can_fua || !block.fua);
  const bool reads = block.op == BlockOp::kRead || block.op == BlockOp::kFlush ||
                     block.op == BlockOp::kVerify || block.op == BlockOp::kVerifyData ||
                     block.op == BlockOp::kPrefetch || block.op == BlockOp::kLbaStatus;
  REQUIRE(reads || !(lun.read_only || lun.software_write_protect));
}

void check_sense(const Outcome& outcome) {
  REQUIRE(outcome.status == Status::kGood || outcome.status == Status::kCheckCondition);
  if (outcome.status == Status::kCheckCondition) {
    REQUIRE(outcome.kind == Outcome::Kind::kReply);
    REQUIRE(outcome.response_length == 0);
    REQUIRE(outcome.sense.code != asc::kNone);
  }
  std::array<uint8_t, 32> sense;
  const size_t length = encode_sense(outcome.sense, sense);
  REQUIRE(length == 18 || (length > 18 && length <= sense.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  Lun lun = any_lun(in);
  const uint8_t shape = in.byte();
  // Lengths of the data buffer near what commands want, or any.
  const uint64_t lengths[] = {0, lun.block_size, 24, in.number(2), in.number(4), UINT64_MAX};
  const uint64_t data_length = lengths[(shape >> 4) % std::size(lengths)];
  std::vector<uint8_t> cdb = in.bytes((shape & 0x08) != 0 ? in.byte() % 40 : 16);
  if ((shape & 0x07) != 0 && !cdb.empty()) {
    // Mostly a command that is there.
    const auto table = command_table();
    const CommandDescription& d = table[cdb[0] % table.size()];
    cdb[0] = d.opcode;
    if (d.opcode == kVariableLength && cdb.size() > 9) {
      cdb[7] = 0x18;
      cdb[8] = 0x00;
      cdb[9] = static_cast<uint8_t>(d.service_action);
    } else if (d.has_service_action() && cdb.size() > 1) {
      cdb[1] = static_cast<uint8_t>((cdb[1] & 0xE0) | d.service_action);
    }
  }

  const size_t wanted = parameter_list_length(cdb, data_length);
  REQUIRE(wanted <= data_length);
  REQUIRE(wanted <= kMaxParameterList);
  std::vector<uint8_t> parameters = in.bytes(wanted);
  if ((shape & 0x08) == 0) {
    parameters.resize(wanted);  // else: a transport that gave less than it said
  }
  add_features(in, lun);
  add_port_groups(in, lun);
  std::vector<uint8_t> response(kMaxResponse);
  std::vector<Range> ranges(kMaxUnmapDescriptors);
  const Command command{.cdb = cdb, .data_length = data_length, .parameters = parameters};
  const Outcome outcome = execute(lun, command, response, ranges);

  REQUIRE(outcome.response_length <= std::min<uint64_t>(data_length, kMaxResponse));
  check_sense(outcome);
  if (outcome.kind != Outcome::Kind::kReply) {
    REQUIRE(outcome.response_length == 0);
    REQUIRE(outcome.status == Status::kGood);
  }
  for (const Pattern& pattern : {outcome.format.pattern, outcome.sanitize.pattern}) {
    REQUIRE(pattern.length <= lun.block_size);
    REQUIRE(pattern.length == 0 || pattern.offset + pattern.length <= parameters.size());
  }
  if (outcome.kind == Outcome::Kind::kBlock) {
    check_block(lun, command, outcome.block, ranges);
  }
  check_list(lun, outcome, parameters);

  // A table entry is executed, and nothing else is; and only a whole CDB is.
  const CommandDescription* d = find_command(cdb);
  if (d == nullptr || d->has(kAnsweredByTarget) || !is_supported(lun, *d)) {
    REQUIRE(outcome.status == Status::kCheckCondition);
    REQUIRE(outcome.sense.code == asc::kInvalidOperationCode ||
            (!cdb.empty() && cdb[0] == kSanitize) ||  // other ways to do it are there
            cdb.size() < service_action_end(cdb.empty() ? 0 : cdb[0]));
  } else if (cdb.size() < d->cdb_length) {
    REQUIRE(outcome.sense.code == asc::kInvalidFieldInCdb);
  } else {
    REQUIRE(outcome.sense.code != asc::kInvalidOperationCode);
    if (d->transfer == Transfer::kDataIn && d->length.width == 2) {
      REQUIRE(outcome.response_length <= tcmud::load_be16(&cdb[d->length.offset]));
    }
  }
  (void)ignores_unit_attention(cdb);

  // Pure: the same again is the same.
  std::vector<uint8_t> again(kMaxResponse);
  std::vector<Range> ranges_again(kMaxUnmapDescriptors);
  const Outcome second = execute(lun, command, again, ranges_again);
  REQUIRE(second.kind == outcome.kind && second.sense == outcome.sense);
  REQUIRE(second.response_length == outcome.response_length);
  REQUIRE(std::equal(again.begin(), again.begin() + second.response_length, response.begin()));
  return 0;
}
