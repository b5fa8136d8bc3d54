// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scsi/context.h"

// What the entries of the command table call. The rules of each command stand in the table; the
// functions are grouped in files by what they are about.
namespace tcmud::scsi {

// unit_state.cpp
[[nodiscard]] Outcome test_unit_ready(const Context& c);
[[nodiscard]] Outcome request_sense(const Context& c);
[[nodiscard]] Outcome start_stop_unit(const Context& c);

// inquiry.cpp
[[nodiscard]] Outcome inquiry(const Context& c);

// vital_product_data.cpp: INQUIRY with EVPD
[[nodiscard]] Outcome vital_product_data(const Context& c);

// mode_sense.cpp
[[nodiscard]] Outcome mode_sense_6(const Context& c);
[[nodiscard]] Outcome mode_sense_10(const Context& c);
[[nodiscard]] Outcome mode_select_6(const Context& c);

// capacity.cpp
[[nodiscard]] Outcome read_capacity_10(const Context& c);
[[nodiscard]] Outcome read_capacity_16(const Context& c);

// read_write.cpp
[[nodiscard]] Outcome read_blocks(const Context& c);
[[nodiscard]] Outcome write_blocks(const Context& c);
[[nodiscard]] Outcome compare_and_write(const Context& c);

// synchronize_cache.cpp
[[nodiscard]] Outcome synchronize_cache(const Context& c);

// unmap.cpp
[[nodiscard]] Outcome unmap(const Context& c);

// write_same.cpp
[[nodiscard]] Outcome write_same(const Context& c);

// supported_opcodes.cpp
[[nodiscard]] Outcome report_supported_operation_codes(const Context& c);

}  // namespace tcmud::scsi
