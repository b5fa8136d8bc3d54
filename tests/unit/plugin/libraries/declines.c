/* SPDX-License-Identifier: Apache-2.0 */
#include <tcmud/handler.h>

TCMUD_EXPORT const struct tcmud_handler* tcmud_handler_init(const struct tcmud_host* host);
const struct tcmud_handler* tcmud_handler_init(const struct tcmud_host* host) {
  (void)host;
  return NULL;
}
