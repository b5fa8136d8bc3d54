// SPDX-License-Identifier: Apache-2.0
#include "fuzz/disk_model.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"

namespace tcmud::test {
namespace {

// SBC-4 clause 5: what a CDB does to the medium.
enum class Does {
  kNothing,
  kRead,
  kWrite,
  kOr,
  kCompareAndWrite,
  kVerify,
  kWriteSame,
  kUnmap,
  kFlush
};

Does what_it_does(std::span<const uint8_t> cdb) {
  switch (cdb[0]) {
    case 0x08:
    case 0x28:
    case 0xA8:
    case 0x88:
      return Does::kRead;
    case 0x0A:
    case 0x2A:
    case 0xAA:
    case 0x8A:
    case 0x2E:
    case 0xAE:
    case 0x8E:
    case 0x9C:
      return Does::kWrite;
    case 0x8B:
      return Does::kOr;
    case 0x89:
      return Does::kCompareAndWrite;
    case 0x2F:
    case 0xAF:
    case 0x8F:
      return Does::kVerify;
    case 0x41:
    case 0x93:
      return Does::kWriteSame;
    case 0x42:
      return Does::kUnmap;
    case 0x35:
    case 0x91:
      return Does::kFlush;
    case 0x7F:
      switch (cdb.size() == 32 ? load_be16(&cdb[8]) : 0) {
        case 0x09:
          return Does::kRead;
        case 0x0A:
          return Does::kVerify;
        case 0x0B:
        case 0x0C:
          return Does::kWrite;
        case 0x0D:
          return Does::kWriteSame;
        default:
          return Does::kNothing;
      }
    default:
      return Does::kNothing;
  }
}

// The INFORMATION field; nothing where it isn't valid.
std::optional<uint64_t> information(const Outcome& outcome) {
  const auto& sense = outcome.sense;
  return (sense[0] & 0xFF) == 0xF0 ? std::optional<uint64_t>(load_be32(&sense[3])) : std::nullopt;
}

}  // namespace

DiskModel::Extent DiskModel::extent_of(std::span<const uint8_t> cdb) {
  switch (cdb[0]) {
    case 0x89:
      return {load_be64(&cdb[2]), cdb[13], cdb[1]};
    case 0x9C:
      return {load_be64(&cdb[2]), load_be16(&cdb[12]), cdb[1]};
    default:
      break;
  }
  switch (cdb.size()) {
    case 6:
      return {load_be24(&cdb[1]) & 0x1FFFFF, cdb[4] == 0 ? 256u : cdb[4], 0};
    case 10:
      return {load_be32(&cdb[2]), load_be16(&cdb[7]), cdb[1]};
    case 12:
      return {load_be32(&cdb[2]), load_be32(&cdb[6]), cdb[1]};
    case 16:
      return {load_be64(&cdb[2]), load_be32(&cdb[10]), cdb[1]};
    case 32:
      return {load_be64(&cdb[12]), load_be32(&cdb[28]), cdb[10]};
    default:
      return {};
  }
}

std::string DiskModel::judge(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                             size_t data_in_length, const Outcome& outcome, bool failed) {
  if (!outcome.answered) {
    return "no answer";
  }
  const Does does = what_it_does(cdb);
  const Command c{cdb, data_out, data_in_length, outcome, failed, extent_of(cdb)};
  if (const auto decided = by_state(c, does != Does::kNothing)) {
    return *decided;
  }
  if (does == Does::kNothing) {
    return other(c);
  }
  const bool has_extent = does != Does::kUnmap && does != Does::kFlush;
  if (has_extent && outcome.good() && !is_within(c.extent)) {
    return "GOOD beyond the last block";
  }
  if (failed && outcome.good()) {
    return "GOOD although a request failed";
  }
  const bool writes = has_extent && does != Does::kRead && does != Does::kVerify;
  if (writes && is_within(c.extent)) {
    copies_.touch({c.extent.lba, c.extent.blocks});
  }
  switch (does) {
    case Does::kNothing:
    case Does::kFlush:
      return {};
    case Does::kRead:
      return read(c);
    case Does::kWrite:
      return write(c);
    case Does::kOr:
      return or_write(c);
    case Does::kCompareAndWrite:
      return compare_and_write(c);
    case Does::kVerify:
      return verify(c);
    case Does::kWriteSame:
      return write_same(c);
    case Does::kUnmap:
      return unmap(c);
  }
  return {};
}

std::string DiskModel::other(const Command& c) {
  const auto& cdb = c.cdb;
  const CopyModel::Asked asked{cdb, c.data_out, c.outcome,
                               c.failed || modes_changed_ || format_corrupt_, format_corrupt_};
  switch (cdb[0]) {
    case 0x15:
    case 0x55:
      modes_changed_ |= c.outcome.good();
      return {};
    case 0x04:
      return operate(c, format_of(cdb, c.data_out));
    case 0x48:
      return (cdb[1] & 0x1F) == 0x1F ? exit_failure_mode(c)
                                     : operate(c, sanitize_of(cdb, c.data_out));
    case 0x83: {
      const bool immediate = (cdb[1] & 0x1F) == 0x11 && c.data_out.size() > 2 && c.data_out[2] & 1;
      if (c.failed && c.outcome.good() && !immediate) {
        return "GOOD although a request failed";
      }
      switch (cdb[1] & 0x1F) {
        case 0x00:
          return copies_.extended_copy(asked, medium_);
        case 0x10:
          return copies_.populate_token(asked, medium_);
        case 0x11:
          return copies_.write_using_token(asked, medium_);
        default:
          return {};
      }
    }
    case 0x84:
      switch (cdb[1] & 0x1F) {
        case 0x00:
          return copies_.receive_copy_status(asked);
        case 0x04:
          return copies_.receive_failure_details(asked);
        case 0x07:
          return copies_.receive_token_information(asked);
        default:
          return {};
      }
    case 0xA3:
      return (cdb[1] & 0x1F) == 0x0A ? port_groups_.report(cdb, c.outcome) : "";
    case 0xA4:
      return (cdb[1] & 0x1F) == 0x0A ? port_groups_.set(cdb, c.data_out, c.outcome) : "";
    default:
      return {};
  }
}

std::string DiskModel::expect_good(const Command& c, bool enough_data) const {
  const uint8_t control = c.cdb[0] == 0x7F ? c.cdb[1] : c.cdb.back();
  const bool atomic = c.cdb[0] == 0x9C;
  const bool plain = c.extent.flags == 0 && (control & 0x04) == 0 && !atomic &&
                     c.extent.blocks <= kMaxTransfer && (c.cdb[0] != 0x7F || c.cdb[7] == 0x18);
  if (!plain || !enough_data || !is_within(c.extent) || c.failed ||
      (modes_changed_ && c.outcome.check(0x07, 0x27, 0x02))) {
    return {};
  }
  return "not GOOD, and nothing is wrong with it";
}

std::string DiskModel::change(const Command& c, Bytes next) {
  c.outcome.good() ? medium_.is(std::move(next)) : medium_.may_be(std::move(next));
  return {};
}

std::string DiskModel::read(const Command& c) {
  const uint64_t wanted = c.extent.blocks * kBlock;
  if (!c.outcome.good()) {
    return expect_good(c, c.data_in_length >= wanted);
  }
  const size_t n = std::min<uint64_t>(wanted, c.data_in_length);
  if (c.outcome.data_in.size() < n ||
      !std::equal(c.outcome.data_in.begin(), c.outcome.data_in.begin() + static_cast<long>(n),
                  medium().begin() + static_cast<long>(c.extent.lba * kBlock))) {
    return "READ brought other data";
  }
  return std::all_of(c.outcome.data_in.begin() + static_cast<long>(n), c.outcome.data_in.end(),
                     [](uint8_t byte) { return byte == 0; })
             ? ""
             : "READ brought more than it should";
}

std::string DiskModel::write(const Command& c) {
  const uint64_t wanted = c.extent.blocks * kBlock;
  const bool enough = c.data_out.size() >= wanted;
  if (c.outcome.good() && !enough) {
    return "GOOD for a WRITE with too little data";
  }
  if (!has_effect(c, enough)) {
    return expect_good(c, enough);
  }
  Bytes next = medium();
  std::copy_n(c.data_out.begin(), wanted, &next[0] + c.extent.lba * kBlock);
  return change(c, std::move(next));
}

std::string DiskModel::or_write(const Command& c) {
  const uint64_t wanted = c.extent.blocks * kBlock;
  const bool enough = c.data_out.size() >= wanted;
  if (c.outcome.good() && !enough) {
    return "GOOD for an ORWRITE with too little data";
  }
  if (!has_effect(c, enough)) {
    return expect_good(c, enough);
  }
  Bytes next = medium();
  uint8_t* const at = next.data() + c.extent.lba * kBlock;
  std::transform(at, at + wanted, c.data_out.begin(), at,
                 [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a | b); });
  return change(c, std::move(next));
}

