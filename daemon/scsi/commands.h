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
[[nodiscard]] Outcome prevent_allow_medium_removal(const Context& c);

// inquiry.cpp
[[nodiscard]] Outcome inquiry(const Context& c);

// vital_product_data.cpp: INQUIRY with EVPD
[[nodiscard]] Outcome vital_product_data(const Context& c);

// mode_sense.cpp
[[nodiscard]] Outcome mode_sense_6(const Context& c);
[[nodiscard]] Outcome mode_sense_10(const Context& c);

// mode_select.cpp
[[nodiscard]] Outcome mode_select_6(const Context& c);
[[nodiscard]] Outcome mode_select_10(const Context& c);

// log_sense.cpp
[[nodiscard]] Outcome log_sense(const Context& c);

// capacity.cpp
[[nodiscard]] Outcome read_capacity_10(const Context& c);
[[nodiscard]] Outcome read_capacity_16(const Context& c);

// read_write.cpp
[[nodiscard]] Outcome read_blocks(const Context& c);
[[nodiscard]] Outcome write_blocks(const Context& c);
[[nodiscard]] Outcome write_atomic(const Context& c);
[[nodiscard]] Outcome or_write(const Context& c);

// verify.cpp
[[nodiscard]] Outcome verify(const Context& c);
[[nodiscard]] Outcome write_and_verify(const Context& c);
[[nodiscard]] Outcome compare_and_write(const Context& c);

// synchronize_cache.cpp
[[nodiscard]] Outcome synchronize_cache(const Context& c);
[[nodiscard]] Outcome pre_fetch(const Context& c);

// unmap.cpp
[[nodiscard]] Outcome unmap(const Context& c);

// write_same.cpp
[[nodiscard]] Outcome write_same(const Context& c);

// supported_opcodes.cpp
[[nodiscard]] Outcome report_supported_operation_codes(const Context& c);
[[nodiscard]] Outcome report_supported_task_management_functions(const Context& c);

// target_port_groups.cpp
[[nodiscard]] Outcome report_target_port_groups(const Context& c);
[[nodiscard]] Outcome set_target_port_groups(const Context& c);

// lba_status.cpp
[[nodiscard]] Outcome get_lba_status(const Context& c);

// defect_data.cpp
[[nodiscard]] Outcome read_defect_data_10(const Context& c);
[[nodiscard]] Outcome read_defect_data_12(const Context& c);

// format_unit.cpp
[[nodiscard]] Outcome format_unit(const Context& c);

// sanitize.cpp
[[nodiscard]] Outcome sanitize_overwrite(const Context& c);
[[nodiscard]] Outcome sanitize_block_erase(const Context& c);
[[nodiscard]] Outcome sanitize_exit_failure_mode(const Context& c);

// extended_copy.cpp
[[nodiscard]] Outcome extended_copy(const Context& c);

// copy_results.cpp
[[nodiscard]] Outcome receive_copy_status(const Context& c);
[[nodiscard]] Outcome receive_copy_operating_parameters(const Context& c);
[[nodiscard]] Outcome receive_copy_failure_details(const Context& c);

// rod_token.cpp
[[nodiscard]] Outcome populate_token(const Context& c);
[[nodiscard]] Outcome write_using_token(const Context& c);
[[nodiscard]] Outcome receive_rod_token_information(const Context& c);

}  // namespace tcmud::scsi
