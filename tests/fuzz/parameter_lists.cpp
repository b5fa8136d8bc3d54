// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "fuzz/disk_commands.h"
#include "unit/copy/lists.h"

// Lists of parameters that are valid, or nearly: FORMAT UNIT, SANITIZE, third-party copies, SET
// TARGET PORT GROUPS.
namespace tcmud::test {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint64_t kBlock = DiskModel::kBlock;
constexpr uint16_t kThisLun = 0xFFFF;

// Where a range may be that has room for `blocks`.
uint64_t place(Input& in, const DiskModel& model, uint64_t blocks) {
  return in.byte() % (model.medium().size() / kBlock - blocks + 1);
}

Bytes format_list(Input& in, uint8_t shape) {
  Bytes list(4);
  list[1] = (shape & 0x02) != 0 ? 0x02 : 0;  // IMMED
  if ((shape & 0x04) != 0) {
    const uint8_t length = static_cast<uint8_t>(in.byte() % 9);
    list[1] |= 0x88;  // FOV, IP
    list.insert(list.end(), {0, static_cast<uint8_t>(length > 0), 0, length});
    std::generate_n(std::back_inserter(list), length, [&in] { return in.byte(); });
  }
  return list;
}

Bytes overwrite_list(Input& in, uint8_t shape) {
  const uint8_t length = static_cast<uint8_t>(1 + in.byte() % 8);
  Bytes list{static_cast<uint8_t>((1 + (shape & 0x03)) | ((shape & 0x04) != 0 ? 0x80 : 0)), 0, 0,
             length};
  std::generate_n(std::back_inserter(list), length, [&in] { return in.byte(); });
  return list;
}

Bytes copy_list(Input& in, const DiskModel& model, uint8_t shape) {
  const uint8_t usage = std::array<uint8_t, 4>{0, 0, 2, 3}[shape & 0x03];
  std::vector<CopySegment> segments;
  for (int left = 1 + (shape >> 2 & 0x03); left > 0; --left) {
    const uint8_t between = in.byte();
    const uint16_t blocks = in.byte() % 150;
    const uint64_t from = place(in, model, blocks);
    const uint64_t to =
        (between & 0x04) != 0
            ? std::min<uint64_t>(from + in.byte() % 96, model.medium().size() / kBlock - blocks)
            : place(in, model, blocks);
    segments.push_back({(between & 0x01) != 0 ? kThisLun : uint16_t{0},
                        (between & 0x02) != 0 ? kThisLun : uint16_t{0}, blocks, from, to});
  }
  return xcopy_list(usage == 3 ? 0 : in.byte() % 4, usage, {cscd(model.copies().naa(), kBlock)},
                    segments);
}

// One behind the other, so that they don't overlap.
std::vector<TokenRange> token_ranges(Input& in, const DiskModel& model, size_t count) {
  std::vector<TokenRange> ranges;
  const uint64_t all = model.medium().size() / kBlock;
  uint64_t at = 0;
  while (ranges.size() < count) {
    const uint64_t lba = std::min<uint64_t>(at + in.byte() % 100, all);
    // The first one is not empty: tokens that stand for nothing can't be revoked.
    const uint64_t blocks = std::min<uint64_t>(ranges.empty() + in.byte() % 80, all - lba);
    ranges.push_back({lba, static_cast<uint32_t>(blocks)});
    at = lba + blocks;
  }
  if (count % 2 == 0) {
    std::reverse(ranges.begin(), ranges.end());
  }
  return ranges;
}

Bytes token_list(Input& in, const DiskModel& model, const CopyModel::Token* token, uint8_t shape) {
  Bytes bytes(512);
  if (token != nullptr) {
    bytes = token->bytes;
  } else {
    store_be32(bytes.data(), 0xFFFF0001);  // zeroes
  }
  if ((shape & 0x30) == 0x30) {
    bytes[in.byte()] ^= 1;
  }
  const uint64_t offset = (shape & 0x04) != 0 ? in.byte() % 40 : 0;
  return write_list(bytes, token_ranges(in, model, 1 + (shape >> 6)), offset, shape & 0x03);
}

Bytes states_list(Input& in, uint8_t shape) {
  Bytes list(4);
  for (int left = 1 + (shape & 0x01); left > 0; --left) {
    const uint8_t one = in.byte();
    list.insert(list.end(), {static_cast<uint8_t>(one >> 4 & 0x03), 0, 0,
                             static_cast<uint8_t>(1 + (one & 0x01))});
  }
  return list;
}

void ask_for_token(FuzzedCommand& command, uint32_t list_identifier) {
  command.cdb.assign(16, 0);
  command.cdb[0] = 0x84;
  command.cdb[1] = 0x07;
  store_be32(&command.cdb[2], list_identifier);
  store_be32(&command.cdb[10], 1024);
  command.data_in_length = 1024;
}

void third_party_out(Input& in, const DiskModel& model, FuzzedCommand& command, uint8_t shape) {
  Bytes& cdb = command.cdb;
  switch (cdb[1] & 0x1F) {
    case 0x00:
      command.data_out = copy_list(in, model, shape);
      break;
    case 0x10:
      store_be32(&cdb[6], in.byte() % 8);
      command.data_out = populate_list(token_ranges(in, model, 1 + (shape & 0x03)));
      break;
    default: {
      const auto& tokens = model.copies().tokens();
      const uint8_t which = in.byte();
      const CopyModel::Token* token =
          tokens.empty() || (which & 0xE0) == 0xE0 ? nullptr : &tokens[which % tokens.size()];
      if (token != nullptr && token->bytes.empty()) {
        ask_for_token(command, token->list_identifier);
        return;
      }
      store_be32(&cdb[6], 8 + in.byte() % 8);
      command.data_out = token_list(in, model, token, shape);
    }
  }
  store_be32(&cdb[10], static_cast<uint32_t>(command.data_out.size()));
}

void third_party_in(Input& in, FuzzedCommand& command, uint8_t shape) {
  Bytes& cdb = command.cdb;
  command.data_in_length = (shape & 0x01) != 0 ? in.byte() : 1024;
  if (cdb[1] == 0x07) {
    store_be32(&cdb[2], in.byte() % 16);
  } else {
    cdb[2] = in.byte() % 4;
  }
  store_be32(&cdb[10], static_cast<uint32_t>(command.data_in_length));
}

}  // namespace

