// SPDX-License-Identifier: Apache-2.0
#include "rbd/connection.h"

#include <cerrno>

#include "rbd_fixture.h"
#include "support/eventually.h"

namespace tcmud::rbd::test {
namespace {

using tcmud::test::eventually;

class ConnectionTest : public RbdUnit {
 protected:
  int32_t read(Connection& connection) {
    const auto asked = make(TCMUD_OP_READ, 0, 512);
    submit(connection, *asked);
    if (asked->status == TCMUD_QUEUED) {
      ceph_.end(0);
    }
    return asked->status;
  }
};

// What may fail without a LUN being refused: it is less well informed then.
bool is_optional(const std::string& call) {
  return call == "service_register" || call == "service_update_status" || call == "mon_command" ||
         call == "get_id" || call == "get_data_pool_id" || call == "pool_reverse_lookup" ||
         call == "config_image_list";
}

TEST_F(ConnectionTest, whichever_call_fails_opening_ends_with_a_reason_and_leaves_nothing_open) {
  for (uint64_t k = 1;; ++k) {
    ceph_.fail_call(k, -EIO);
    {
      auto connection = open();
      const std::string failed = ceph_.failed();
      if (failed.empty()) {
        EXPECT_TRUE(connection);
        EXPECT_GT(k, 10u);
        break;
      }
      EXPECT_EQ(static_cast<bool>(connection), is_optional(failed)) << failed;
      if (!connection) {
        EXPECT_EQ(connection.refusal().code, EIO) << failed;
        EXPECT_EQ(connection.refusal().why.rfind("rbd: ", 0), 0u) << failed;
      }
    }
    EXPECT_EQ(ceph_.open_things(), 0) << ceph_.failed();
  }
}

TEST_F(ConnectionTest, where_it_is_not_known_whether_there_is_a_cache_a_flush_is_a_flush) {
  ceph_.fail_all("config_image_list", -EIO);
  auto connection = open();
  ASSERT_TRUE(connection);
  EXPECT_TRUE((*connection)->geometry().cache);
}

TEST_F(ConnectionTest,
       an_image_without_the_lock_feature_is_refused_unless_an_option_says_otherwise) {
  options_.lock = true;
  auto connection = open();
  ASSERT_FALSE(connection);
  EXPECT_NE(connection.refusal().why.find("rbd feature enable"), std::string::npos);
  EXPECT_NE(connection.refusal().why.find("nolock"), std::string::npos);
}

TEST_F(ConnectionTest, a_fenced_client_is_replaced_by_another_one_and_the_old_one_is_closed) {
  auto opened = open();
  ASSERT_TRUE(opened);
  Connection& connection = **opened;
  const int one = ceph_.open_things();
  const auto asked = make(TCMUD_OP_WRITE, 0, 512);
  submit(connection, *asked);
  ceph_.end(-ESHUTDOWN);
  EXPECT_EQ(asked->status, TCMUD_BUSY);
  EXPECT_EQ(read(connection), TCMUD_BUSY) << "the loop has not taken over the new session";
  ASSERT_TRUE(eventually([&] { return state() == TCMUD_BACKEND_UP && states().size() == 2; }));
  EXPECT_EQ(states()[0].first, TCMUD_BACKEND_RECOVERING);
  EXPECT_EQ(ceph_.connects, 2);
  EXPECT_EQ(ceph_.open_things(), 2 * one) << "the loop may still be in the old one";
  connection.reap();
  EXPECT_EQ(read(connection), TCMUD_OK);
  EXPECT_TRUE(eventually([&] { return ceph_.open_things() == one; }));
  EXPECT_TRUE(eventually(
      [&] { return ceph_.service_status().find("conn_lost_cnt=1\n") != std::string::npos; }));
}

TEST_F(ConnectionTest, requests_of_the_old_client_keep_it_open_until_they_end) {
  auto opened = open();
  ASSERT_TRUE(opened);
  Connection& connection = **opened;
  const int one = ceph_.open_things();
  const auto first = make(TCMUD_OP_WRITE, 0, 512);
  const auto second = make(TCMUD_OP_WRITE, 512, 512);
  submit(connection, *first);
  submit(connection, *second);
  ceph_.end(-ESHUTDOWN);
  ASSERT_TRUE(eventually([&] { return state() == TCMUD_BACKEND_UP && states().size() == 2; }));
  connection.reap();
  const auto third = make(TCMUD_OP_READ, 0, 512);
  submit(connection, *third);
  ceph_.end(0);
  EXPECT_EQ(second->completions, 1) << "the oldest operation is the second write's";
  EXPECT_EQ(third->status, TCMUD_QUEUED);
  ceph_.end_all(0);
  EXPECT_TRUE(eventually([&] { return ceph_.open_things() == one; }));
}

TEST_F(ConnectionTest, whichever_call_fails_while_a_fenced_client_is_replaced_it_is_tried_again) {
  for (uint64_t k = 1;; ++k) {
    auto opened = open();
    ASSERT_TRUE(opened);
    Connection& connection = **opened;
    ceph_.fail_call(k + 2, -ENOENT);  // behind those that serve the request
    const auto asked = make(TCMUD_OP_WRITE, 0, 512);
    submit(connection, *asked);
    ceph_.end(-ESHUTDOWN);
    ASSERT_TRUE(eventually([&] {
      connection.reap();
      return read(connection) == TCMUD_OK;
    })) << ceph_.failed();
    if (ceph_.failed().empty() || k > 12) {
      break;
    }
  }
}

TEST_F(ConnectionTest, an_image_that_is_gone_is_told_as_such_until_it_is_back) {
  auto opened = open();
  ASSERT_TRUE(opened);
  Connection& connection = **opened;
  ceph_.fail_all("open", -ENOENT);
  const auto asked = make(TCMUD_OP_WRITE, 0, 512);
  submit(connection, *asked);
  ceph_.end(-ENOENT);
  EXPECT_EQ(asked->status, TCMUD_NOT_READY);
  ASSERT_TRUE(eventually([&] { return state() == TCMUD_BACKEND_GONE; }));
  EXPECT_EQ(read(connection), TCMUD_NOT_READY);
  ceph_.fail_all("open", 0);
  ASSERT_TRUE(eventually([&] { return state() == TCMUD_BACKEND_UP; }));
  connection.reap();
  EXPECT_EQ(read(connection), TCMUD_OK);
}

TEST_F(ConnectionTest, a_lun_may_close_while_it_is_being_opened_again) {
  auto opened = open();
  ASSERT_TRUE(opened);
  ceph_.fail_all("connect", -ETIMEDOUT);
  const auto asked = make(TCMUD_OP_WRITE, 0, 512);
  submit(**opened, *asked);
  ceph_.end(-ESHUTDOWN);
  ASSERT_TRUE(eventually([&] { return ceph_.connects >= 2; }));
}

TEST_F(ConnectionTest, time_outs_are_told_once_and_so_is_their_end) {
  auto opened = open();
  ASSERT_TRUE(opened);
  Connection& connection = **opened;
  for (int i = 0; i < 3; ++i) {
    const auto asked = make(TCMUD_OP_WRITE, 0, 512);
    submit(connection, *asked);
    ceph_.end(-ETIMEDOUT);
    EXPECT_EQ(asked->status, TCMUD_TIMEOUT);
  }
  ASSERT_TRUE(eventually(
      [&] { return ceph_.service_status().find("cmd_timed_out_cnt=3\n") != std::string::npos; }));
  EXPECT_EQ(state(), TCMUD_BACKEND_SLOW);
  EXPECT_EQ(read(connection), TCMUD_OK);
  ASSERT_TRUE(eventually([&] { return state() == TCMUD_BACKEND_UP; }));
  EXPECT_EQ(states().size(), 2u);
  EXPECT_EQ(ceph_.connects, 1) << "the connection is as good as any other";
}

TEST_F(ConnectionTest, a_new_size_is_told_and_holds) {
  auto opened = open();
  ASSERT_TRUE(opened);
  Connection& connection = **opened;
  ceph_.change_header();  // a snapshot, say
  ceph_.size = 16u << 20;
  ceph_.change_header();
  ASSERT_TRUE(eventually([&] { return !events().empty(); }));
  EXPECT_EQ(events().front(), TCMUD_EVENT_RESIZED);
  EXPECT_EQ(connection.size(), 16u << 20);
  const auto asked = make(TCMUD_OP_READ, 15u << 20, 512);
  submit(connection, *asked);
  ceph_.end(0);
  EXPECT_EQ(asked->status, TCMUD_OK);
}

// The notice of a session that was not yet the live one stayed with it, and so was each later one.
TEST_F(ConnectionTest, what_an_image_tells_while_it_is_being_opened_is_not_lost) {
  ceph_.tells_at_once = true;
  auto opened = open();
  ASSERT_TRUE(opened);
  ceph_.size = 16u << 20;
  ceph_.change_header();
  ASSERT_TRUE(eventually([&] { return (*opened)->size() == 16u << 20; }));
  const auto asked = make(TCMUD_OP_WRITE, 0, 512);
  submit(**opened, *asked);
  ceph_.end(-ESHUTDOWN);
  ASSERT_TRUE(eventually([&] { return state() == TCMUD_BACKEND_UP && states().size() == 2; }));
  ceph_.size = 32u << 20;
  ceph_.change_header();
  EXPECT_TRUE(eventually([&] { return (*opened)->size() == 32u << 20; }));
}

TEST_F(ConnectionTest, the_kernels_time_limit_bounds_ours_now_and_after_a_recovery) {
  auto opened = open();
  ASSERT_TRUE(opened);
  EXPECT_EQ(ceph_.conf("rados_osd_op_timeout"), "31");
  (*opened)->set_command_timeout(30);
  EXPECT_EQ(ceph_.conf("rados_osd_op_timeout"), "25");
  EXPECT_EQ(ceph_.conf("rados_mon_op_timeout"), "25");
  (*opened)->set_command_timeout(0);
  EXPECT_EQ(ceph_.conf("rados_osd_op_timeout"), "31");
}

}  // namespace
}  // namespace tcmud::rbd::test
