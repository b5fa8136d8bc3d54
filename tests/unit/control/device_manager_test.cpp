// SPDX-License-Identifier: Apache-2.0
#include "control/device_manager.h"

#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "unit/control/fake_loop.h"

namespace tcmud::control {
namespace {

using device::State;
using kernel::DeviceName;
using kernel::Reply;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

// What the manager asked of one device, and the device's part of the conversation.
struct FakeLun final : Lun {
  void add(Reply reply) override { take("add", std::move(reply)); }
  void adopt() override { calls.emplace_back("adopt"); }
  void reconfigure(kernel::Change, Reply reply) override { take("reconfigure", std::move(reply)); }
  void remove(Reply reply) override { take("remove", std::move(reply)); }
  void shut_down(std::chrono::steady_clock::time_point) override {
    calls.emplace_back("shut_down");
  }
  device::LunStatus status() override { return status_now; }
  void take(const char* what, Reply reply) {
    calls.emplace_back(what);
    replies.push_back(std::move(reply));
  }

  DeviceName name;
  uint32_t minor = 0;
  device::Device::StatusChanged status_changed;
  device::LunStatus status_now;
  std::vector<std::string> calls;
  std::deque<Reply> replies;
  std::function<void()> destroyed;
  ~FakeLun() override {
    if (destroyed) {
      destroyed();
    }
  }
};

class FakePort final : public kernel::KernelPort {
 public:
  std::vector<kernel::FoundDevice> devices;
  Result<std::vector<kernel::FoundDevice>> scan() override { return devices; }
  // The main thread must stay away from these.
  Result<kernel::UioPort> open_uio(uint32_t) override { return refuse(); }
  Result<std::unique_ptr<kernel::DeviceDirectory>> open_directory(const DeviceName&) override {
    return refuse();
  }

 private:
  static tl::unexpected<Error> refuse() {
    ADD_FAILURE() << "blocking call on the main thread";
    return fail(EDEADLK, "no");
  }
};

// What can be seen of LUNs: their names and states, by id.
struct FakeDisplay final : DeviceManager::Display {
  void show(uint64_t id, const DeviceName& name, const device::LunStatus& status) override {
    shown[id] = name.name + " " + to_string(status.state);
  }
  void forget(uint64_t id) override { EXPECT_EQ(shown.erase(id), 1u); }
  std::map<uint64_t, std::string> shown;
};

std::vector<std::string> g_log;  // warnings and worse

DeviceName name_of(const std::string& lun, const std::string& subtype = "file") {
  return {0, lun, subtype, "/" + lun};
}

class DeviceManagerTest : public testing::Test {
 protected:
  DeviceManagerTest() {
    g_log.clear();
    log::set_sink([](log::Level level, std::string_view lun, std::string_view text) {
      if (level <= log::Level::kWarning) {
        g_log.push_back(std::string(lun) + ": " + std::string(text));
      }
    });
  }
  ~DeviceManagerTest() override { log::set_sink(nullptr); }

  // An event; the status that was answered arrives in the result, kNone until then.
  static constexpr int kNone = 99;
  std::shared_ptr<int> send(uint32_t minor, const DeviceName& name,
                            decltype(kernel::Event::what) what) {
    auto status = std::make_shared<int>(kNone);
    manager_.handle({name, minor, 0, std::move(what), Reply([status](int s) {
                       EXPECT_EQ(*status, kNone) << "answered twice";
                       *status = s;
                     })});
    return status;
  }
  std::shared_ptr<int> add(uint32_t minor, const DeviceName& name) {
    return send(minor, name, kernel::DeviceAdded{});
  }
  std::shared_ptr<int> remove(uint32_t minor, const DeviceName& name) {
    return send(minor, name, kernel::DeviceRemoved{});
  }

