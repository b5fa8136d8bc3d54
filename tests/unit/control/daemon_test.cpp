// SPDX-License-Identifier: Apache-2.0
// The daemon as a whole: once as a program, as far as it gets without the kernel's part, and once
// in this process with a fake kernel and a real bus.
#include "control/daemon.h"

#include <deque>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/event_loop.h"
#include "support/eventually.h"
#include "support/fake_kernel.h"
#include "unit/dbus/private_bus.h"

namespace tcmud::control {
namespace {

using namespace std::chrono_literals;
using test::ChildProcess;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
  return test::eventually(std::move(condition), 20s);
}

class ProgramTest : public testing::Test {
 protected:
  // Never ends by itself but for what is tested.
  std::string run(std::vector<std::string> arguments, int expected_status,
                  const char* name = "tcmud") {
    arguments.insert(arguments.begin(), name);
    ChildProcess child(arguments, TCMUD_PROGRAM);
    EXPECT_EQ(child.wait(), expected_status);
    return child.output();
  }
  std::vector<std::string> places() {
    return {"--lock-file",    lock_.string(), "--config",
            config_.string(), "-l",           directory_.path().string()};
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path lock_ = directory_.path() / "lock";
  std::filesystem::path config_ = directory_.path() / "tcmu.conf";
};

TEST_F(ProgramTest, the_version_is_all_that_it_prints) {
  EXPECT_EQ(run({"--version"}, 0, "/usr/bin/tcmu-runner"), "tcmu-runner 1.6.2\n");
  EXPECT_THAT(run({"-V"}, 0), testing::MatchesRegex("tcmud [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(ProgramTest, help_is_printed) {
  EXPECT_THAT(run({"--help"}, 0), HasSubstr("--tcmu-log-dir"));
}

TEST_F(ProgramTest, a_second_one_is_refused_with_a_clear_message) {
  const Fd file(::open(lock_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  struct flock whole {};
  whole.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(file.get(), F_SETLK, &whole), 0);
  EXPECT_THAT(run(places(), 1),
              HasSubstr("already running (process " + std::to_string(::getpid()) + ")"));
  EXPECT_THAT(content_of(directory_.path() / "tcmu-runner.log"), HasSubstr("already running"));
}

TEST_F(ProgramTest, a_mistake_in_the_configuration_is_told_and_does_not_stop_it) {
  std::ofstream(config_) << "log_level = high\n";
  const auto said = run(places(), 1);  // for want of the kernel module
  EXPECT_THAT(
      said, HasSubstr(config_.string() +
                      ":1:13: log_level must be a number from 0 to 5; going on with the defaults"));
  EXPECT_THAT(said, HasSubstr("starting"));
}

// logrotate and cluster scripts send their signals by this name.
TEST_F(ProgramTest, called_tcmu_runner_it_is_called_so_in_the_process_list) {
  // A handler that can't be opened yet keeps the program where we can look at it.
  const auto wait = directory_.path() / "handler_wait.so";
  ASSERT_EQ(::mkfifo(wait.c_str(), 0600), 0);
  for (const auto& [name, expected] :
       {std::pair("/usr/bin/tcmu-runner", "tcmu-runner\n"), std::pair("anything", "tcmud\n")}) {
    auto arguments = places();
    arguments.insert(arguments.begin(), {name, "--handler-path", directory_.path().string()});
    ChildProcess child(arguments, TCMUD_PROGRAM);
    const Fd gate(::open(wait.c_str(), O_WRONLY | O_CLOEXEC));  // returns when the program is there
    EXPECT_EQ(content_of("/proc/" + std::to_string(child.pid()) + "/comm"), expected);
  }
}

// FakeKernel as the daemon's kernel.
class FakeEvents final : public EventStream {
 public:
  explicit FakeEvents(test::FakeKernel& kernel)
      : kernel_(kernel), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    kernel_.set_event_sink([this](kernel::Event event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
      ::eventfd_write(wake_.get(), 1);
    });
  }
  ~FakeEvents() override {
    kernel_.set_event_sink([](kernel::Event) {});
  }
  [[nodiscard]] int fd() const override { return wake_.get(); }
  Result<kernel::Netlink::Dispatched> dispatch(const kernel::EventHandler& handler) override {
    std::deque<kernel::Event> events;
    {
      const std::lock_guard lock(mutex_);
      eventfd_t count = 0;
      ::eventfd_read(wake_.get(), &count);
      events.swap(events_);
    }
    for (auto& event : events) {
      handler(std::move(event));
    }
    return lost_.exchange(false) ? kernel::Netlink::Dispatched::kLost
                                 : kernel::Netlink::Dispatched::kAll;
  }
  kernel::Reply reply_to_lost_added(uint32_t device_id) override {
    return kernel_.reply_to_lost_added(device_id);
  }
  // The receive buffer ran over.
  void lose() {
    lost_ = true;
    ::eventfd_write(wake_.get(), 1);
  }

 private:
  test::FakeKernel& kernel_;
  Fd wake_;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::deque<kernel::Event> events_;
};

// What systemd hears (sd_notify).
class Supervisor {
 public:
  explicit Supervisor(const std::filesystem::path& path)
      : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Supervisor() { ::unsetenv("NOTIFY_SOCKET"); }
  bool heard(const std::string& what) {
    char buffer[512];
    ssize_t got = 0;
    while ((got = ::recv(socket_.get(), buffer, sizeof buffer, 0)) > 0) {
      heard_ += std::string(buffer, static_cast<size_t>(got)) + "\n";
    }
    return heard_.find(what) != std::string::npos;
  }
  void forget() { heard_.clear(); }

 private:
  Fd socket_;
  std::string heard_;
};

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    block_signals();
    std::filesystem::create_directory(handlers_);
    for (const std::filesystem::path file : {TCMUD_HANDLER_NULL, TCMUD_HANDLER_HANG}) {
      std::filesystem::create_symlink(file, handlers_ / file.filename());
    }
  }
  ~DaemonTest() override {
    if (thread_.joinable()) {
      stop();
    }
    log::set_level(log::Level::kInfo);
  }

  void start(bool with_bus = true) {
    if (with_bus) {
      bus_.start();
    }
    Options options;
    options.config_file = config_;
    options.lock_file = directory_.path() / "lock";
    options.log_dir = directory_.path() / "log";
    options.handler_path = handlers_;
    thread_ = std::thread([this, options] {
      KernelLink link{kernel_,
                      [this]() -> Result<std::unique_ptr<EventStream>> {
                        auto events = std::make_unique<FakeEvents>(kernel_);
                        events_ = events.get();
                        return events;
                      },
                      [this](const std::function<bool()>& only_lost) -> Result<bool> {
                        return kernel_.free_waiters(only_lost);
                      }};
      Daemon daemon(options, std::move(link), {{10ms, 20ms, 1000ms}, 1000ms},
                    {20ms, 1000ms, 5ms, 20s}, lun_patience_);
      status_ = daemon.run();
    });
    ASSERT_TRUE(eventually([this] { return supervisor_.heard("READY=1"); })) << log();
  }
  int stop() {
    ::kill(::getpid(), SIGTERM);
    thread_.join();
    return status_;
  }
  std::string log() const { return content_of(directory_.path() / "log" / "tcmu-runner.log"); }
  bool logs(const std::string& text) const {
    return eventually([&] { return log().find(text) != std::string::npos; });
  }
  // As some user sees it on D-Bus.
  static std::string property(const std::string& object, const std::string& name) {
    ChildProcess client({"gdbus", "call", "--system", "--dest", "org.kernel.TCMUD1",
                         "--object-path", "/org/kernel/TCMUD1/devices/" + object, "--method",
                         "org.freedesktop.DBus.Properties.Get", "org.kernel.TCMUD1.Device", name});
    client.wait();
    return client.output();
  }
  static bool shows(const std::string& object, const std::string& name, const std::string& value) {
    return eventually([&] { return property(object, name) == "(<" + value + ">,)\n"; });
  }
  // What the handler "hang" waits for.
  [[nodiscard]] std::filesystem::path gate() const { return directory_.path() / "gate"; }
  void open_gate() const { std::ofstream{gate()}; }
  [[nodiscard]] test::DeviceSpec hanging(const std::string& name, const std::string& where) const {
    return spec(name, "hang/" + where + ";until=" + gate().string());
  }
  static test::DeviceSpec spec(const std::string& name, const std::string& config = "null/") {
    test::DeviceSpec spec;
    spec.name = name;
    spec.dev_config = config;
    return spec;
  }

  test::TemporaryDirectory directory_;
  std::filesystem::path config_ = directory_.path() / "tcmu.conf";
  std::filesystem::path handlers_ = directory_.path() / "handlers";
  Supervisor supervisor_{directory_.path() / "notify"};
  test::PrivateBus bus_;
  test::FakeKernel kernel_;
  FakeEvents* events_ = nullptr;  // the daemon's
  std::chrono::milliseconds lun_patience_ = DeviceManager::kPatience;
  std::thread thread_;
  int status_ = -1;
};

TEST_F(DaemonTest, it_is_ready_once_devices_are_adopted_and_the_name_is_owned) {
  const auto old = kernel_.create_device(spec("old"));
  start();
  ChildProcess client({"gdbus", "call", "--system", "--dest", "org.kernel.TCMUService1",
                       "--object-path", "/org/kernel/TCMUService1/null", "--method",
                       "org.kernel.TCMUService1.CheckConfig", "null/x"});
  EXPECT_EQ(client.wait(), 0);
  EXPECT_EQ(client.output(), "(true, 'success')\n");
  EXPECT_TRUE(logs("user_0/old: adopted"));
  EXPECT_EQ(stop(), 0);
  EXPECT_TRUE(supervisor_.heard("STOPPING=1"));
  EXPECT_FALSE(old->is_open());
}

TEST_F(DaemonTest, without_a_bus_it_serves_all_the_same) {
  start(false);
  auto added = kernel_.add_device(spec("a"));
  EXPECT_EQ(added.reply.wait(), 0);
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, devices_come_and_go) {
  start();
  for (int round = 0; round < 3; ++round) {
    auto first = kernel_.add_device(spec("a"));
    auto second = kernel_.add_device(spec("b"));
    EXPECT_EQ(first.reply.wait(), 0);
    EXPECT_EQ(second.reply.wait(), 0);
    EXPECT_EQ(kernel_.remove_device(first.device).wait(), 0);
    EXPECT_EQ(kernel_.remove_device(second.device).wait(), 0);
  }
  EXPECT_EQ(kernel_.add_device(spec("c", "nosuch/x")).reply.wait(), -ENOENT);
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, a_running_device_is_left_cleanly_at_the_end) {
  start();
  auto added = kernel_.add_device(spec("a"));
  ASSERT_EQ(added.reply.wait(), 0);
  EXPECT_EQ(stop(), 0);
  EXPECT_FALSE(added.device->is_open());
}

TEST_F(DaemonTest, after_lost_events_it_looks_for_itself) {
  start();
  auto gone = kernel_.add_device(spec("gone"));
  ASSERT_EQ(gone.reply.wait(), 0);
  kernel_.vanish(gone.device);
  const auto unseen = kernel_.create_device(spec("unseen"));
  events_->lose();
  EXPECT_TRUE(logs("user_0/unseen: adopted"));
  EXPECT_TRUE(logs("user_0/gone: removed"));
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, whose_event_was_lost_gets_an_answer_all_the_same) {
  start();
  auto resized = kernel_.add_device(spec("resized"));
  auto removed = kernel_.add_device(spec("removed"));
  ASSERT_EQ(resized.reply.wait(), 0);
  ASSERT_EQ(removed.reply.wait(), 0);
  kernel_.lose_events(true);
  std::vector<test::FakeKernel::Added> added;
  for (int i = 0; i < 10; ++i) {
    added.push_back(kernel_.add_device(spec("new" + std::to_string(i))));
  }
  auto refused = kernel_.add_device(spec("refused", "nosuch/x"));
  const auto resize = kernel_.reconfigure(resized.device, kernel::SizeChange{1 << 20});
  const auto removal = kernel_.remove_device(removed.device);
  kernel_.lose_events(false);
  events_->lose();
  for (auto& [device, reply] : added) {
    EXPECT_EQ(reply.wait(), 0);
    EXPECT_TRUE(device->is_open());
  }
  EXPECT_EQ(refused.reply.wait(), -ENOENT);
  EXPECT_EQ(resize.wait(), -EINTR);
  EXPECT_EQ(removal.wait(), -EINTR);
  EXPECT_TRUE(logs("user_0/removed: removed"));
  EXPECT_EQ(kernel_.reconfigure(resized.device, kernel::SizeChange{1 << 20}).wait(), 0);
  EXPECT_TRUE(logs("made good for"));
  // Not before: until then threads that may hang look at LUNs, and one that is being removed would
  // make them.
  for (auto& [device, reply] : added) {
    EXPECT_EQ(kernel_.remove_device(device).wait(), 0);
  }
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, the_watchdog_is_fed) {
  ::setenv("WATCHDOG_USEC", "40000", 1);
  start();
  EXPECT_TRUE(eventually([this] { return supervisor_.heard("WATCHDOG=1"); }));
  ::unsetenv("WATCHDOG_USEC");
  EXPECT_EQ(stop(), 0);
}

// A dead cluster must not keep the daemon from ending, nor end it in silence.
TEST_F(DaemonTest, a_lun_whose_handler_hangs_is_named_and_left_when_it_is_told_to_end_again) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        start(false);  // a dbus-daemon would survive the child, and keep its stderr open
        auto added = kernel_.add_device(spec("stuck", "hang/"));
        if (!logs("user_0/stuck: hanging in open")) {
          std::_Exit(77);
        }
        ::kill(::getpid(), SIGTERM);
        if (!logs("ending: finishing")) {
          std::_Exit(78);
        }
        ::kill(::getpid(), SIGTERM);
        thread_.join();
      },
      testing::ExitedWithCode(1), "ending without waiting for user_0/stuck");
}

