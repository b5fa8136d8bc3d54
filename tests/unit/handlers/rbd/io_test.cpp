// SPDX-License-Identifier: Apache-2.0
#include "rbd/io.h"

#include <cerrno>
#include <map>

#include "rbd/status.h"
#include "rbd_fixture.h"

namespace tcmud::rbd::test {
namespace {

class IoTest : public RbdUnit {
 protected:
  void SetUp() override {
    auto opened = open();
    ASSERT_TRUE(opened);
    connection_ = std::move(*opened);
  }
  std::unique_ptr<Asked> run(std::unique_ptr<Asked> asked, int64_t result) {
    submit(*connection_, *asked);
    if (asked->status == TCMUD_QUEUED) {
      ceph_.end_all(result);
    }
    EXPECT_EQ(asked->completions, 1);
    return asked;
  }
  std::unique_ptr<Asked> unmap(std::vector<tcmud_range> ranges) {
    auto asked = make(TCMUD_OP_UNMAP, 0, 0);
    asked->ranges = std::move(ranges);
    asked->c.ranges = asked->ranges.data();
    asked->c.nranges = static_cast<uint32_t>(asked->ranges.size());
    return asked;
  }

  std::unique_ptr<Connection> connection_;
};

const std::vector<uint16_t> kData = {TCMUD_OP_READ, TCMUD_OP_WRITE, TCMUD_OP_WRITE_ZEROES,
                                     TCMUD_OP_WRITE_SAME, TCMUD_OP_COMPARE_AND_WRITE};

TEST_F(IoTest, whichever_call_refuses_a_request_it_is_answered_and_nothing_stays_behind) {
  for (const uint16_t op : kData) {
    for (uint64_t k = 1; k <= 2; ++k) {
      ceph_.fail_call(k, -ENOMEM);
      auto asked = op == TCMUD_OP_COMPARE_AND_WRITE ? make(op, 0, 512, 3, 1024) : make(op, 0, 512);
      EXPECT_EQ(run(std::move(asked), 0)->status, TCMUD_NO_RESOURCE) << op << " " << k;
      EXPECT_FALSE(ceph_.failed().empty());
    }
  }
  for (uint64_t k = 1; k <= 6; ++k) {
    ceph_.fail_call(k, -ENOMEM);
    EXPECT_EQ(run(unmap({{0, 512}, {1024, 512}, {4096, 512}}), 0)->status, TCMUD_NO_RESOURCE) << k;
  }
}

TEST_F(IoTest, each_error_has_its_status) {
  const std::map<int, int32_t> writes = {
      {ESHUTDOWN, TCMUD_BUSY},          {EROFS, TCMUD_BUSY},      {ETIMEDOUT, TCMUD_TIMEOUT},
      {ENOSPC, TCMUD_NO_SPACE},         {EDQUOT, TCMUD_NO_SPACE}, {EPERM, TCMUD_NOT_READY},
      {ENOENT, TCMUD_NOT_READY},        {EAGAIN, TCMUD_BUSY},     {ENOMEM, TCMUD_NO_RESOURCE},
      {EINVAL, TCMUD_INTERNAL},         {EIO, TCMUD_WRITE_ERROR}, {EILSEQ, TCMUD_WRITE_ERROR},
      {EOPNOTSUPP, TCMUD_NOT_SUPPORTED}};
  for (const auto& [error, status] : writes) {
    if (error != EILSEQ) {
      EXPECT_EQ(status_of_errno(error, Access::kWrite), status) << error;
    }
  }
  EXPECT_EQ(status_of_errno(EIO, Access::kRead), TCMUD_READ_ERROR);
  EXPECT_EQ(status_of_errno(EPERM, Access::kRead), TCMUD_NOT_READY);
  EXPECT_EQ(status_of_errno(ESHUTDOWN, Access::kRead), TCMUD_BUSY);
  EXPECT_EQ(status_of_errno(ESHUTDOWN, Access::kLockedWrite), TCMUD_LOCK_LOST);
  EXPECT_EQ(status_of_errno(EROFS, Access::kLockedWrite), TCMUD_NO_LOCK);
  EXPECT_EQ(run(make(TCMUD_OP_WRITE, 0, 512), -ENOSPC)->status, TCMUD_NO_SPACE);
  EXPECT_EQ(run(make(TCMUD_OP_READ, 0, 512), -EIO)->status, TCMUD_READ_ERROR);
}

TEST_F(IoTest, a_write_whose_time_was_over_is_remembered_and_a_read_is_not) {
  (void)run(make(TCMUD_OP_READ, 0, 512), -ETIMEDOUT);
  // Asked of the session by the lock's side; seen here by what a write adds.
  struct Nobody final : Observer {
    void notice(uint32_t notices) override { seen |= notices; }
    uint32_t seen = 0;
  } nobody;
  Io io(FakeCeph::table(), &nobody, {.flush = false, .read_only = false, .size = 1 << 20},
        args_.device, nobody, nullptr);
  const auto read = make(TCMUD_OP_READ, 0, 512);
  EXPECT_EQ(io.submit(read->c), TCMUD_QUEUED);
  ceph_.end(-ETIMEDOUT);
  EXPECT_FALSE(io.has_uncertain_write());
  const auto write = make(TCMUD_OP_WRITE, 0, 512);
  EXPECT_EQ(io.submit(write->c), TCMUD_QUEUED);
  EXPECT_EQ(io.in_flight(), 1u);
  ceph_.end(-ETIMEDOUT);
  EXPECT_EQ(io.in_flight(), 0u);
  EXPECT_TRUE(io.has_uncertain_write());
  EXPECT_EQ(nobody.seen, uint32_t{kTimedOut});
}

TEST_F(IoTest, no_write_passes_a_closed_gate_and_each_that_passed_leaves) {
  struct Nobody final : Observer {
    void notice(uint32_t) override {}
  } nobody;
  WriteGate gate;
  Io io(FakeCeph::table(), &nobody, {.flush = false, .read_only = false, .size = 1 << 20},
        args_.device, nobody, &gate);
  for (const uint16_t op : kData) {
    const auto asked =
        op == TCMUD_OP_COMPARE_AND_WRITE ? make(op, 0, 512, 1, 1024) : make(op, 0, 512);
    EXPECT_EQ(io.submit(asked->c), op == TCMUD_OP_READ ? TCMUD_QUEUED : TCMUD_NO_LOCK) << op;
    ceph_.end_all(0);
    EXPECT_EQ(gate.under_way(), 0u);
  }
  EXPECT_EQ(io.submit(unmap({{0, 512}})->c), TCMUD_NO_LOCK);
  gate.open();
  for (const int result : {0, -EIO, -ESHUTDOWN}) {
    const auto asked = make(TCMUD_OP_WRITE, 0, 512);
    EXPECT_EQ(io.submit(asked->c), TCMUD_QUEUED);
    EXPECT_EQ(gate.under_way(), 1u);
    ceph_.end(result);
    EXPECT_EQ(gate.under_way(), 0u);
  }
  ceph_.fail_call(2, -EIO);
  const auto refused = make(TCMUD_OP_WRITE, 0, 512);
  EXPECT_EQ(io.submit(refused->c), TCMUD_WRITE_ERROR);
  EXPECT_EQ(gate.under_way(), 0u);
}

TEST_F(IoTest, an_unmap_ends_when_its_last_range_does_and_tells_the_first_error) {
  const auto asked = unmap({{0, 512}, {1024, 512}, {4096, 512}});
  submit(*connection_, *asked);
  ASSERT_EQ(ceph_.operations().size(), 3u);
  ceph_.end(0);
  ceph_.end(-ENOSPC);
  EXPECT_EQ(asked->completions, 0);
  ceph_.end(-EIO);
  EXPECT_EQ(asked->completions, 1);
  EXPECT_EQ(asked->status, TCMUD_NO_SPACE);
}

TEST_F(IoTest, zeroes_are_allocated_unless_deallocating_is_welcome) {
  for (const bool welcome : {false, true}) {
    const auto asked = make(TCMUD_OP_WRITE_ZEROES, 0, 4096);
    asked->c.flags = welcome ? TCMUD_FLAG_MAY_UNMAP : 0;
    submit(*connection_, *asked);
    EXPECT_EQ(ceph_.operations()[0].flags, welcome ? 0 : RBD_WRITE_ZEROES_FLAG_THICK_PROVISION);
    ceph_.end(0);
  }
}

TEST_F(IoTest, scattered_blocks_are_gathered_where_librbd_takes_one_piece) {
  const auto same = make(TCMUD_OP_WRITE_SAME, 0, 4096, 3, 512);
  submit(*connection_, *same);
  EXPECT_EQ(ceph_.operations()[0].data, std::string(same->data.begin(), same->data.end()));
  ceph_.end(0);
  for (const uint32_t vectors : {1u, 2u, 3u, 4u, 5u}) {
    const auto compare = make(TCMUD_OP_COMPARE_AND_WRITE, 512, 512, vectors, 1024);
    submit(*connection_, *compare);
    EXPECT_EQ(ceph_.operations()[0].data, std::string(compare->data.begin(), compare->data.end()));
    *ceph_.operations()[0].mismatch = (4u << 20) + 77;
    ceph_.end(-EILSEQ);
    EXPECT_EQ(compare->status, TCMUD_MISCOMPARE);
    EXPECT_EQ(compare->info, 77u);
  }
}

TEST_F(IoTest, a_short_read_is_no_read) {
  const auto asked = make(TCMUD_OP_READ, 0, 4096);
  submit(*connection_, *asked);
  ceph_.end(512);
  EXPECT_EQ(asked->status, TCMUD_OUT_OF_RANGE);
}

TEST_F(IoTest, a_flush_costs_nothing_where_there_is_no_cache) {
  const auto asked = make(TCMUD_OP_FLUSH, 0, 0);
  submit(*connection_, *asked);
  EXPECT_EQ(asked->status, TCMUD_OK);
  EXPECT_TRUE(ceph_.operations().empty());
  ceph_.image_config["rbd_cache"] = "true";
  connection_.reset();
  SetUp();
  const auto with_cache = make(TCMUD_OP_FLUSH, 0, 0);
  submit(*connection_, *with_cache);
  ASSERT_EQ(ceph_.operations().size(), 1u);
  ceph_.end(0);
  EXPECT_EQ(with_cache->status, TCMUD_OK);
}

}  // namespace
}  // namespace tcmud::rbd::test