  // The device says so on its strand; the main thread learns of it.
  void tell(FakeLun& lun, State state) {
    lun.status_now.state = state;
    lun.status_changed();
    loop_.run_posted();
  }
  FakeLun& lun(size_t i) { return *luns_.at(i); }

  FakePort port_;
  test::FakeLoop loop_;
  FakeDisplay display_;
  std::vector<FakeLun*> luns_;  // in the order they were made; null once destroyed
  DeviceManager manager_{
      port_, [](std::string_view subtype) { return subtype == "file" || subtype == "rbd"; },
      [this](const DeviceName& name, uint32_t minor, device::Device::StatusChanged changed) {
        auto lun = std::make_unique<FakeLun>();
        lun->name = name;
        lun->minor = minor;
        lun->status_changed = std::move(changed);
        lun->destroyed = [this, i = luns_.size()] { luns_[i] = nullptr; };
        luns_.push_back(lun.get());
        return lun;
      },
      loop_, display_};
};

TEST_F(DeviceManagerTest, a_new_device_is_added_and_answers_for_itself) {
  const auto status = add(3, name_of("a"));
  ASSERT_EQ(luns_.size(), 1u);
  EXPECT_EQ(lun(0).minor, 3u);
  EXPECT_THAT(lun(0).calls, ElementsAre("add"));
  EXPECT_EQ(*status, kNone);
  lun(0).replies[0].send(0);
  EXPECT_EQ(*status, 0);
}

TEST_F(DeviceManagerTest, an_unknown_subtype_is_refused_at_once) {
  EXPECT_EQ(*add(3, name_of("a", "glfs")), -ENOENT);
  EXPECT_EQ(*add(4, name_of("b", "fil")), -ENOENT);
  EXPECT_EQ(manager_.size(), 0u);
}

TEST_F(DeviceManagerTest, a_foreign_subtype_is_left_to_the_other_daemon) {
  manager_.set_foreign_subtypes({"overlaybd", "file"});
  EXPECT_EQ(*add(3, name_of("a", "overlaybd")), kNone);
  EXPECT_EQ(*add(4, name_of("b", "file")), kNone);
  EXPECT_EQ(*remove(3, name_of("a", "overlaybd")), kNone);
  EXPECT_EQ(*send(3, name_of("a", "overlaybd"), kernel::DeviceReconfigured{kernel::SizeChange{1}}),
            kNone);
  port_.devices = {{name_of("c", "overlaybd"), 5}};
  ASSERT_TRUE(manager_.rescan());
  EXPECT_EQ(manager_.size(), 0u);
}

TEST_F(DeviceManagerTest, a_lun_that_is_served_stays_ours_when_its_subtype_becomes_foreign) {
  add(3, name_of("a"));
  lun(0).replies.clear();
  manager_.set_foreign_subtypes({"file"});
  remove(3, name_of("a"));
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "remove"));
}

TEST_F(DeviceManagerTest, a_device_that_failed_to_open_is_forgotten) {
  add(3, name_of("a"));
  lun(0).replies[0].send(-EIO);
  tell(lun(0), State::kClosed);
  EXPECT_EQ(manager_.size(), 0u);
  EXPECT_EQ(luns_[0], nullptr);
}

TEST_F(DeviceManagerTest, a_removal_is_answered_by_the_lun) {
  add(3, name_of("a"));
  const auto status = remove(3, name_of("a"));
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "remove"));
  EXPECT_EQ(*status, kNone);
  lun(0).replies[1].send(0);
  EXPECT_EQ(*status, 0);
  tell(lun(0), State::kClosed);
  EXPECT_EQ(manager_.size(), 0u);
}

TEST_F(DeviceManagerTest, a_removal_of_what_is_not_there_succeeds) {
  EXPECT_EQ(*remove(3, name_of("a")), 0);
  EXPECT_EQ(*remove(4, name_of("a", "glfs")), 0);
}

