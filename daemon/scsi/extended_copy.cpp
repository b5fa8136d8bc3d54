// SPDX-License-Identifier: Apache-2.0
#include "scsi/extended_copy.h"

#include "scsi/commands.h"

namespace tcmud::scsi {
namespace {

constexpr uint8_t kIdentificationDescriptor = 0xE4;
constexpr uint8_t kBlockToBlock = 0x02;

Outcome length_error(size_t byte) {
  return illegal_parameter(asc::kParameterListLengthError, byte);
}

Outcome copy_aborted(AdditionalSense code) {
  return check_condition({.key = SenseKey::kCopyAborted, .code = code});
}

Outcome decode_header(std::span<const uint8_t> list, ExtendedCopy& copy, size_t& cscd_bytes,
                      size_t& segment_bytes) {
  copy.list_identifier = list[0];
  const uint8_t usage = list[1] >> 3 & 0x03;
  cscd_bytes = load_be16(&list[2]);
  segment_bytes = load_be32(&list[8]);
  const uint32_t inline_bytes = load_be32(&list[12]);
  if (usage == 1) {
    return invalid_parameter(1, 4);
  }
  copy.usage = static_cast<ExtendedCopy::Usage>(usage);
  if (copy.usage == ExtendedCopy::Usage::kNone && copy.list_identifier != 0) {
    return invalid_parameter(0);
  }
  if (cscd_bytes % kCscdLength != 0) {
    return length_error(2);
  }
  if (cscd_bytes + segment_bytes > kMaxCopyDescriptors ||
      cscd_bytes + segment_bytes > list.size() - kCopyHeaderLength) {
    return length_error(segment_bytes == 0 ? 2 : 8);
  }
  if (inline_bytes != 0) {
    return illegal_parameter(asc::kInlineDataLengthExceeded, 12);
  }
  return good();
}

Outcome decode_cscd(std::span<const uint8_t> list, size_t at, CopyCscd& cscd) {
  const uint8_t* p = &list[at];
  if (p[0] != kIdentificationDescriptor) {
    return illegal_parameter(asc::kUnsupportedCscdDescriptorTypeCode, at);
  }
  if ((p[1] & 0x1F) != 0) {  // PERIPHERAL DEVICE TYPE
    return copy_aborted(asc::kIncorrectCopyTargetDeviceType);
  }
  if ((p[4] & 0x0F) != 0x01) {  // CODE SET: binary
    return invalid_parameter(at + 4, 3);
  }
  if ((p[5] & 0x3F) != 0x03) {  // ASSOCIATION: logical unit, DESIGNATOR TYPE: NAA
    return invalid_parameter(at + 5, 5);
  }
  if (p[7] != 8 && p[7] != 16) {  // DESIGNATOR LENGTH
    return invalid_parameter(at + 7);
  }
  cscd.naa_length = p[7];
  std::copy_n(p + 8, cscd.naa_length, cscd.naa.begin());
  cscd.block_length = load_be24(p + 29);
  return good();
}

bool is_there(uint16_t cscd, const ExtendedCopy& copy) {
  return cscd < copy.cscds || cscd == kThisLogicalUnit;
}

Outcome decode_segment(std::span<const uint8_t> list, size_t at, const ExtendedCopy& copy,
                       CopySegment& segment) {
  const uint8_t* p = &list[at];
  segment.destination_counts = (p[1] & 0x02) != 0;
  segment.source = load_be16(p + 4);
  segment.destination = load_be16(p + 6);
  segment.blocks = load_be16(p + 10);
  segment.source_lba = load_be64(p + 12);
  segment.destination_lba = load_be64(p + 20);
  return is_there(segment.source, copy) && is_there(segment.destination, copy)
             ? good()
             : copy_aborted(asc::kUnreachableCopyTarget);
}

}  // namespace

Outcome decode_extended_copy(std::span<const uint8_t> list, ExtendedCopy& copy) {
  size_t cscd_bytes = 0;
  size_t segment_bytes = 0;
  if (Outcome bad = decode_header(list, copy, cscd_bytes, segment_bytes);
      bad.status != Status::kGood) {
    return bad;
  }
  copy.cscds = cscd_bytes / kCscdLength;
  if (copy.cscds > kMaxCopyCscds) {
    return illegal_parameter(asc::kTooManyCscdDescriptors, 2);
  }
  size_t at = kCopyHeaderLength;
  for (size_t i = 0; i < copy.cscds; ++i, at += kCscdLength) {
    if (Outcome bad = decode_cscd(list, at, copy.cscd[i]); bad.status != Status::kGood) {
      return bad;
    }
  }
  const size_t end = at + segment_bytes;
  for (copy.segments = 0; at < end; ++copy.segments, at += kSegmentLength) {
    if (copy.segments == kMaxCopySegments) {
      return illegal_parameter(asc::kTooManySegmentDescriptors, 8);
    }
    if (list[at] != kBlockToBlock) {
      return illegal_parameter(asc::kUnsupportedSegmentDescriptorTypeCode, at);
    }
    if (end - at < 4) {
      return length_error(8);
    }
    if (load_be16(&list[at + 2]) != kSegmentLength - 4) {  // DESCRIPTOR LENGTH
      return invalid_parameter(at + 2);
    }
    if (end - at < kSegmentLength) {
      return length_error(8);
    }
    if (Outcome bad = decode_segment(list, at, copy, copy.segment[copy.segments]);
        bad.status != Status::kGood) {
      return bad;
    }
  }
  return good();
}

bool segment_extents(const CopySegment& segment, const Lun& source, const Lun& destination,
                     CopyExtents& extents) {
  const uint64_t length = uint64_t{segment.blocks} *
                          (segment.destination_counts ? destination.block_size : source.block_size);
  if (length % source.block_size != 0 || length % destination.block_size != 0 ||
      !within_medium(source, {segment.source_lba, length / source.block_size}) ||
      !within_medium(destination, {segment.destination_lba, length / destination.block_size})) {
    return false;
  }
  extents = {segment.source_lba * source.block_size,
             segment.destination_lba * destination.block_size, length};
  return true;
}

Outcome extended_copy(const Context& c) {
  std::span<const uint8_t> list;
  const uint64_t length = load(c.cdb(), c.description.length);
  if (length == 0) {
    return good();
  }
  if (length < kCopyHeaderLength || !parameter_list(c, list)) {
    return parameter_list_length_error(c);
  }
  ExtendedCopy copy;
  if (Outcome bad = decode_extended_copy(list, copy); bad.status != Status::kGood) {
    return bad;
  }
  Outcome outcome;
  outcome.kind = Outcome::Kind::kExtendedCopy;
  outcome.copy.list_identifier = copy.list_identifier;
  return outcome;
}

}  // namespace tcmud::scsi
