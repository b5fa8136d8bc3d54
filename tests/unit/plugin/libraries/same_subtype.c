/* SPDX-License-Identifier: Apache-2.0 */
#include "minimal.h"

static const struct tcmud_handler handler = {
    .size = sizeof handler, .abi = TCMUD_ABI, MINIMAL("good")};
TCMUD_REGISTER_HANDLER(handler);
