/* SPDX-License-Identifier: Apache-2.0 */
/* Built against a header whose structure ended before get_extension: what lies behind is not ours
 * to be read. */
#include "minimal.h"

static int32_t never_check(const struct tcmud_host* host, const struct tcmud_config* config,
                           char* why, size_t why_size) {
  (void)host;
  (void)config;
  (void)why;
  (void)why_size;
  return 0;
}
static const void* poison(const char* name, uint32_t version) {
  (void)name;
  (void)version;
  __builtin_trap();
}
static const struct tcmud_handler handler = {.size = offsetof(struct tcmud_handler, get_extension),
                                             .abi = TCMUD_ABI,
                                             MINIMAL("old"),
                                             .check_config = never_check,
                                             .get_extension = poison};
TCMUD_REGISTER_HANDLER(handler);