TEST_F(DeviceManagerTest, a_reconfiguration_goes_to_its_lun) {
  add(3, name_of("a"));
  const auto status = send(3, name_of("a"), kernel::DeviceReconfigured{kernel::SizeChange{4096}});
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "reconfigure"));
  lun(0).replies[1].send(0);
  EXPECT_EQ(*status, 0);
}

TEST_F(DeviceManagerTest, a_reconfiguration_of_what_is_not_there_fails) {
  EXPECT_EQ(*send(3, name_of("a"), kernel::DeviceReconfigured{kernel::SizeChange{1}}), -ENODEV);
  add(3, name_of("a"));
  EXPECT_EQ(*send(3, name_of("b"), kernel::DeviceReconfigured{kernel::SizeChange{1}}), -ENODEV);
}

// The kernel's name of a device shows its configuration, which may have changed since we learnt it.
TEST_F(DeviceManagerTest, a_lun_is_known_by_hba_and_name_whatever_its_configuration) {
  add(3, name_of("a"));
  DeviceName changed = name_of("a");
  changed.config = "/elsewhere";
  remove(3, changed);
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "remove"));
}

// The kernel gives the minor away as soon as it has its answer, which is before we hear that the
// old one is closed.
TEST_F(DeviceManagerTest, a_minor_may_be_used_again_before_its_old_lun_is_gone) {
  add(3, name_of("a"));
  remove(3, name_of("a"));
  lun(0).replies[1].send(0);
  const auto status = add(3, name_of("b"));
  ASSERT_EQ(luns_.size(), 2u);
  EXPECT_THAT(lun(1).calls, ElementsAre("add"));
  tell(lun(0), State::kClosed);
  EXPECT_EQ(manager_.size(), 1u);
  const auto removal = remove(3, name_of("b"));
  EXPECT_THAT(lun(1).calls, ElementsAre("add", "remove"));
  EXPECT_EQ(*status, kNone);
  EXPECT_EQ(*removal, kNone);
}

TEST_F(DeviceManagerTest, a_creation_that_failed_may_be_tried_again_under_the_same_name) {
  add(3, name_of("a"));
  lun(0).replies[0].send(-EIO);
  add(3, name_of("a"));  // before word of the first one's end
  ASSERT_EQ(luns_.size(), 2u);
  EXPECT_THAT(lun(1).calls, ElementsAre("add"));
  tell(lun(0), State::kClosed);
  EXPECT_THAT(manager_.luns(), ElementsAre("user_0/a"));
}

TEST_F(DeviceManagerTest, a_scan_adopts_what_is_there) {
  port_.devices = {{name_of("a"), 3}, {name_of("b", "rbd"), 4}, {name_of("c", "glfs"), 5}};
  ASSERT_TRUE(manager_.rescan());
  EXPECT_THAT(manager_.luns(), ElementsAre("user_0/a", "user_0/b"));
  EXPECT_THAT(lun(0).calls, ElementsAre("adopt"));
  ASSERT_TRUE(manager_.rescan());
  EXPECT_EQ(luns_.size(), 2u);
}

TEST_F(DeviceManagerTest, a_scan_leaves_alone_what_an_event_brought) {
  add(3, name_of("a"));
  port_.devices = {{name_of("a"), 3}};
  ASSERT_TRUE(manager_.rescan());
  EXPECT_THAT(lun(0).calls, ElementsAre("add"));
}

// Enabled while we joined: the scan sees it, and its event comes too.
TEST_F(DeviceManagerTest, the_event_of_an_adopted_device_is_answered_once_it_is_served) {
  port_.devices = {{name_of("a"), 3}};
  ASSERT_TRUE(manager_.rescan());
  const auto status = add(3, name_of("a"));
  EXPECT_EQ(*status, kNone);
  EXPECT_EQ(luns_.size(), 1u);
  tell(lun(0), State::kRunning);
  EXPECT_EQ(*status, 0);
  EXPECT_THAT(lun(0).calls, ElementsAre("adopt"));
}

