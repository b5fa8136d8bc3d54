// SPDX-License-Identifier: Apache-2.0
#include "rbd/cluster.h"

#include <cerrno>

#include <sys/utsname.h>

#include "rbd_fixture.h"

namespace tcmud::rbd::test {
namespace {

class ClusterTest : public RbdUnit {
 protected:
  Cluster connect() {
    auto cluster = Cluster::connect(FakeCeph::table(), options_, 0);
    EXPECT_TRUE(cluster);
    return std::move(*cluster);
  }
};

TEST(OsdOpTimeout, is_long_enough_to_notice_a_dead_osd_and_ends_before_the_kernel_gives_up) {
  EXPECT_EQ(choose_osd_op_timeout(0, 0, 26, 0), 31u);
  EXPECT_EQ(choose_osd_op_timeout(30, 0, 26, 0), 30u) << "as ceph-iscsi wants it";
  EXPECT_EQ(choose_osd_op_timeout(20, 0, 26, 0), 31u) << "too short to outlive one dead OSD";
  EXPECT_EQ(choose_osd_op_timeout(0, 60, 26, 0), 60u) << "as Ceph's configuration wants it";
  EXPECT_EQ(choose_osd_op_timeout(30, 60, 26, 0), 30u);
  EXPECT_EQ(choose_osd_op_timeout(30, 0, 26, 30), 25u) << "five sixths of the kernel's";
  EXPECT_EQ(choose_osd_op_timeout(0, 0, 26, 1), 1u);
}

// Byte for byte: the manager, the dashboard and gwcli read it.
TEST_F(ClusterTest, the_service_map_gets_the_keys_that_its_readers_know) {
  Cluster cluster = connect();
  EXPECT_EQ(cluster.register_service(options_, "4711"), 0);
  utsname name;
  ASSERT_EQ(::uname(&name), 0);
  const std::string node = name.nodename;
  EXPECT_EQ(ceph_.service_daemon, "tcmu-runner " + node + ":pool/image");
  EXPECT_EQ(ceph_.service_metadata,
            "pool_name=pool\nimage_name=image\nimage_id=4711\ndaemon_type=portal\ndaemon_prefix=" +
                node + "\n");
  cluster.update_status({.lock_owner = true, .lock_lost = 1, .connection_lost = 2, .timed_out = 3});
  EXPECT_EQ(ceph_.service_status(),
            "lock_owner=true\nlock_lost_cnt=1\nconn_lost_cnt=2\ncmd_timed_out_cnt=3\n");
}

TEST_F(ClusterTest, a_pool_rotates_unless_its_rule_is_one_of_solid_state) {
  Cluster cluster = connect();
  EXPECT_TRUE(cluster.rotational("pool")) << "nothing is known";
  ceph_.monitors = {{"crush_rule", "crush_rule: fast\n"},
                    {"\"class\":\"ssd\"", "slow\n"},
                    {"\"class\":\"nvme\"", "slower\nfast\n"}};
  EXPECT_FALSE(cluster.rotational("pool"));
  ceph_.monitors["\"class\":\"nvme\""] = "faster\nvery fast\n";
  EXPECT_TRUE(cluster.rotational("pool"));
  ceph_.monitors["crush_rule"] = "no such thing";
  EXPECT_TRUE(cluster.rotational("pool"));
}

TEST_F(ClusterTest, threads_are_few_unless_somebody_has_set_them) {
  connect();
  EXPECT_EQ(ceph_.conf("ms_async_op_threads"), "1");
  EXPECT_EQ(ceph_.conf("librados_thread_count"), "1");
  ceph_.set_conf("ms_async_op_threads", "7");
  connect();
  EXPECT_EQ(ceph_.conf("ms_async_op_threads"), "7");
}

TEST_F(ClusterTest, a_keyring_that_does_not_fit_is_called_by_its_name) {
  ceph_.fail_all("connect", -EACCES);
  const auto cluster = Cluster::connect(FakeCeph::table(), options_, 0);
  ASSERT_FALSE(cluster);
  EXPECT_NE(cluster.refusal().why.find("keyring"), std::string::npos);
}

}  // namespace
}  // namespace tcmud::rbd::test
