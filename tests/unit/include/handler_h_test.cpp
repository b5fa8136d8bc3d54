// SPDX-License-Identifier: Apache-2.0
#include <cstddef>

#include <gtest/gtest.h>

#include <tcmud/handler.h>

#include "handler_c11.h"

namespace {

TEST(HandlerH, c_and_cpp_agree_on_every_structure) {
  const c_layout c = layout_in_c();
  EXPECT_EQ(c.request, sizeof(tcmud_request));
  EXPECT_EQ(c.request_ctx, offsetof(tcmud_request, ctx));
  EXPECT_EQ(c.config, sizeof(tcmud_config));
  EXPECT_EQ(c.config_options, offsetof(tcmud_config, options));
  EXPECT_EQ(c.open_args, sizeof(tcmud_open_args));
  EXPECT_EQ(c.open_args_block_size, offsetof(tcmud_open_args, block_size));
  EXPECT_EQ(c.props, sizeof(tcmud_props));
  EXPECT_EQ(c.props_unmap_alignment, offsetof(tcmud_props, unmap_alignment));
  EXPECT_EQ(c.host, sizeof(tcmud_host));
  EXPECT_EQ(c.host_backend_state, offsetof(tcmud_host, backend_state));
  EXPECT_EQ(c.handler, sizeof(tcmud_handler));
  EXPECT_EQ(c.handler_set_command_timeout, offsetof(tcmud_handler, set_command_timeout));
  EXPECT_EQ(c.lock, sizeof(tcmud_lock));
  EXPECT_EQ(c.lock_get_status, offsetof(tcmud_lock, get_status));
  EXPECT_EQ(c.lock_status, sizeof(tcmud_lock_status));
  EXPECT_EQ(c.lock_status_holder, offsetof(tcmud_lock_status, holder));
}

// What was released may only be appended to: these offsets are in handlers that people have built.
TEST(HandlerH, abi_1_stays_where_it_was) {
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_request, offset) == 8);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_request, iov) == 24);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_request, ranges) == 40);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_request, ctx) == 56);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_open_args, config) == 32);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_open_args, lun_size) == 56);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_props, lun_size) == 16);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_props, physical_block_size) == 36);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_handler, check_config) == 40);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_handler, submit) == 64);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_handler, get_extension) == 112);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_host, complete) == 8);
  static_assert(sizeof(void*) != 8 || offsetof(tcmud_host, find_handler) == 32);
  EXPECT_EQ(TCMUD_QUEUED, -1);
  EXPECT_EQ(TCMUD_OK, 0);
  EXPECT_EQ(TCMUD_INTERNAL, 14);
}

TEST(HandlerH, a_handler_in_c_registers_and_works) {
  const tcmud_handler* handler = c_handler();
  ASSERT_NE(handler, nullptr);
  EXPECT_EQ(handler->size, sizeof(tcmud_handler));
  EXPECT_EQ(handler->abi, TCMUD_ABI);
  EXPECT_EQ(handler->check_config, nullptr);
  tcmud_request request{};
  request.op = TCMUD_OP_READ;
  EXPECT_EQ(handler->submit(nullptr, &request), TCMUD_OK);
}

}  // namespace
