// SPDX-License-Identifier: Apache-2.0
#include "dbus/service.h"

#include <cstring>
#include <fstream>
#include <latch>
#include <regex>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "unit/dbus/bus_fixture.h"

namespace tcmud::dbus {
namespace {

using namespace std::chrono_literals;
using control::EventLoop;
using test::ChildProcess;
using test::PrivateBus;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

// What the handler "slow" waits for.
std::latch* g_gate = nullptr;

int32_t check_config(const tcmud_host*, const tcmud_config* config, char* why, size_t why_size) {
  if (std::strcmp(config->path, "wait") == 0) {
    g_gate->wait();
  }
  if (std::strcmp(config->path, "bad") == 0) {
    std::strncpy(why, "bad is bad", why_size);
    return -EINVAL;
  }
  return 0;
}

tcmud_handler make_handler(const char* subtype, const char* help) {
  tcmud_handler handler{};
  handler.size = sizeof handler;
  handler.abi = TCMUD_ABI;
  handler.subtype = subtype;
  handler.description = "a test's";
  handler.config_help = help;
  handler.check_config = check_config;
  handler.open = [](const tcmud_open_args*, void**, char*, size_t) -> int32_t { return -ENOSYS; };
  handler.get_props = [](void*, tcmud_props*) {};
  handler.submit = [](void*, tcmud_request*) -> int32_t { return TCMUD_INTERNAL; };
  handler.close = [](void*) {};
  return handler;
}

class ServiceTest : public test::BusTest {
 protected:
  explicit ServiceTest(const char* rules = PrivateBus::kEverythingAllowed) : BusTest(rules) {
    EXPECT_TRUE(handlers_.add(make_handler("rbd", "pool/image")));
    EXPECT_TRUE(handlers_.add(make_handler("qcow", "/path of an image")));
  }

  // Until the service says that it is as far as it gets for now.
  void start() {
    bool settled = false;
    service_.emplace(*loop_, handlers_, Service::Timing{{5ms, 20ms, 2000ms}, 150ms});
    service_->start([&settled] { settled = true; });
    turn_until([&settled] { return settled; });
  }
  std::string call(const std::string& object, const std::string& method,
                   const std::vector<std::string>& arguments = {}) {
    return run(gdbus_call(kBusName, object, method, arguments));
  }
  std::string check(const std::string& subtype, const std::string& config) {
    return call(kRootPath + ("/" + subtype), "org.kernel.TCMUService1.CheckConfig", {config});
  }
  std::string introspect(const std::string& object) {
    return run({"gdbus", "introspect", "--system", "--dest", kBusName, "--object-path", object});
  }

