// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include <tcmud/handler.hpp>

namespace tcmud::api {
namespace {

std::vector<std::string> log_lines;
int alive = 0;

const tcmud_host kHost = {
    sizeof(tcmud_host),
    TCMUD_ABI,
    [](tcmud_request*, int32_t, uint64_t) {},
    [](tcmud_device*, int32_t, const char* line) { log_lines.emplace_back(line); },
    [](tcmud_device*, int32_t) {},
    [](const char*) -> const tcmud_handler* { return nullptr; },
    [](tcmud_device*, int32_t, const char* why) { log_lines.emplace_back(why); }};

// Does in each member what the path of its configuration says.
class Moody {
 public:
  static constexpr const char* subtype = "moody";
  static constexpr const char* description = "for tests";
  static constexpr const char* config_help = "moody/";
  struct Context {
    uint64_t counter;
  };

  static void act(std::string_view mood) {
    if (mood == "throw") {
      throw std::runtime_error("bad mood");
    }
    if (mood == "no memory") {
      throw std::bad_alloc();
    }
    if (mood == "throw a number") {
      throw 5;
    }
  }
  static std::optional<Refusal> check_config(const Config& config) {
    act(config.path);
    return config.path == "refuse" ? std::optional<Refusal>({ENOENT, "moody: refused"})
                                   : std::nullopt;
  }
  static Result<std::unique_ptr<Moody>> open(const OpenArgs& args) {
    if (auto refusal = check_config(args.config)) {
      return *refusal;
    }
    auto moody = std::make_unique<Moody>();
    if (!args.config.options.empty()) {
      moody->mood = args.config.options[0].key;
    }
    return moody;
  }
  Moody() { ++alive; }
  Moody(const Moody&) = delete;
  Moody& operator=(const Moody&) = delete;
  ~Moody() { --alive; }
  void get_props(tcmud_props& props) {
    act(mood);
    props.threads = 7;
  }
  int32_t submit(tcmud_request& request) {
    act(mood);
    ++context<Context>(request).counter;
    return TCMUD_QUEUED;
  }
  void flush_batch() { act(mood); }
  uint32_t reap() {
    act(mood);
    return 3;
  }
  void cancel(tcmud_request&) { act(mood); }
  std::optional<Refusal> resize(uint64_t size) {
    act(mood);
    return size == 0 ? std::optional<Refusal>({EINVAL, "moody: too small"}) : std::nullopt;
  }
  static const void* get_extension(const char* name, uint32_t) {
    act(name);
    return name;
  }

  std::string mood;
};

// The least that is a handler.
class Least {
 public:
  static constexpr const char* subtype = "least";
  static constexpr const char* description = "d";
  static constexpr const char* config_help = "h";
  static Result<std::unique_ptr<Least>> open(const OpenArgs&) { return std::make_unique<Least>(); }
  int32_t submit(tcmud_request&) { return TCMUD_OK; }
};

static_assert(Handler<Moody> && Handler<Least>);
static_assert(!Handler<int> && !Handler<std::string>);

constexpr tcmud_handler kMoody = Shim<Moody>::table();
constexpr tcmud_handler kLeast = Shim<Least>::table();

class Opened {
 public:
  explicit Opened(const tcmud_handler& handler, const char* path = "", const char* option = nullptr)
      : handler_(handler) {
    option_ = {option, ""};
    tcmud_open_args args{};
    args.size = sizeof(args);
    args.host = &kHost;
    args.name = "test";
    args.config = {sizeof(tcmud_config), option != nullptr ? 1u : 0u, path, &option_};
    args.lun_size = 12345;
    args.block_size = 512;
    result = handler.open(&args, &handle, why, sizeof(why));
  }
  ~Opened() {
    if (handle != nullptr) {
      handler_.close(handle);
    }
  }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  void* handle = nullptr;
  char why[64] = "";
  int32_t result;