TEST_F(DeviceManagerTest, the_event_of_a_device_that_is_served_already_is_answered_at_once) {
  port_.devices = {{name_of("a"), 3}};
  ASSERT_TRUE(manager_.rescan());
  tell(lun(0), State::kRetrying);
  EXPECT_EQ(*add(3, name_of("a")), 0);
  EXPECT_THAT(lun(0).calls, ElementsAre("adopt"));
}

// The scan was faster than the event of a device that is only being added, so it can't be adopted.
TEST_F(DeviceManagerTest, a_device_that_could_not_be_adopted_is_added_when_its_event_is_there) {
  port_.devices = {{name_of("a"), 3}};
  ASSERT_TRUE(manager_.rescan());
  const auto status = add(3, name_of("a"));
  tell(lun(0), State::kClosed);
  ASSERT_EQ(luns_.size(), 2u);
  EXPECT_EQ(luns_[0], nullptr);
  EXPECT_THAT(lun(1).calls, ElementsAre("add"));
  EXPECT_EQ(*status, kNone);
  lun(1).replies[0].send(-EINVAL);
  EXPECT_EQ(*status, -EINVAL);
}

TEST_F(DeviceManagerTest, a_second_event_for_an_adopted_device_means_another_device) {
  port_.devices = {{name_of("a"), 3}};
  ASSERT_TRUE(manager_.rescan());
  tell(lun(0), State::kRunning);
  EXPECT_EQ(*add(3, name_of("a")), 0);
  add(3, name_of("a"));
  EXPECT_THAT(lun(0).calls, ElementsAre("adopt", "remove"));
  EXPECT_THAT(lun(1).calls, ElementsAre("add"));
}

TEST_F(DeviceManagerTest, a_scan_gives_up_what_has_vanished) {
  add(3, name_of("a"));
  add(4, name_of("b"));
  port_.devices = {{name_of("b"), 4}};
  ASSERT_TRUE(manager_.rescan());
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "remove"));
  EXPECT_THAT(lun(1).calls, ElementsAre("add"));
}

TEST_F(DeviceManagerTest, a_scan_sees_that_a_minor_means_another_device_now) {
  add(3, name_of("a"));
  port_.devices = {{name_of("b"), 3}};
  ASSERT_TRUE(manager_.rescan());
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "remove"));
  EXPECT_THAT(lun(1).calls, ElementsAre("adopt"));
}

TEST_F(DeviceManagerTest, shutting_down_ends_all_luns_at_once_and_says_when_none_is_left) {
  add(3, name_of("a"));
  add(4, name_of("b"));
  remove(4, name_of("b"));
  bool done = false;
  manager_.shut_down(std::chrono::steady_clock::now(), [&] { done = true; });
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "shut_down"));
  tell(lun(1), State::kClosed);
  EXPECT_FALSE(done);
  tell(lun(0), State::kRemoving);
  EXPECT_FALSE(done);
  tell(lun(0), State::kClosed);
  EXPECT_TRUE(done);
}

TEST_F(DeviceManagerTest, shutting_down_without_a_lun_is_done_at_once) {
  bool done = false;
  manager_.shut_down(std::chrono::steady_clock::now(), [&] { done = true; });
  EXPECT_TRUE(done);
}

// Whoever runs targetcli at that time must not hang.
// A hung cluster: whoever removes the LUN must not hang with it.
TEST_F(DeviceManagerTest, a_removal_is_answered_in_place_of_a_lun_that_does_not_come_back) {
  add(3, name_of("a"));
  const auto status = remove(3, name_of("a"));
  lun(0).status_now.task = "closing the backend";
  loop_.run_timers();
  EXPECT_EQ(*status, 0);
  EXPECT_THAT(g_log, ElementsAre(AllOf(HasSubstr("user_0/a: handler file"), HasSubstr("20 s"),
                                       HasSubstr("closing the backend"))));
  EXPECT_EQ(manager_.size(), 1u);
  lun(0).replies[1].send(0);  // send() fails the test if that one goes out
  tell(lun(0), State::kClosed);
  EXPECT_EQ(manager_.size(), 0u);
}