std::string DiskModel::compare(const Command& c, std::span<const uint8_t> data) const {
  const auto from = medium().begin() + static_cast<long>(c.extent.lba * kBlock);
  const auto difference = std::mismatch(data.begin(), data.end(), from).first - data.begin();
  const bool same = static_cast<size_t>(difference) == data.size();
  if (c.outcome.good()) {
    return same ? "" : "GOOD although the data differ";
  }
  if (!c.outcome.check(0x0E, 0x1D, 0x00)) {
    return {};
  }
  if (same) {
    return "MISCOMPARE although the data are the same";
  }
  return information(c.outcome) == static_cast<uint64_t>(difference)
             ? ""
             : "MISCOMPARE tells another byte than the first that differs";
}

std::string DiskModel::compare_and_write(const Command& c) {
  const uint64_t half = c.extent.blocks * kBlock;
  if (c.data_out.size() < 2 * half) {
    return c.outcome.good() ? "GOOD for a COMPARE AND WRITE with too little data" : "";
  }
  if (!is_within(c.extent)) {
    return {};
  }
  std::string wrong = compare(c, c.data_out.first(half));
  if (wrong.empty() && has_effect(c, true)) {
    Bytes next = medium();
    std::copy_n(c.data_out.begin() + static_cast<long>(half), half,
                next.data() + c.extent.lba * kBlock);
    return change(c, std::move(next));
  }
  return wrong;
}

