/* SPDX-License-Identifier: Apache-2.0 */
/* The callbacks that every handler has, doing nothing. */
#include <tcmud/handler.h>

static int32_t minimal_open(const struct tcmud_open_args* args, void** handle, char* why,
                            size_t why_size) {
  (void)args;
  (void)why;
  (void)why_size;
  *handle = NULL;
  return 0;
}
static void minimal_get_props(void* handle, struct tcmud_props* props) {
  (void)handle;
  props->lun_size = UINT64_MAX;
}
static int32_t minimal_submit(void* handle, struct tcmud_request* request) {
  (void)handle;
  (void)request;
  return TCMUD_OK;
}
static void minimal_close(void* handle) {
  (void)handle;
}

#define MINIMAL(subtype_)                                                         \
  .subtype = (subtype_), .description = "a test's", .config_help = "anything",    \
  .open = minimal_open, .get_props = minimal_get_props, .submit = minimal_submit, \
  .close = minimal_close
