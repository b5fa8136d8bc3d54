// SPDX-License-Identifier: Apache-2.0
#include "scsi/sense.h"

#include <algorithm>
#include <cassert>

#include "base/bytes.h"
#include "scsi/execute.h"

namespace tcmud::scsi {
namespace {

constexpr uint8_t kFixedCurrent = 0x70;
constexpr uint8_t kDescriptorCurrent = 0x72;
constexpr uint8_t kValid = 0x80;

bool fits_fixed(const Sense& sense) {
  return !sense.information || *sense.information <= UINT32_MAX;
}

bool has_field_pointer(const Sense& sense) {
  return sense.key == SenseKey::kIllegalRequest && sense.field.has_value();
}

bool has_progress(const Sense& sense) {
  return (sense.key == SenseKey::kNoSense || sense.key == SenseKey::kNotReady) &&
         sense.progress.has_value();
}

// The sense data of source and destination aren't passed on, whose places would be told before it.
bool has_segment(const Sense& sense) {
  return sense.key == SenseKey::kCopyAborted && sense.segment.has_value();
}

bool has_specific(const Sense& sense) {
  return has_field_pointer(sense) || has_progress(sense);
}

// The three sense key specific bytes of a field pointer (SPC-5 4.4.2.4.2).
void store_field_pointer(const Sense& sense, uint8_t* out) {
  out[0] = 0x80;  // SKSV
  if (sense.field_in_cdb) {
    out[0] |= 0x40;  // C/D
  }
  if (sense.field_bit) {
    out[0] |= static_cast<uint8_t>(0x08 | (*sense.field_bit & 0x07));  // BPV, BIT POINTER
  }
  store_be16(out + 1, *sense.field);
}

// The three sense key specific bytes; zero where there is nothing to tell.
void store_specific(const Sense& sense, uint8_t* out) {
  if (has_field_pointer(sense)) {
    store_field_pointer(sense, out);
  } else if (has_progress(sense)) {
    out[0] = 0x80;  // SKSV
    store_be16(out + 1, *sense.progress);
  }
}

}  // namespace

size_t encode_fixed(const Sense& sense, std::span<uint8_t> out) {
  assert(out.size() >= kFixedSenseLength);
  uint8_t* p = out.data();
  std::fill_n(p, kFixedSenseLength, uint8_t{0});
  p[0] = kFixedCurrent;
  p[2] = static_cast<uint8_t>(sense.key);
  if (sense.information && fits_fixed(sense)) {
    p[0] |= kValid;
    store_be32(p + 3, static_cast<uint32_t>(*sense.information));
  }
  p[7] = kFixedSenseLength - 8;
  if (has_segment(sense)) {
    store_be16(p + 10, *sense.segment);
  }
  store_be16(p + 12, sense.code);
  store_specific(sense, p + 15);
  return kFixedSenseLength;
}

size_t encode_descriptor(const Sense& sense, std::span<uint8_t> out) {
  assert(out.size() >= kMaxDescriptorSenseLength);
  uint8_t* p = out.data();
  std::fill_n(p, kMaxDescriptorSenseLength, uint8_t{0});
  p[0] = kDescriptorCurrent;
  p[1] = static_cast<uint8_t>(sense.key);
  store_be16(p + 2, sense.code);
  size_t length = 8;
  if (sense.information) {
    uint8_t* d = p + length;
    d[1] = 0x0A;
    d[2] = kValid;
    store_be64(d + 4, *sense.information);
    length += 12;
  }
  if (has_segment(sense)) {
    uint8_t* d = p + length;
    d[0] = 0x01;
    d[1] = 0x0A;
    store_be16(d + 6, *sense.segment);
    length += 12;
  }
  if (has_specific(sense)) {
    uint8_t* d = p + length;
    d[0] = 0x02;
    d[1] = 0x06;
    store_specific(sense, d + 4);
    length += 8;
  }
  p[7] = static_cast<uint8_t>(length - 8);
  return length;
}

size_t encode_sense(const Sense& sense, std::span<uint8_t> out) {
  return fits_fixed(sense) ? encode_fixed(sense, out) : encode_descriptor(sense, out);
}

}  // namespace tcmud::scsi
