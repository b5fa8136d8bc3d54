/* SPDX-License-Identifier: Apache-2.0 */
#include "handler_c11.h"

struct c_layout layout_in_c(void) {
  struct c_layout l = {
      sizeof(struct tcmud_request),     offsetof(struct tcmud_request, ctx),
      sizeof(struct tcmud_config),      offsetof(struct tcmud_config, options),
      sizeof(struct tcmud_open_args),   offsetof(struct tcmud_open_args, block_size),
      sizeof(struct tcmud_props),       offsetof(struct tcmud_props, unmap_alignment),
      sizeof(struct tcmud_host),        offsetof(struct tcmud_host, backend_state),
      sizeof(struct tcmud_handler),     offsetof(struct tcmud_handler, set_command_timeout),
      sizeof(struct tcmud_lock),        offsetof(struct tcmud_lock, get_status),
      sizeof(struct tcmud_lock_status), offsetof(struct tcmud_lock_status, holder),
  };
  return l;
}

static int32_t c_open(const struct tcmud_open_args* args, void** handle, char* why,
                      size_t why_size) {
  (void)args;
  (void)why;
  (void)why_size;
  *handle = NULL;
  return 0;
}
static void c_get_props(void* handle, struct tcmud_props* props) {
  (void)handle;
  props->event_fd = -1;
}
static int32_t c_submit(void* handle, struct tcmud_request* request) {
  (void)handle;
  return request->op == TCMUD_OP_READ ? TCMUD_OK : TCMUD_NOT_SUPPORTED;
}
static void c_close(void* handle) {
  (void)handle;
}

static const struct tcmud_handler handler = {
    .size = sizeof(struct tcmud_handler),
    .abi = TCMUD_ABI,
    .subtype = "c11",
    .description = "a handler in C",
    .config_help = "c11/",
    .open = c_open,
    .get_props = c_get_props,
    .submit = c_submit,
    .close = c_close,
};
TCMUD_REGISTER_HANDLER(handler);

const struct tcmud_handler* c_handler(void) {
  return tcmud_handler_init(NULL);
}
