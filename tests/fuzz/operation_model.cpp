// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "fuzz/disk_model.h"

// FORMAT UNIT and SANITIZE (SBC-4): what each block holds behind them, who is refused while they go
// on, and behind one that failed.
namespace tcmud::test {
namespace {

constexpr uint8_t kTestUnitReady = 0x00, kRequestSense = 0x03, kInquiry = 0x12, kSanitize = 0x48,
                  kFormatUnit = 0x04;
constexpr uint8_t kOverwrite = 0x01, kBlockErase = 0x02;

constexpr uint8_t kNotReady = 0x02, kMediumError = 0x03;

// What is wrong with the CDB is said before what is wrong with the LUN.
bool is_bad_cdb(const Outcome& outcome) {
  return outcome.check(0x05, 0x20, 0x00) || outcome.check(0x05, 0x24, 0x00);
}

// The pattern from the beginning of the block to its end; zeroes for none.
MediumModel::Bytes fill(std::span<const uint8_t> pattern) {
  MediumModel::Bytes block(MediumModel::kBlock);
  for (size_t i = 0; !pattern.empty() && i < block.size(); ++i) {
    block[i] = pattern[i % pattern.size()];
  }
  return block;
}

}  // namespace

DiskModel::Operation DiskModel::format_of(std::span<const uint8_t> cdb,
                                          std::span<const uint8_t> list) {
  Operation operation{.overwrites = true, .block = fill({})};
  const uint8_t flags = cdb[1];
  if ((flags & 0xC0) != 0 || (cdb[4] & 0x03) != 0 || (cdb[5] & 0x04) != 0) {
    return operation;
  }
  if ((flags & 0x10) == 0) {  // FMTDATA
    operation.valid = (flags & 0x2F) == 0;
    return operation;
  }
  const bool is_long = (flags & 0x20) != 0;
  const size_t header = is_long ? 8 : 4;
  if (list.size() < header || (list[0] & 0x07) != 0 ||
      ((list[1] & 0x80) == 0 && (list[1] & 0x78) != 0) ||
      (is_long ? list[3] != 0 || load_be32(&list[4]) != 0 : load_be16(&list[2]) != 0)) {
    return operation;
  }
  operation.immediate = (list[1] & 0x02) != 0;
  operation.valid = true;
  if ((list[1] & 0x08) != 0) {  // IP
    const auto descriptor = list.subspan(header);
    const size_t length = descriptor.size() < 4 ? 0 : load_be16(&descriptor[2]);
    operation.valid = descriptor.size() >= 4 + length && descriptor.size() >= 4 &&
                      (descriptor[0] & 0x20) == 0 && descriptor[1] <= 1 &&
                      (descriptor[1] == 1) == (length > 0) && length <= kBlock;
    operation.block = operation.valid ? fill(descriptor.subspan(4, length)) : fill({});
  }
  return operation;
}

DiskModel::Operation DiskModel::sanitize_of(std::span<const uint8_t> cdb,
                                            std::span<const uint8_t> list) {
  Operation operation{.sanitize = true,
                      .immediate = (cdb[1] & 0x80) != 0,
                      .unrestricted_exit = (cdb[1] & 0x20) != 0,
                      .block = fill({})};
  const size_t length = load_be16(&cdb[7]);
  const bool plain = (cdb[1] & 0x40) == 0 && (cdb[9] & 0x04) == 0 &&
                     std::all_of(&cdb[2], &cdb[7], [](uint8_t byte) { return byte == 0; });
  if ((cdb[1] & 0x1F) == kBlockErase) {
    operation.valid = plain && length == 0;
  } else if ((cdb[1] & 0x1F) == kOverwrite && length > 4 && length <= list.size()) {
    const size_t pattern = load_be16(&list[2]);
    operation.overwrites = true;
    operation.valid = plain && length <= 4 + kBlock && (list[0] & 0x60) == 0 &&
                      (list[0] & 0x1F) != 0 && pattern != 0 && pattern <= length - 4;
    operation.inverts = (list[0] & 0x80) != 0 && (list[0] & 0x1F) > 1;
    operation.block = operation.valid ? fill(list.subspan(4, pattern)) : fill({});
  }
  return operation;
}

std::string DiskModel::operate(const Command& c, const Operation& operation) {
  const bool held_back = operation.sanitize && operation.unrestricted_exit &&
                         sanitize_failure_ == SanitizeFailure::kRestricted;
  if (!operation.valid || held_back) {
    return c.outcome.good() ? "GOOD for what can't be done" : "";
  }
  if (!c.outcome.good() && !c.failed) {
    return modes_changed_ && c.outcome.check(0x07, 0x27, 0x02)
               ? ""
               : "not GOOD, and nothing is wrong with it";
  }
  copies_.touch({0, medium_.blocks()});
  if (c.outcome.good() && operation.immediate) {
    busy_ = operation;
    return {};
  }
  if (c.outcome.good() && c.failed) {
    return "GOOD although a request failed";
  }
  if (!c.outcome.good() && !c.outcome.check(kMediumError, 0x31, operation.sanitize ? 0x03 : 0x01)) {
    return "it failed otherwise than it has to";
  }
  finish(operation, c.outcome.good());
  return {};
}

void DiskModel::finish(const Operation& operation, bool good) {
  Bytes next;
  Bytes inverted;
  for (uint64_t i = 0; i < medium_.blocks(); ++i) {
    next.insert(next.end(), operation.block.begin(), operation.block.end());
  }
  if (good) {
    medium_.is(std::move(next));
  } else {
    if (operation.inverts) {
      std::transform(next.begin(), next.end(), std::back_inserter(inverted),
                     [](uint8_t byte) { return static_cast<uint8_t>(~byte); });
      medium_.may_be(std::move(inverted));
    }
    medium_.may_be(std::move(next));
  }
  if (!operation.sanitize || (good && operation.overwrites)) {
    format_corrupt_ = !good;
  }
  if (operation.sanitize) {
    sanitize_failure_ = good                          ? SanitizeFailure::kNone
                        : operation.unrestricted_exit ? SanitizeFailure::kUnrestricted
                                                      : SanitizeFailure::kRestricted;
  }
}

std::string DiskModel::exit_failure_mode(const Command& c) {
  if (!c.outcome.good()) {
    const bool plain = c.cdb[1] == 0x1F &&
                       std::all_of(&c.cdb[2], &c.cdb[0] + 10, [](uint8_t b) { return b == 0; });
    return plain && sanitize_failure_ != SanitizeFailure::kRestricted && !modes_changed_
               ? "not GOOD, and nothing is wrong with it"
               : "";
  }
  if (sanitize_failure_ == SanitizeFailure::kRestricted) {
    return "GOOD although the failed SANITIZE doesn't allow it";
  }
  sanitize_failure_ = SanitizeFailure::kNone;
  return {};
}

void DiskModel::begins(std::span<const uint8_t> cdb) {
  busy_ = Operation{.sanitize = cdb[0] == kSanitize};
}

bool DiskModel::goes_on(const Outcome& test_unit_ready) const {
  return test_unit_ready.check(kNotReady, 0x04, busy_->sanitize ? 0x1B : 0x04);
}

std::string DiskModel::ended(const Outcome& test_unit_ready, bool failed) {
  const Operation operation = *busy_;
  busy_.reset();
  finish(operation, !failed);
  if (!failed) {
    return test_unit_ready.good() || format_corrupt_ ? ""
                                                     : "not ready behind a FORMAT UNIT or SANITIZE";
  }
  // That it failed is told once, as a deferred error, of a format.
  const bool deferred = (test_unit_ready.sense[0] & 0x7F) == 0x71;
  const bool told = operation.sanitize
                        ? test_unit_ready.check(kMediumError, 0x31, 0x03)
                        : test_unit_ready.check(kMediumError, 0x31, 0x01) && deferred;
  return told ? "" : "nobody is told that it failed";
}

std::optional<std::string> DiskModel::by_state(const Command& c, bool on_medium) const {
  const uint8_t opcode = c.cdb[0];
  const Outcome& outcome = c.outcome;
  if (opcode == kInquiry) {
    return "";
  }
  if (opcode == kRequestSense) {
    const auto& data = outcome.data_in;
    const bool fixed = (c.cdb[1] & 0x01) == 0 && data.size() >= 14 && c.cdb[4] >= 14;
    const bool tells = outcome.good() && fixed && (data[2] & 0x0F) == kNotReady &&
                       data[12] == 0x04 && data[13] == (busy_ && busy_->sanitize ? 0x1B : 0x04);
    return outcome.good() && fixed && tells != busy_.has_value()
               ? "REQUEST SENSE tells otherwise whether something is at work"
               : "";
  }
  if (busy_) {
    return goes_on(outcome) || is_bad_cdb(outcome) ? "" : "not refused while the LUN is kept busy";
  }
  if (sanitize_failure_ != SanitizeFailure::kNone && opcode != kSanitize) {
    return outcome.check(kMediumError, 0x31, 0x03) || is_bad_cdb(outcome)
               ? ""
               : "not refused although a SANITIZE failed";
  }
  const bool needs_format = on_medium || opcode == kTestUnitReady;
  if (format_corrupt_ && needs_format && opcode != kFormatUnit) {
    return outcome.check(kMediumError, 0x31, 0x00) || is_bad_cdb(outcome)
               ? ""
               : "not refused although a FORMAT UNIT failed";
  }
  return std::nullopt;
}

}  // namespace tcmud::test