// The same with a LUN that had been served: commands are answered, and then close hangs.
TEST_F(DaemonTest, a_handler_that_hangs_in_close_does_not_keep_the_daemon_from_ending) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        start(false);
        auto added = kernel_.add_device(spec("stuck", "hang/close"));
        if (added.reply.wait() != 0) {
          std::_Exit(76);
        }
        auto good = kernel_.add_device(spec("good"));
        if (good.reply.wait() != 0) {
          std::_Exit(77);
        }
        ::kill(::getpid(), SIGTERM);
        if (!logs("user_0/stuck: hanging in close")) {
          std::_Exit(78);
        }
        if (!eventually([&] { return !good.device->is_open(); })) {
          std::_Exit(79);
        }
        ::kill(::getpid(), SIGTERM);
        thread_.join();
      },
      testing::ExitedWithCode(1), "ending without waiting for user_0/stuck");
}

// A dead cluster: rmdir, and with it targetcli, hung until the cluster came back.
TEST_F(DaemonTest, a_removal_does_not_hang_in_close_and_costs_no_other_lun_anything) {
  lun_patience_ = 300ms;
  start();
  auto stuck = kernel_.add_device(hanging("stuck", "close"));
  auto good = kernel_.add_device(spec("good"));
  ASSERT_EQ(stuck.reply.wait(), 0);
  ASSERT_EQ(good.reply.wait(), 0);
  const auto begin = std::chrono::steady_clock::now();
  const auto removal = kernel_.remove_device(stuck.device);
  ASSERT_TRUE(logs("user_0/stuck: hanging in close"));
  // Everybody else meanwhile.
  EXPECT_EQ(kernel_.reconfigure(good.device, kernel::SizeChange{1 << 20}).wait(), 0);
  EXPECT_EQ(kernel_.remove_device(good.device).wait(), 0);
  auto other = kernel_.add_device(spec("other"));
  EXPECT_EQ(other.reply.wait(), 0);
  EXPECT_FALSE(removal.replied());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, lun_patience_);
  // Then it is enough.
  EXPECT_EQ(removal.wait(), 0);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, lun_patience_);
  EXPECT_TRUE(
      logs("user_0/stuck: handler hang has not let go of it for 300 ms (closing the "
           "backend); the kernel's device goes now"));
  EXPECT_TRUE(shows("0_stuck", "State", "'removing'"));
  EXPECT_TRUE(shows("0_stuck", "Task", "'closing the backend'"));
  EXPECT_TRUE(shows("0_stuck", "BackendState", "'slow'"));
  EXPECT_THAT(log(), Not(HasSubstr("user_0/stuck: removed")));
  // Its name is free again at once.
  auto again = kernel_.add_device(spec("stuck"));
  EXPECT_EQ(again.reply.wait(), 0);
  EXPECT_TRUE(shows("0_stuck", "State", "'running'"));
  open_gate();
  EXPECT_TRUE(logs("user_0/stuck: removed"));
  EXPECT_TRUE(shows("0_stuck", "State", "'running'"));
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, a_lun_that_closes_at_once_is_unmapped_when_the_removal_is_answered) {
  open_gate();
  start();
  auto added = kernel_.add_device(hanging("a", "close"));
  ASSERT_EQ(added.reply.wait(), 0);
  const auto removal = kernel_.remove_device(added.device);
  ASSERT_EQ(removal.wait(), 0);
  EXPECT_FALSE(added.device->is_open());
  EXPECT_EQ(stop(), 0);
}

