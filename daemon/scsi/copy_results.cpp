// SPDX-License-Identifier: Apache-2.0
#include "scsi/commands.h"
#include "scsi/extended_copy.h"

namespace tcmud::scsi {
namespace {

Outcome receive(const Context& c, bool failed_segment) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::kReceiveCopyResults;
  outcome.copy = {
      .list_identifier = c.cdb()[2],
      .allocation_length = static_cast<uint32_t>(std::min<uint64_t>(DataIn::room(c), UINT32_MAX)),
      .failed_segment = failed_segment};
  return outcome;
}

}  // namespace

Outcome receive_copy_status(const Context& c) {
  return receive(c, false);
}

Outcome receive_copy_failure_details(const Context& c) {
  return receive(c, true);
}

Outcome receive_copy_operating_parameters(const Context& c) {
  DataIn data(c);
  data.put32(0);           // AVAILABLE DATA
  data.put32(0x01000000);  // SNLID: no list identifier is needed
  data.put16(kMaxCopyCscds);
  data.put16(kMaxCopySegments);
  data.put32(kMaxCopyDescriptors);
  data.put32(kMaxCopySegmentBytes);
  data.put32(0);  // MAXIMUM INLINE DATA LENGTH
  data.put32(0);  // HELD DATA LIMIT
  data.put32(0);  // MAXIMUM STREAM DEVICE TRANSFER SIZE
  data.put16(0);
  data.put16(kMaxCopies);  // TOTAL CONCURRENT COPIES
  data.put8(kMaxCopies);   // MAXIMUM CONCURRENT COPIES
  data.put8(9);            // DATA SEGMENT GRANULARITY: 2^9 bytes
  data.put8(0);            // INLINE DATA GRANULARITY
  data.put8(0);            // HELD DATA GRANULARITY
  data.zeroes(3);
  data.put8(2);     // IMPLEMENTED DESCRIPTOR LIST LENGTH
  data.put8(0x02);  // block device to block device
  data.put8(0xE4);  // identification descriptor CSCD
  data.patch32(0, data.size() - 4);
  return data.reply();
}

size_t copy_status_data(const CopyStatus& status, std::span<uint8_t> out) {
  // TRANSFER COUNT UNITS: bytes, kibibytes, mebibytes, ...
  uint8_t units = 0;
  uint64_t count = status.bytes;
  for (; count > UINT32_MAX; count >>= 10) {
    ++units;
  }
  DataWriter data(out);
  data.put32(8);                                  // AVAILABLE DATA
  data.put8(static_cast<uint8_t>(status.state));  // HDD 0
  data.put16(status.segments_processed);
  data.put8(units);
  data.put32(count);
  return data.size();
}

size_t copy_failure_data(Status status, const Sense& sense, std::span<uint8_t> out) {
  std::array<uint8_t, 32> encoded;
  const size_t length = encode_sense(sense, encoded);
  DataWriter data(out);
  data.put32(56 + length);  // AVAILABLE DATA
  data.zeroes(52);
  data.put8(static_cast<uint8_t>(status));  // EXTENDED COPY COMMAND STATUS
  data.put8(0);
  data.put16(length);  // SENSE DATA LENGTH
  data.bytes(std::span(encoded).first(length));
  return data.size();
}

}  // namespace tcmud::scsi