 private:
  const tcmud_handler& handler_;
  tcmud_option option_;
};

TEST(HandlerHpp, members_that_a_class_lacks_are_null_in_its_table) {
  EXPECT_EQ(kLeast.check_config, nullptr);
  EXPECT_EQ(kLeast.flush_batch, nullptr);
  EXPECT_EQ(kLeast.reap, nullptr);
  EXPECT_EQ(kLeast.cancel, nullptr);
  EXPECT_EQ(kLeast.resize, nullptr);
  EXPECT_EQ(kLeast.get_extension, nullptr);
  EXPECT_EQ(kLeast.ctx_size, 0u);
  EXPECT_NE(kMoody.cancel, nullptr);
  EXPECT_EQ(kMoody.ctx_size, sizeof(Moody::Context));
  EXPECT_STREQ(kMoody.subtype, "moody");
  EXPECT_EQ(kMoody.abi, TCMUD_ABI);
}

TEST(HandlerHpp, properties_have_their_defaults_filled_in) {
  const Opened opened(kLeast);
  ASSERT_EQ(opened.result, 0);
  tcmud_props props{};
  props.size = sizeof(props);
  kLeast.get_props(opened.handle, &props);
  EXPECT_EQ(props.lun_size, 12345u);
  EXPECT_EQ(props.event_fd, -1);
  EXPECT_EQ(props.model, TCMUD_MODEL_ASYNC);
}

// A host that is older than the handler knows a shorter structure: nothing behind it may be
// written.
TEST(HandlerHpp, an_older_host_gets_no_byte_more_than_it_has) {
  const Opened opened(kMoody);
  union {
    tcmud_props props;
    unsigned char bytes[sizeof(tcmud_props)];
  } u;
  std::memset(u.bytes, 0xAB, sizeof(u.bytes));
  constexpr uint32_t kOld = offsetof(tcmud_props, physical_block_size);
  std::memset(u.bytes, 0, kOld);
  u.props.size = kOld;
  kMoody.get_props(opened.handle, &u.props);
  EXPECT_EQ(u.props.size, kOld);
  EXPECT_EQ(u.props.threads, 7u);
  for (size_t i = kOld; i < sizeof(u.bytes); ++i) {
    ASSERT_EQ(u.bytes[i], 0xAB) << i;
  }
}

TEST(HandlerHpp, a_refusal_arrives_as_negative_errno_and_reason) {
  const Opened refused(kMoody, "refuse");
  EXPECT_EQ(refused.result, -ENOENT);
  EXPECT_STREQ(refused.why, "moody: refused");
  EXPECT_EQ(refused.handle, nullptr);
  char why[8] = "";
  const tcmud_config config = {sizeof(config), 0, "refuse", nullptr};
  EXPECT_EQ(kMoody.check_config(&kHost, &config, why, sizeof(why)), -ENOENT);
  EXPECT_STREQ(why, "moody: ") << "cut to the room there is";
  EXPECT_EQ(kMoody.check_config(&kHost, &config, nullptr, 0), -ENOENT);
}

TEST(HandlerHpp, no_exception_leaves_a_cold_call) {
  EXPECT_EQ(Opened(kMoody, "throw").result, -EIO);
  EXPECT_NE(std::string(Opened(kMoody, "throw").why).find("bad mood"), std::string::npos);
  EXPECT_EQ(Opened(kMoody, "no memory").result, -ENOMEM);
  EXPECT_EQ(Opened(kMoody, "throw a number").result, -EIO);
  EXPECT_EQ(kMoody.get_extension("throw", 1), nullptr);
  const Opened opened(kMoody, "", "throw");
  char why[64] = "";
  EXPECT_EQ(kMoody.resize(opened.handle, 1, why, sizeof(why)), -EIO);
  EXPECT_EQ(kMoody.resize(Opened(kMoody).handle, 0, why, sizeof(why)), -EINVAL);
  EXPECT_STREQ(why, "moody: too small");
}

TEST(HandlerHpp, an_exception_from_submit_is_a_status) {
  tcmud_request request{};
  alignas(64) Moody::Context ctx{};
  request.ctx = &ctx;
  EXPECT_EQ(kMoody.submit(Opened(kMoody, "", "throw").handle, &request), TCMUD_INTERNAL);
  EXPECT_EQ(kMoody.submit(Opened(kMoody, "", "no memory").handle, &request), TCMUD_NO_RESOURCE);
  EXPECT_EQ(kMoody.submit(Opened(kMoody, "", "throw a number").handle, &request), TCMUD_INTERNAL);
  EXPECT_EQ(ctx.counter, 0u);
  EXPECT_EQ(kMoody.submit(Opened(kMoody).handle, &request), TCMUD_QUEUED);
  EXPECT_EQ(ctx.counter, 1u);
}

TEST(HandlerHpp, an_exception_from_what_cannot_fail_is_logged) {
  const Opened opened(kMoody, "", "throw");
  tcmud_request request{};
  log_lines.clear();
  kMoody.flush_batch(opened.handle);
  EXPECT_EQ(kMoody.reap(opened.handle), 0u);
  kMoody.cancel(opened.handle, &request);
  ASSERT_EQ(log_lines.size(), 3u);
  EXPECT_NE(log_lines[0].find("flush_batch"), std::string::npos);
  EXPECT_EQ(kMoody.reap(Opened(kMoody).handle), 3u);
}

TEST(HandlerHpp, close_destroys_what_open_made) {
  EXPECT_EQ(alive, 0);
  {
    const Opened opened(kMoody);
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST(HandlerHpp, bytes_are_parsed_exactly_or_not_at_all) {
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("512"), 512u);
  EXPECT_EQ(parse_bytes("4k"), 4096u);
  EXPECT_EQ(parse_bytes("4K"), 4096u);
  EXPECT_EQ(parse_bytes("2M"), 2u << 20);
  EXPECT_EQ(parse_bytes("3G"), 3ull << 30);
  EXPECT_EQ(parse_bytes("1T"), 1ull << 40);
  EXPECT_EQ(parse_bytes("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_bytes("16777215T"), 16777215ull << 40);
  for (const char* bad : {"", "k", "-1", "+1", " 1", "1 ", "1.5", "0x10", "1kk", "1m",
                          "18446744073709551616", "16777216T"}) {
    EXPECT_FALSE(parse_bytes(bad)) << bad;
  }
}

}  // namespace
}  // namespace tcmud::api