bool build_parameters(Input& in, const DiskModel& model, FuzzedCommand& command) {
  Bytes& cdb = command.cdb;
  const uint8_t opcode = cdb[0];
  const bool groups = opcode == 0xA4 && (cdb[1] & 0x1F) == 0x0A;
  if (opcode != 0x04 && opcode != 0x48 && opcode != 0x83 && opcode != 0x84 && !groups) {
    return false;
  }
  const uint8_t shape = in.byte();
  const uint8_t action = cdb[1] & 0x1F;
  std::fill(cdb.begin() + 2, cdb.end(), uint8_t{0});
  switch (opcode) {
    case 0x04:
      cdb[1] = (shape & 0x01) != 0 ? 0x10 : 0;  // FMTDATA
      if (cdb[1] != 0) {
        command.data_out = format_list(in, shape);
      }
      break;
    case 0x48:
      cdb[1] = static_cast<uint8_t>(action | (action == 0x1F ? 0 : shape & 0xA0));  // IMMED, AUSE
      if (action == 0x01) {
        command.data_out = overwrite_list(in, shape);
        store_be16(&cdb[7], static_cast<uint16_t>(command.data_out.size()));
      }
      break;
    case 0x83:
      cdb[1] = action;
      third_party_out(in, model, command, shape);
      break;
    case 0x84:
      cdb[1] = action;
      third_party_in(in, command, shape);
      break;
    default:
      cdb[1] = action;
      command.data_out = states_list(in, shape);
      store_be32(&cdb[6], static_cast<uint32_t>(command.data_out.size()));
      break;
  }
  if ((shape & 0x18) == 0x18 && !command.data_out.empty()) {  // one byte is another
    const size_t at = in.byte() % command.data_out.size();
    command.data_out[at] = in.byte();
  }
  return true;
}

}  // namespace tcmud::test