// The strand is not even there to learn of the removal.
TEST_F(DaemonTest, a_removal_does_not_wait_for_an_adoption_that_hangs_in_open) {
  lun_patience_ = 100ms;
  const auto stuck = kernel_.create_device(hanging("stuck", "open"));
  start();
  ASSERT_TRUE(logs("user_0/stuck: not open after 100 ms (opening the backend): handler hang"));
  EXPECT_TRUE(shows("0_stuck", "State", "'opening'"));
  EXPECT_TRUE(shows("0_stuck", "Task", "'opening the backend'"));
  const auto removal = kernel_.remove_device(stuck);
  EXPECT_EQ(removal.wait(), 0);
  EXPECT_TRUE(
      logs("user_0/stuck: handler hang has not let go of it for 100 ms (opening the "
           "backend)"));
  open_gate();
  EXPECT_TRUE(logs("user_0/stuck: vanished while it was adopted"));
  EXPECT_TRUE(eventually(
      [] { return property("0_stuck", "State").find("UnknownObject") != std::string::npos; }));
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, whoever_is_on_the_bus_sees_luns_come_and_go) {
  const auto old = kernel_.create_device(spec("old"));
  start();
  EXPECT_TRUE(shows("0_old", "State", "'running'"));
  auto added = kernel_.add_device(spec("new"));
  ASSERT_EQ(added.reply.wait(), 0);
  EXPECT_TRUE(shows("0_new", "State", "'running'"));
  EXPECT_TRUE(shows("0_new", "BackendState", "'up'"));
  EXPECT_TRUE(shows("0_new", "LockState", "'none'"));
  EXPECT_TRUE(shows("0_new", "Name", "'user_0/new'"));
  EXPECT_TRUE(shows("0_new", "Handler", "'null'"));
  EXPECT_TRUE(shows("0_new", "BlockSize", "uint32 512"));
  EXPECT_TRUE(shows("0_new", "Size", "uint64 67108864"));
  EXPECT_EQ(kernel_.reconfigure(added.device, kernel::SizeChange{1 << 20}).wait(), 0);
  EXPECT_TRUE(shows("0_new", "Size", "uint64 1048576"));
  EXPECT_EQ(kernel_.remove_device(added.device).wait(), 0);
  EXPECT_TRUE(eventually(
      [] { return property("0_new", "State").find("UnknownObject") != std::string::npos; }));
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, a_lun_that_cant_be_opened_shows_why_and_when_it_is_tried_again) {
  const auto device = kernel_.create_device(spec("broken", "null/;poll_us=x"));
  start();
  EXPECT_TRUE(shows("0_broken", "State", "'retrying'"));
  EXPECT_THAT(property("0_broken", "StateReason"), HasSubstr("option poll_us=x: a number"));
  EXPECT_TRUE(eventually(
      [] { return property("0_broken", "RetryAt").find("uint64 0") == std::string::npos; }));
  EXPECT_EQ(kernel_.remove_device(device).wait(), 0);
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, a_changed_configuration_takes_effect_without_a_signal) {
  start();
  std::ofstream(config_) << "log_level = 5\nforeign_subtypes = [\"other\"]\nlog_dir = \""
                         << (directory_.path() / "moved").string() << "\"\n";
  ASSERT_TRUE(eventually([&] {
    return content_of(directory_.path() / "moved" / "tcmu-runner.log").find("read again") !=
           std::string::npos;
  }));
  EXPECT_EQ(log::level(), log::Level::kTrace);
  auto left = kernel_.add_device(spec("a", "other/x"));
  EXPECT_EQ(kernel_.add_device(spec("b", "nosuch/x")).reply.wait(), -ENOENT);
  EXPECT_FALSE(left.reply.replied());
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, a_mistake_in_a_changed_configuration_changes_nothing) {
  std::ofstream(config_) << "log_level = 4\n";
  start();
  std::ofstream(config_) << "log_level = 1\nlog_dir = 4\n";
  EXPECT_TRUE(logs(
      config_.string() +
      ":2:11: log_dir must be an absolute path in quotes; what was read before stays in force"));
  EXPECT_EQ(log::level(), log::Level::kDebug);
  EXPECT_EQ(stop(), 0);
}

