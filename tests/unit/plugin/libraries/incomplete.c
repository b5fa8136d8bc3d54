/* SPDX-License-Identifier: Apache-2.0 */
#include <tcmud/handler.h>

static const struct tcmud_handler handler = {
    .size = sizeof handler, .abi = TCMUD_ABI, .subtype = "incomplete"};
TCMUD_REGISTER_HANDLER(handler);