  plugin::Registry handlers_;
  std::optional<Service> service_;
};

// Names of the interfaces or child nodes in gdbus's rendering.
std::set<std::string> names(const std::string& text, const std::string& kind) {
  const std::regex pattern("^ +" + kind + " (\\S+) \\{", std::regex::multiline);
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
    found.insert((*it)[1]);
  }
  return found;
}

// The interface of a handler, as gdbus shows it.
std::string interface_of(const std::string& text) {
  const size_t begin = text.find("  interface org.kernel.TCMUService1 {");
  return begin == std::string::npos ? "" : text.substr(begin, text.find("  };", begin) + 4 - begin);
}

TEST_F(ServiceTest, managed_objects_are_the_handlers_and_nothing_else) {
  bus_.start();
  start();
  EXPECT_EQ(call(kRootPath, "org.freedesktop.DBus.ObjectManager.GetManagedObjects"),
            "({objectpath '/org/kernel/TCMUService1/qcow': {'org.kernel.TCMUService1': "
            "{'ConfigDesc': <'/path of an image'>}}, "
            "'/org/kernel/TCMUService1/rbd': {'org.kernel.TCMUService1': {'ConfigDesc': "
            "<'pool/image'>}}},)\n");
}

TEST_F(ServiceTest, root_introspects_as_an_object_manager_with_a_child_per_handler) {
  bus_.start();
  start();
  const std::string text = introspect(kRootPath);
  EXPECT_THAT(
      names(text, "interface"),
      ElementsAre("org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.ObjectManager",
                  "org.freedesktop.DBus.Peer", "org.freedesktop.DBus.Properties"));
  EXPECT_THAT(names(text, "node"), ElementsAre("qcow", "rbd"));
}

TEST_F(ServiceTest, handler_introspects_as_the_xml_file_says) {
  bus_.start();
  start();
  const std::string text = introspect("/org/kernel/TCMUService1/rbd");
  EXPECT_THAT(names(text, "interface"),
              ElementsAre("org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer",
                          "org.freedesktop.DBus.Properties", "org.kernel.TCMUService1"));
  EXPECT_EQ(interface_of(text),
            "  interface org.kernel.TCMUService1 {\n"
            "    methods:\n"
            "      CheckConfig(in  s configstr,\n"
            "                  out b is_valid,\n"
            "                  out s message);\n"
            "    signals:\n"
            "    properties:\n"
            "      readonly s ConfigDesc = 'pool/image';\n"
            "  };");

  // The XML is for client generators; a client made from it must fit.
  std::ifstream file(TCMUD_SOURCE_DIR "/dbus/org.kernel.TCMUService1.xml");
  std::stringstream xml;
  xml << file.rdbuf();
  const auto live = run({"gdbus", "introspect", "--system", "--dest", kBusName, "--object-path",
                         "/org/kernel/TCMUService1/rbd", "--xml"});
  for (const char* part : {R"(<property name="ConfigDesc" type="s" access="read")",
                           R"(<method name="CheckConfig">)"}) {
    EXPECT_THAT(xml.str(), HasSubstr(part));
    EXPECT_THAT(live, HasSubstr(part));
  }
}

TEST_F(ServiceTest, check_config_says_success_or_the_handlers_reason) {
  bus_.start();
  start();
  EXPECT_EQ(check("rbd", "rbd/pool/image"), "(true, 'success')\n");
  EXPECT_EQ(check("rbd", "rbd/bad"), "(false, 'bad is bad')\n");
}

TEST_F(ServiceTest, check_config_refuses_what_belongs_to_another_handler) {
  bus_.start();
  start();
  EXPECT_EQ(check("rbd", "qcow/image"), "(false, '\"qcow/image\" does not begin with rbd/')\n");
  EXPECT_EQ(check("rbd", "rbdx/image"), "(false, '\"rbdx/image\" does not begin with rbd/')\n");
  EXPECT_THAT(check("rbd", ""), StartsWith("(false"));
}

// tcmu-runner's main loop stood still for up to 25 s here.
TEST_F(ServiceTest, a_handler_that_hangs_in_check_config_delays_nobody_and_is_answered_for) {
  bus_.start();
  start();
  std::latch gate(1);
  g_gate = &gate;
  ChildProcess waiting({"gdbus", "call", "--system", "--dest", kBusName, "--object-path",
                        "/org/kernel/TCMUService1/rbd", "--method",
                        "org.kernel.TCMUService1.CheckConfig", "rbd/wait"});
  turn_until([this] { return service_->busy(); });
  EXPECT_EQ(check("rbd", "rbd/pool/image"), "(true, 'success')\n");
  waiting.wait([this] { turn(); });
  EXPECT_EQ(waiting.output(), "(false, 'the handler gave no answer in time')\n");
  EXPECT_TRUE(service_->busy());
  gate.count_down();
  turn_until([this] { return !service_->busy(); });
}

TEST_F(ServiceTest, unknown_objects_and_methods_are_errors) {
  bus_.start();
  start();
  EXPECT_THAT(check("zbc", "zbc/x"), HasSubstr("UnknownObject"));
  EXPECT_THAT(call("/org/kernel/TCMUService1/rbd", "org.kernel.TCMUService1.ChangeMedium"),
              HasSubstr("UnknownMethod"));
}

TEST_F(ServiceTest, without_a_bus_it_settles_at_once_and_takes_the_bus_that_comes_later) {
  start();
  EXPECT_FALSE(service_->owns_name());
  bus_.start();
  turn_until([this] { return service_->owns_name(); });
  EXPECT_EQ(check("rbd", "rbd/pool/image"), "(true, 'success')\n");
}

TEST_F(ServiceTest, the_name_is_owned_again_after_the_bus_restarted) {
  bus_.start();
  start();
  ASSERT_TRUE(service_->owns_name());
  for (int i = 0; i < 2; ++i) {
    bus_.stop();
    turn_until([this] { return !service_->owns_name(); });
    bus_.start();
    turn_until([this] { return service_->owns_name(); });
    EXPECT_EQ(check("rbd", "rbd/pool/image"), "(true, 'success')\n");
  }
}

TEST_F(ServiceTest, a_name_that_another_has_is_taken_when_that_one_goes) {
  bus_.start();
  auto other_loop = std::move(*EventLoop::create());
  bool settled = false;
  std::optional<Service> other;
  other.emplace(*other_loop, handlers_, Service::Timing{});
  other->start([&settled] { settled = true; });
  while (!settled) {
    sd_event_run(other_loop->get(), 2000);
  }
  ASSERT_TRUE(other->owns_name());
  start();
  EXPECT_FALSE(service_->owns_name());
  other.reset();
  turn_until([this] { return service_->owns_name(); });
}

TEST_F(ServiceTest, a_handler_whose_name_fits_no_object_path_is_left_out) {
  ASSERT_TRUE(handlers_.add(make_handler("my-disk", "")));
  bus_.start();
  start();
  EXPECT_THAT(call(kRootPath, "org.freedesktop.DBus.ObjectManager.GetManagedObjects"),
              Not(HasSubstr("my-disk")));
  EXPECT_TRUE(service_->owns_name());
}

// The bus with the rules of a system bus and our own policy file.
class PolicyTest : public ServiceTest {
 protected:
  PolicyTest() : ServiceTest(rules().c_str()) {}
  static std::string rules() {
    return std::string(PrivateBus::kSystemRules) + "<include>" TCMUD_SOURCE_DIR
                                                   "/dbus/org.kernel.TCMUService1.conf</include>";
  }
};

TEST_F(PolicyTest, root_may_own_the_name_and_call_others_may_not_even_look) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "takes root to be root and somebody else";
  }
  bus_.start();
  start();
  ASSERT_TRUE(service_->owns_name());
  EXPECT_EQ(check("rbd", "rbd/pool/image"), "(true, 'success')\n");
  for (const char* method :
       {"org.kernel.TCMUService1.CheckConfig", "org.freedesktop.DBus.Introspectable.Introspect"}) {
    EXPECT_THAT(run(as_nobody(gdbus_call(kBusName, "/org/kernel/TCMUService1/rbd", method))),
                HasSubstr("AccessDenied"))
        << method;
  }
}

}  // namespace
}  // namespace tcmud::dbus
