// SPDX-License-Identifier: Apache-2.0
#include "control/lost_events.h"

#include <deque>
#include <mutex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "control/event_loop.h"
#include "support/fake_kernel.h"

namespace tcmud::control {
namespace {

using namespace std::chrono_literals;
using device::State;
using kernel::DeviceName;
using kernel::Reply;
using testing::ElementsAre;

// The kernel, with directories that somebody else has locked.
class LockablePort final : public kernel::KernelPort {
 public:
  explicit LockablePort(test::FakeKernel& kernel) : kernel_(kernel) {}
  Result<std::vector<kernel::FoundDevice>> scan() override { return kernel_.scan(); }
  Result<kernel::UioPort> open_uio(uint32_t minor) override { return kernel_.open_uio(minor); }
  Result<std::unique_ptr<kernel::DeviceDirectory>> open_directory(
      const DeviceName& device) override {
    EXPECT_NE(std::this_thread::get_id(), main_) << device.lun() << " may block";
    std::unique_lock lock(mutex_);
    unlocked_.wait(lock, [&] { return !locked_.contains(device.name); });
    return kernel_.open_directory(device);
  }
  void lock(const std::string& name) {
    const std::lock_guard lock(mutex_);
    locked_.insert(name);
  }
  void unlock_all() {
    const std::lock_guard lock(mutex_);
    locked_.clear();
    unlocked_.notify_all();
  }

 private:
  test::FakeKernel& kernel_;
  const std::thread::id main_ = std::this_thread::get_id();
  std::mutex mutex_;
  std::condition_variable unlocked_;
  std::set<std::string> locked_;
};

// A LUN that answers when the test says so.
struct PatientLun final : Lun {
  void add(Reply reply) override { take("add", std::move(reply)); }
  void adopt() override { calls.emplace_back("adopt"); }
  void reconfigure(kernel::Change, Reply reply) override { take("reconfigure", std::move(reply)); }
  void remove(Reply reply) override { take("remove", std::move(reply)); }
  void shut_down(std::chrono::steady_clock::time_point) override {}
  void take(const char* what, Reply reply) {
    calls.emplace_back(what);
    replies.push_back(std::move(reply));
  }
  void answer(int status) {
    for (Reply& reply : replies) {
      reply.send(status);
    }
    replies.clear();
  }

  device::LunStatus status() override { return status_now; }

  std::vector<std::string> calls;
  std::vector<Reply> replies;
  device::LunStatus status_now;
};

struct NoDisplay final : DeviceManager::Display {
  void show(uint64_t, const DeviceName&, const device::LunStatus&) override {}
  void forget(uint64_t) override {}
};

class LostEventsTest : public testing::Test {
 protected:
  LostEventsTest() {
    log::set_sink([](log::Level, std::string_view, std::string_view) {});
    kernel_.set_event_sink([this](kernel::Event event) { events_.push_back(std::move(event)); });
  }
  ~LostEventsTest() override {
    port_.unlock_all();
    for (auto& [name, lun] : luns_) {
      lun->answer(0);
    }
    log::set_sink(nullptr);
  }

  static test::DeviceSpec spec(const std::string& name, const std::string& config = "null/") {
    test::DeviceSpec spec;
    spec.name = name;
    spec.dev_config = config;
    spec.drive = test::Drive::kManual;
    return spec;
  }
  PatientLun& lun(const std::string& name) { return *luns_.at(name); }
  void tell(const std::string& name, State state) {
    lun(name).status_now.state = state;
    changed_.at(name)();
  }

  void take_events() {
    while (!events_.empty()) {
      auto event = std::move(events_.front());
      events_.pop_front();
      manager_.handle(std::move(event));
    }
    if (std::exchange(lost_, false)) {
      lost_events_.make_good();
    }
  }
  // Runs the main loop until the condition holds.
  template <class Condition>
  [[nodiscard]] bool until(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit || sd_event_run(loop_->get(), 1000) < 0) {
        return false;
      }
    }
    return true;
  }
  // Everything that lies so far ahead happens.
  void pass(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    EXPECT_TRUE(until([end] { return std::chrono::steady_clock::now() >= end; }));
  }

  static constexpr LostEvents::Timing kTiming{10ms, 50ms, 2ms, 20s};