TEST_F(DeviceManagerTest, a_removal_that_the_lun_answers_is_left_to_it) {
  add(3, name_of("a"));
  const auto status = remove(3, name_of("a"));
  lun(0).replies[1].send(-EBUSY);
  EXPECT_EQ(*status, -EBUSY);
  loop_.run_timers();
  EXPECT_THAT(g_log, IsEmpty());
}

TEST_F(DeviceManagerTest, a_lun_that_does_not_open_is_told_of_and_not_answered_for) {
  const auto status = add(3, name_of("a"));
  lun(0).status_now.task = "opening the backend";
  loop_.run_timers();
  EXPECT_THAT(g_log, ElementsAre(HasSubstr("user_0/a: not open after 20 s (opening the backend)")));
  EXPECT_EQ(*status, kNone);
}

TEST_F(DeviceManagerTest, nothing_is_told_of_a_lun_that_was_opened_in_time) {
  add(3, name_of("a"));
  tell(lun(0), State::kRunning);
  loop_.run_timers();
  EXPECT_THAT(g_log, IsEmpty());
}

TEST_F(DeviceManagerTest, luns_are_shown_from_the_beginning_to_the_end) {
  add(3, name_of("a"));
  EXPECT_THAT(display_.shown, ElementsAre(Pair(1, "a opening")));
  tell(lun(0), State::kRunning);
  EXPECT_THAT(display_.shown, ElementsAre(Pair(1, "a running")));
  remove(3, name_of("a"));
  tell(lun(0), State::kRemoving);
  add(3, name_of("a"));  // under the same name again, before the old one is gone
  EXPECT_THAT(display_.shown, ElementsAre(Pair(1, "a removing"), Pair(2, "a opening")));
  tell(lun(0), State::kClosed);
  EXPECT_THAT(display_.shown, ElementsAre(Pair(2, "a opening")));
}

// As many changes as there may be: the main thread looks at the last one.
TEST_F(DeviceManagerTest, a_lun_that_closed_before_anybody_looked_is_forgotten) {
  add(3, name_of("a"));
  lun(0).status_now.state = State::kRunning;
  lun(0).status_changed();
  lun(0).status_now.state = State::kClosed;
  loop_.run_posted();
  EXPECT_EQ(manager_.size(), 0u);
  EXPECT_THAT(display_.shown, IsEmpty());
}

TEST_F(DeviceManagerTest, events_are_answered_while_shutting_down) {
  add(3, name_of("a"));
  manager_.shut_down(std::chrono::steady_clock::now(), [] {});
  EXPECT_EQ(*add(4, name_of("b")), -ESHUTDOWN);
  EXPECT_EQ(*send(3, name_of("a"), kernel::DeviceReconfigured{kernel::SizeChange{1}}), -ESHUTDOWN);
  remove(3, name_of("a"));
  EXPECT_THAT(lun(0).calls, ElementsAre("add", "shut_down", "remove"));
  port_.devices = {{name_of("c"), 5}};
  ASSERT_TRUE(manager_.rescan());
  EXPECT_EQ(manager_.size(), 1u);
}

TEST_F(DeviceManagerTest, an_event_that_waits_for_an_adoption_is_answered_when_all_ends) {
  port_.devices = {{name_of("a"), 3}};
  ASSERT_TRUE(manager_.rescan());
  const auto status = add(3, name_of("a"));
  manager_.shut_down(std::chrono::steady_clock::now(), [] {});
  tell(lun(0), State::kClosed);
  EXPECT_EQ(*status, -ESHUTDOWN);
  EXPECT_THAT(manager_.luns(), IsEmpty());
}

}  // namespace
}  // namespace tcmud::control
