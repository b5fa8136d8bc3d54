// SPDX-License-Identifier: Apache-2.0
#include "fault_handler.h"

TCMUD_REGISTER_HANDLER_CLASS(tcmud::fault::FaultHandler);