  test::FakeKernel kernel_;
  LockablePort port_{kernel_};
  std::deque<kernel::Event> events_;
  bool lost_ = false;
  int frees_ = 0;
  std::function<void()> when_blocked_;       // just before it is asked who may be freed
  std::map<std::string, PatientLun*> luns_;  // the latest of that name
  std::unique_ptr<EventLoop> loop_ = std::move(*EventLoop::create());
  NoDisplay display_;
  DeviceManager manager_{
      port_, [](std::string_view subtype) { return subtype == "null"; },
      [this](const DeviceName& name, uint32_t, device::Device::StatusChanged changed) {
        auto made = std::make_unique<PatientLun>();
        luns_[name.name] = made.get();
        changed_[name.name] = std::move(changed);
        return made;
      },
      *loop_, display_};
  std::map<std::string, device::Device::StatusChanged> changed_;
  LostEvents lost_events_{*loop_,
                          manager_,
                          {port_, [this] { take_events(); },
                           [this](uint32_t id) { return kernel_.reply_to_lost_added(id); },
                           [this](const std::function<bool()>& only_lost) -> Result<bool> {
                             if (when_blocked_) {
                               std::exchange(when_blocked_, nullptr)();
                             }
                             const bool freed = kernel_.free_waiters(only_lost);
                             frees_ += freed ? 1 : 0;
                             return freed;
                           }},
                          kTiming};
};

TEST_F(LostEventsTest, a_device_whose_adding_was_lost_is_added_and_answered) {
  kernel_.lose_events(true);
  auto added = kernel_.add_device(spec("a"));
  auto refused = kernel_.add_device(spec("b"));
  kernel_.lose_events(false);
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return luns_.size() == 2; }));
  EXPECT_THAT(lun("a").calls, ElementsAre("add"));
  lun("a").answer(0);
  lun("b").answer(-EIO);
  EXPECT_EQ(added.reply.wait(), 0);
  EXPECT_EQ(refused.reply.wait(), -EIO);
  ASSERT_TRUE(until([&] { return frees_ == 1; }));
  pass(50ms);
  EXPECT_THAT(lun("a").calls, ElementsAre("add"));
}

TEST_F(LostEventsTest, a_device_that_nobody_here_can_serve_is_refused) {
  kernel_.lose_events(true);
  auto added = kernel_.add_device(spec("a", "glfs/x"));
  kernel_.lose_events(false);
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return added.reply.replied(); }));
  EXPECT_EQ(added.reply.wait(), -ENOENT);
}

TEST_F(LostEventsTest, a_foreign_device_is_left_to_its_daemon) {
  manager_.set_foreign_subtypes({"null"});
  kernel_.lose_events(true);
  auto added = kernel_.add_device(spec("a"));
  kernel_.lose_events(false);
  lost_events_.make_good();
  pass(30ms);
  EXPECT_TRUE(luns_.empty());
}

TEST_F(LostEventsTest, a_configured_device_is_adopted_and_one_that_has_gone_is_given_up) {
  auto gone = kernel_.add_device(spec("gone"));
  take_events();
  lun("gone").answer(0);
  kernel_.vanish(gone.device);
  kernel_.create_device(spec("unseen"));
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return luns_.contains("unseen"); }));
  EXPECT_THAT(lun("unseen").calls, ElementsAre("adopt"));
  EXPECT_THAT(lun("gone").calls, ElementsAre("add", "remove"));
}

// The scan that found it was faster than its event, which then was lost.
TEST_F(LostEventsTest, a_device_that_could_not_be_adopted_because_it_is_being_added_is_answered) {
  kernel_.lose_events(true);
  auto added = kernel_.add_device(spec("a"));
  kernel_.lose_events(false);
  ASSERT_TRUE(manager_.rescan());
  tell("a", State::kRetrying);
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return added.reply.replied(); }));
  EXPECT_EQ(added.reply.wait(), 0);
  EXPECT_THAT(lun("a").calls, ElementsAre("adopt"));
  ASSERT_TRUE(until([&] { return frees_ == 1; }));
  pass(50ms);
}

TEST_F(LostEventsTest, an_event_that_was_only_late_is_not_answered_twice) {
  auto added = kernel_.add_device(spec("a"));
  lost_events_.make_good();  // its event is not read yet
  ASSERT_TRUE(until([&] { return luns_.contains("a"); }));
  lun("a").answer(0);
  EXPECT_EQ(added.reply.wait(), 0);
  ASSERT_TRUE(until([&] { return frees_ == 1; }));
  EXPECT_THAT(lun("a").calls, ElementsAre("add"));
}

// The kernel had announced nothing yet when it was given up for lost.
TEST_F(LostEventsTest, an_event_that_comes_after_all_means_the_lun_that_was_added_without_it) {
  kernel_.lose_events(true);
  auto added = kernel_.add_device(spec("a"));
  kernel_.lose_events(false);
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return luns_.contains("a"); }));
  int late = 1;
  manager_.handle({added.device->device_name(), added.device->minor(), added.device->device_id(),
                   kernel::DeviceAdded{}, Reply([&](int status) { late = status; })});
  EXPECT_THAT(lun("a").calls, ElementsAre("add"));
  lun("a").answer(0);
  tell("a", State::kRunning);
  ASSERT_TRUE(until([&] { return late == 0; }));
  EXPECT_THAT(lun("a").calls, ElementsAre("add"));
}