TEST_F(DaemonTest, sighup_reopens_the_log_and_tells_systemd) {
  start();
  ASSERT_TRUE(logs("ready"));
  supervisor_.forget();
  std::filesystem::rename(directory_.path() / "log" / "tcmu-runner.log",
                          directory_.path() / "log" / "old");
  ::kill(::getpid(), SIGHUP);
  EXPECT_TRUE(eventually([this] { return supervisor_.heard("READY=1"); }));
  EXPECT_TRUE(supervisor_.heard("RELOADING=1"));
  EXPECT_TRUE(eventually(
      [this] { return std::filesystem::exists(directory_.path() / "log" / "tcmu-runner.log"); }));
  EXPECT_EQ(stop(), 0);
  EXPECT_THAT(log(), HasSubstr("ending"));
}

TEST_F(DaemonTest, a_kernel_that_cant_be_joined_ends_it_with_a_message) {
  Options options;
  options.config_file = config_;
  options.lock_file = directory_.path() / "lock";
  options.log_dir = directory_.path() / "log";
  options.handler_path = handlers_;
  KernelLink link{
      kernel_,
      []() -> Result<std::unique_ptr<EventStream>> { return fail(ENOENT, "no such module"); },
      nullptr};
  EXPECT_EQ(Daemon(options, link).run(), 1);
  EXPECT_THAT(log(), HasSubstr("[CRITICAL] no such module"));
}

}  // namespace
}  // namespace tcmud::control
