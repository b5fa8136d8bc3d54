// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "scsi/data_writer.h"
#include "scsi/lun.h"

namespace tcmud::scsi {

// SPC-5 "Third-party Copy VPD page" (8Fh), behind its header. There where the LUN can copy or use
// tokens.
void third_party_copy_page(const Lun& lun, DataWriter& data);

}  // namespace tcmud::scsi
