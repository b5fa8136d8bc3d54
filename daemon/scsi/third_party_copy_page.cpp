// SPDX-License-Identifier: Apache-2.0
#include "scsi/third_party_copy_page.h"

#include "scsi/command_table.h"
#include "scsi/extended_copy.h"
#include "scsi/rod_token.h"

namespace tcmud::scsi {
namespace {

// A third-party copy descriptor: a type, a length, and what `write` puts behind them, filled up to
// a multiple of four.
template <typename Write>
void put_descriptor(uint16_t type, DataWriter& data, Write write) {
  data.put16(type);
  const size_t length_at = data.size();
  data.put16(0);
  write();
  while ((data.size() - length_at - 2) % 4 != 0) {
    data.put8(0);
  }
  data.patch16(length_at, data.size() - length_at - 2);
}

// "Block Device ROD Limits third-party copy descriptor".
void block_device_rod_limits(const Lun& lun, DataWriter& data) {
  put_descriptor(0x0000, data, [&] {
    data.zeroes(6);
    data.put16(kMaxTokenRanges);
    data.put32(kMaxTokenTimeout);
    data.put32(kDefaultTokenTimeout);
    data.put64(kMaxTokenBytes / lun.block_size);  // MAXIMUM TOKEN TRANSFER SIZE
    data.put64(kMaxTokenBytes / lun.block_size);  // OPTIMAL TRANSFER COUNT
  });
}

// "Supported Commands third-party copy descriptor": the table's entries of the two operation codes.
void supported_commands(const Lun& lun, DataWriter& data) {
  put_descriptor(0x0001, data, [&] {
    const size_t list_length = data.size();
    data.put8(0);  // COMMANDS SUPPORTED LIST LENGTH
    for (const uint8_t opcode : {uint8_t{0x83}, uint8_t{0x84}}) {
      data.put8(opcode);
      const size_t actions = data.size();
      data.put8(0);  // SERVICE ACTION LIST LENGTH
      for (const CommandDescription& d : find_opcode(opcode)) {
        if (is_supported(lun, d)) {
          data.put8(d.service_action);
        }
      }
      data.patch8(actions, data.size() - actions - 1);
    }
    data.patch8(list_length, data.size() - list_length - 1);
  });
}

// "Parameter Data third-party copy descriptor".
void parameter_data(DataWriter& data) {
  put_descriptor(0x0004, data, [&] {
    data.zeroes(4);
    data.put16(kMaxCopyCscds);
    data.put16(kMaxCopySegments);
    data.put32(kMaxCopyDescriptors);
    data.put32(0);  // MAXIMUM INLINE DATA LENGTH
    data.zeroes(12);
  });
}

// "Supported Descriptors third-party copy descriptor".
void supported_descriptors(DataWriter& data) {
  put_descriptor(0x0008, data, [&] {
    data.put8(2);     // SUPPORTED DESCRIPTOR LIST LENGTH
    data.put8(0x02);  // block device to block device
    data.put8(0xE4);  // identification descriptor CSCD
  });
}

// "Supported CSCD Descriptor IDs third-party copy descriptor".
void supported_cscd_ids(DataWriter& data) {
  put_descriptor(0x000C, data, [&] {
    data.put16(2);  // SUPPORTED CSCD DESCRIPTOR IDS LIST LENGTH
    data.put16(kThisLogicalUnit);
  });
}

// "ROD Token Features third-party copy descriptor".
void rod_token_features(DataWriter& data) {
  put_descriptor(0x0106, data, [&] {
    data.put8(0);  // REMOTE TOKENS: none
    data.zeroes(11);
    data.put32(0);                 // MINIMUM TOKEN LIFETIME
    data.put32(kMaxTokenTimeout);  // MAXIMUM TOKEN LIFETIME
    data.put32(kMaxTokenTimeout);  // MAXIMUM TOKEN INACTIVITY TIMEOUT
    data.zeroes(18);
    data.put16(0);  // ROD DEVICE TYPE SPECIFIC FEATURES DESCRIPTORS LENGTH
  });
}

// "Supported ROD Token and ROD Types third-party copy descriptor".
void supported_rods(DataWriter& data) {
  const auto rod = [&](uint32_t type, uint8_t directions) {
    data.put32(type);
    data.put8(directions);  // ECPY_INT 0, TOKEN_IN, TOKEN_OUT
    data.put8(0);
    data.put16(0);  // PREFERENCE INDICATOR
    data.zeroes(56);
  };
  put_descriptor(0x0108, data, [&] {
    data.put16(0);
    data.put16(2 * 64);  // ROD TYPE DESCRIPTORS LENGTH
    rod(kAccessUponReferenceRod, 0x03);
    rod(kBlockZeroRod, 0x02);
  });
}

// "General Copy Operations third-party copy descriptor".
void general_copy_operations(DataWriter& data) {
  put_descriptor(0x8001, data, [&] {
    data.put32(kMaxCopies);  // TOTAL CONCURRENT COPIES
    data.put32(kMaxCopies);  // MAXIMUM IDENTIFIED CONCURRENT COPIES
    data.put32(kMaxCopySegmentBytes);
    data.put8(9);  // DATA SEGMENT GRANULARITY: 2^9 bytes
    data.put8(0);  // INLINE DATA GRANULARITY
    data.zeroes(18);
  });
}

}  // namespace

void third_party_copy_page(const Lun& lun, DataWriter& data) {
  if (lun.has(kCanUseTokens)) {
    block_device_rod_limits(lun, data);
  }
  supported_commands(lun, data);
  if (lun.has(kCanCopy)) {
    parameter_data(data);
    supported_descriptors(data);
    supported_cscd_ids(data);
  }
  if (lun.has(kCanUseTokens)) {
    rod_token_features(data);
    supported_rods(data);
  }
  general_copy_operations(data);
}

}  // namespace tcmud::scsi