std::string DiskModel::verify(const Command& c) {
  const uint8_t check = c.extent.flags >> 1 & 0x03;
  if (check == 2) {
    return c.outcome.good() ? "GOOD for a reserved BYTCHK" : "";
  }
  if (check == 0) {
    return c.outcome.good() ? "" : expect_good(c, true);
  }
  const uint64_t wanted = (check == 3 ? std::min<uint64_t>(c.extent.blocks, 1) : c.extent.blocks);
  if (c.data_out.size() < wanted * kBlock) {
    return c.outcome.good() ? "GOOD for a VERIFY with too little data" : "";
  }
  if (!is_within(c.extent)) {
    return {};
  }
  std::vector<uint8_t> data;
  for (uint64_t block = 0; block < c.extent.blocks; ++block) {
    const auto from = c.data_out.begin() + static_cast<long>(check == 3 ? 0 : block * kBlock);
    data.insert(data.end(), from, from + kBlock);
  }
  return compare(c, data);
}

std::string DiskModel::write_same(const Command& c) {
  if (c.extent.blocks == 0) {
    return c.outcome.good() ? "GOOD for a WRITE SAME of no blocks, with WSNZ 1" : "";
  }
  const bool no_data = c.cdb.size() != 10 && (c.extent.flags & 0x01) != 0;
  const bool enough = no_data || c.data_out.size() >= kBlock;
  if (c.outcome.good() && !enough) {
    return "GOOD for a WRITE SAME with too little data";
  }
  if (!has_effect(c, enough)) {
    return expect_good(c, !no_data && c.data_out.size() == kBlock);
  }
  Bytes next = medium();
  for (uint64_t block = 0; block < c.extent.blocks; ++block) {
    uint8_t* const to = next.data() + (c.extent.lba + block) * kBlock;
    no_data ? std::fill_n(to, kBlock, 0) : std::copy_n(c.data_out.begin(), kBlock, to);
  }
  return change(c, std::move(next));
}

std::string DiskModel::unmap(const Command& c) {
  const size_t length = load_be16(&c.cdb[7]);
  if (length == 0) {
    return {};
  }
  if (length < 8 || length > c.data_out.size()) {
    return c.outcome.good() ? "GOOD for an UNMAP whose list is too short" : "";
  }
  Bytes next = medium();
  const size_t descriptors = std::min<size_t>(load_be16(&c.data_out[2]), length - 8) / 16;
  for (size_t i = 0; i < descriptors; ++i) {
    const uint8_t* descriptor = &c.data_out[8 + 16 * i];
    const Extent extent{load_be64(descriptor), load_be32(descriptor + 8), 0};
    if (!is_within(extent)) {
      return c.outcome.good() ? "GOOD for an UNMAP beyond the last block" : "";
    }
    copies_.touch({extent.lba, extent.blocks});
    // The handler's unmapped blocks are zero.
    std::fill_n(next.begin() + static_cast<long>(extent.lba * kBlock), extent.blocks * kBlock, 0);
  }
  return has_effect(c, true) ? change(c, std::move(next)) : "";
}

}  // namespace tcmud::test