TEST_F(LostEventsTest, who_waits_for_a_lost_reconfiguration_or_removal_is_let_go) {
  auto resized = kernel_.create_device(spec("resized"));
  auto removed = kernel_.create_device(spec("removed"));
  ASSERT_TRUE(manager_.rescan());
  kernel_.lose_events(true);
  auto resize = kernel_.reconfigure(resized, kernel::SizeChange{1 << 20});
  auto removal = kernel_.remove_device(removed);
  kernel_.lose_events(false);
  tell("resized", State::kRunning);
  tell("removed", State::kRunning);
  pass(1ms);
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return resize.replied() && removal.replied(); }));
  EXPECT_EQ(resize.wait(), -EINTR);
  EXPECT_THAT(lun("resized").calls, ElementsAre("adopt"));
  // The second look sees that it has gone.
  ASSERT_TRUE(until([&] { return lun("removed").calls.size() == 2; }));
  EXPECT_THAT(lun("removed").calls, ElementsAre("adopt", "remove"));
}

// The kernel would free the memory of a device that we have mapped.
TEST_F(LostEventsTest, nobody_is_let_go_while_an_answer_is_owed) {
  auto resized = kernel_.create_device(spec("resized"));
  ASSERT_TRUE(manager_.rescan());
  tell("resized", State::kRunning);
  auto slow = kernel_.add_device(spec("slow"));
  take_events();
  kernel_.lose_events(true);
  auto resize = kernel_.reconfigure(resized, kernel::SizeChange{1 << 20});
  kernel_.lose_events(false);
  lost_events_.make_good();
  pass(150ms);  // the whole procedure, several times over
  EXPECT_FALSE(resize.replied());
  lun("slow").answer(0);
  ASSERT_TRUE(until([&] { return resize.replied(); }));
  EXPECT_EQ(slow.reply.wait(), 0);
  EXPECT_EQ(resize.wait(), -EINTR);
}

// As before, with an event that came at the last moment.
TEST_F(LostEventsTest, an_event_that_is_read_while_events_are_blocked_is_answered_first) {
  auto resized = kernel_.create_device(spec("resized"));
  ASSERT_TRUE(manager_.rescan());
  tell("resized", State::kRunning);
  kernel_.lose_events(true);
  auto resize = kernel_.reconfigure(resized, kernel::SizeChange{1 << 20});
  kernel_.lose_events(false);
  std::optional<test::FakeKernel::Added> late;
  when_blocked_ = [&] { late = kernel_.add_device(spec("late")); };
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return luns_.contains("late"); }));
  pass(20ms);
  EXPECT_FALSE(resize.replied());
  lun("late").answer(0);
  ASSERT_TRUE(until([&] { return resize.replied(); }));
  EXPECT_EQ(late->reply.wait(), 0);
  EXPECT_EQ(resize.wait(), -EINTR);
}

// A removal whose event was lost has the directory locked until the waiters are freed: the one must
// not wait for the other.
TEST_F(LostEventsTest, a_directory_that_is_locked_holds_nothing_up) {
  port_.lock("locked");
  kernel_.lose_events(true);
  auto locked = kernel_.add_device(spec("locked"));
  auto added = kernel_.add_device(spec("a"));
  kernel_.lose_events(false);
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return luns_.contains("a"); }));
  lun("a").answer(0);
  EXPECT_EQ(added.reply.wait(), 0);
  ASSERT_TRUE(until([&] { return locked.reply.replied(); }));
  EXPECT_EQ(locked.reply.wait(), -EINTR);
  port_.unlock_all();
  pass(50ms);  // what was read too late has no effect
  EXPECT_FALSE(luns_.contains("locked"));
}

TEST_F(LostEventsTest, events_that_are_lost_meanwhile_are_made_good_for_too) {
  kernel_.lose_events(true);
  auto first = kernel_.add_device(spec("first"));
  lost_events_.make_good();
  ASSERT_TRUE(until([&] { return luns_.contains("first"); }));
  auto second = kernel_.add_device(spec("second"));
  kernel_.lose_events(false);
  lost_ = true;  // to be noticed when events are blocked
  lun("first").answer(0);
  ASSERT_TRUE(until([&] { return luns_.contains("second"); }));
  lun("second").answer(0);
  EXPECT_EQ(first.reply.wait(), 0);
  EXPECT_EQ(second.reply.wait(), 0);
  ASSERT_TRUE(until([&] { return frees_ == 1; }));
  EXPECT_THAT(lun("first").calls, ElementsAre("add"));
}

TEST_F(LostEventsTest, at_the_end_nobody_is_left_waiting) {
  auto resized = kernel_.create_device(spec("resized"));
  kernel_.lose_events(true);
  auto resize = kernel_.reconfigure(resized, kernel::SizeChange{1 << 20});
  lost_events_.make_good();
  lost_events_.finish();
  EXPECT_EQ(resize.wait(), -EINTR);
}

TEST_F(LostEventsTest, without_lost_events_nobody_is_freed_at_the_end) {
  lost_events_.finish();
  EXPECT_EQ(frees_, 0);
}

}  // namespace
}  // namespace tcmud::control
