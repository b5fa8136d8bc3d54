/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TCMUD_TESTS_HANDLER_C11_H
#define TCMUD_TESTS_HANDLER_C11_H

#include <tcmud/handler.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a C compiler makes of each structure: size, and offset of its last member. */
struct c_layout {
  size_t request, request_ctx;
  size_t config, config_options;
  size_t open_args, open_args_block_size;
  size_t props, props_unmap_alignment;
  size_t host, host_backend_state;
  size_t handler, handler_set_command_timeout;
  size_t lock, lock_get_status;
  size_t lock_status, lock_status_holder;
};
struct c_layout layout_in_c(void);

/* A handler written in C. */
const struct tcmud_handler* c_handler(void);

#ifdef __cplusplus
}
#endif

#endif
