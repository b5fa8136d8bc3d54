// SPDX-License-Identifier: Apache-2.0
#include "fuzz/disk_commands.h"

#include <algorithm>

#include "scsi/command_table.h"

namespace tcmud::test {
namespace {

constexpr size_t kBlock = DiskModel::kBlock;

void store(std::vector<uint8_t>& cdb, scsi::Field field, uint64_t value) {
  for (size_t i = 0; i < field.width; ++i) {
    cdb[field.offset + i] = static_cast<uint8_t>(value >> 8 * (field.width - 1 - i));
  }
}

uint64_t load(const std::vector<uint8_t>& cdb, scsi::Field field) {
  uint64_t v = 0;
  for (size_t i = 0; i < field.width; ++i) {
    v = v << 8 | cdb[field.offset + i];
  }
  return v;
}

size_t data_out_length(const scsi::CommandDescription& d, const std::vector<uint8_t>& cdb,
                       uint64_t claimed, uint64_t length) {
  switch (d.transfer) {
    case scsi::Transfer::kNone:
    case scsi::Transfer::kDataIn:
    case scsi::Transfer::kReadBlocks:
      return 0;
    case scsi::Transfer::kParameterList:
      return d.length.width != 0 ? claimed : length;
    case scsi::Transfer::kWriteBlocks:
      return (claimed == 0 && d.cdb_length == 6 ? 256 : claimed) * kBlock;
    case scsi::Transfer::kOneBlock:
      return kBlock;
    case scsi::Transfer::kVerifyBlocks:
      return (cdb[d.flags_byte()] & 0x06) == 0x06 ? kBlock : claimed * kBlock;
    case scsi::Transfer::kCompareAndWrite:
      return 2 * claimed * kBlock;
  }
  return 0;
}

size_t data_in_length(const scsi::CommandDescription& d, uint64_t claimed) {
  switch (d.transfer) {
    case scsi::Transfer::kDataIn:
      return d.length.width != 0 ? claimed : 8;
    case scsi::Transfer::kReadBlocks:
      return (claimed == 0 && d.cdb_length == 6 ? 256 : claimed) * kBlock;
    default:
      return 0;
  }
}

void add_mishap(Input& in, FuzzedCommand& s) {
  const uint8_t mishap = in.byte();
  s.ends_later = (mishap & 0x01) != 0;
  s.waits = (mishap & 0x02) != 0;
  // What is answered ahead of its work, but long operations and copies, fails when nobody looks.
  const uint8_t opcode = s.cdb[0];
  const bool ahead =
      (opcode == 0x34 || opcode == 0x35 || opcode == 0x90 || opcode == 0x91) && (s.cdb[1] & 0x02);
  if ((mishap & 0x04) != 0 && !ahead) {
    s.failing = 1 + (mishap >> 3 & 0x07);
    s.failure = mishap >> 6;
  }
}

}  // namespace

FuzzedCommand any_command(Input& in, const DiskModel& model) {
  const auto table = scsi::command_table();
  const scsi::CommandDescription& d = table[in.byte() % table.size()];
  const uint8_t shape = in.byte();
  FuzzedCommand s;
  s.cdb.resize(d.cdb_length);
  if ((shape & 0x01) != 0) {
    std::generate(s.cdb.begin() + 1, s.cdb.end(), [&] { return in.byte(); });
  } else {
    s.cdb[d.flags_byte()] = (shape & 0x02) != 0 ? in.byte() : 0;
  }
  s.cdb[0] = d.opcode;
  if (d.opcode == scsi::kVariableLength) {
    s.cdb[7] = 0x18;
    store(s.cdb, {8, 2}, d.service_action);
  } else if (d.has_service_action()) {
    s.cdb[1] = static_cast<uint8_t>((s.cdb[1] & 0xE0) | d.service_action);
  }
  if ((shape & 0x30) == 0x20) {
    add_mishap(in, s);
  }
  if ((shape & 0x01) == 0 && build_parameters(in, model, s)) {
    return s;
  }
  const uint64_t lba = in.byte();
  const uint64_t length = in.byte() % 24;
  if ((shape & 0x04) == 0) {
    store(s.cdb, d.lba, lba);
    store(s.cdb, d.length, length);
  }
  const uint64_t claimed = std::min<uint64_t>(load(s.cdb, d.length), 4096);
  size_t out = data_out_length(d, s.cdb, claimed, length);
  s.data_in_length = data_in_length(d, claimed);
  if ((shape & 0x30) == 0x30) {  // a transport that has another opinion
    (out != 0 ? out : s.data_in_length) = size_t{in.byte()} * 64;
  }
  s.data_out.resize(out);
  if (d.transfer == scsi::Transfer::kParameterList) {
    std::generate(s.data_out.begin(), s.data_out.end(), [&] { return in.byte(); });
    return s;
  }
  const uint8_t seed = in.byte();
  for (size_t i = 0; i < out; ++i) {
    s.data_out[i] = static_cast<uint8_t>(seed * (i / kBlock + 1) + i % 3);
  }
  // What is compared is often what is there, or nearly.
  if (const size_t same = std::min<size_t>(out, claimed * kBlock);
      (shape & 0x40) != 0 && lba * kBlock + same <= model.medium().size()) {
    std::copy_n(model.medium().begin() + static_cast<long>(lba * kBlock), same, s.data_out.begin());
    if ((shape & 0x80) != 0 && same > 0) {
      s.data_out[(size_t{seed} * 97) % same] ^= 1;
    }
  }
  return s;
}

}  // namespace tcmud::test
