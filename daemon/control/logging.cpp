// SPDX-License-Identifier: Apache-2.0
#include "control/logging.h"

#include <mutex>

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include "control/log_output.h"

namespace tcmud::control {
namespace {

// Lines that may wait for the writer; each costs about 400 bytes, allocated once.
constexpr size_t kQueuedLines = 4096;

// Longer lines are cut. Below PIPE_BUF, so that a pipe that poll() finds writable takes a line
// without blocking.
constexpr size_t kMaxLine = 4000;

// What spdlog calls on the writer's thread; one thread alone, hence no mutex.
class Sink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  // `pool` is asked for the lines that it dropped.
  explicit Sink(spdlog::details::thread_pool& pool) : pool_(pool) {
    set_formatter_(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%d %H:%M:%S.%e %P %v"));
  }

  LogOutput& output() { return output_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    output_.open_if_asked();
    if (const size_t dropped = pool_.overrun_counter(); dropped != dropped_) {
      const std::string text = fmt::format(
          "[WARNING] {} lines were dropped: they came faster than they could be written",
          dropped - dropped_);
      dropped_ = dropped;
      put({message.logger_name, spdlog::level::warn, text});
    }
    put(message);
  }

  // Also called when nothing was logged, to have the file opened.
  void flush_() override { output_.open_if_asked(); }

 private:
  void put(const spdlog::details::log_msg& message) {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    output_.write({line.data(), line.size()});
  }

  spdlog::details::thread_pool& pool_;
  LogOutput output_{STDERR_FILENO};
  size_t dropped_ = 0;
};

// The logger in use. A sink of log.h is a plain function, so this is where it finds its logger.
// Each caller holds a share of it while it logs, so that one who is late does no harm.
std::mutex g_mutex;
std::shared_ptr<spdlog::async_logger> g_logger;  // guarded by g_mutex

std::shared_ptr<spdlog::async_logger> current_logger() {
  const std::lock_guard lock(g_mutex);
  return g_logger;
}

void set_logger(std::shared_ptr<spdlog::async_logger> logger) {
  const std::lock_guard lock(g_mutex);
  g_logger = std::move(logger);
}

spdlog::level::level_enum spdlog_level(log::Level level) {
  switch (level) {
    case log::Level::kCritical:
      return spdlog::level::critical;
    case log::Level::kError:
      return spdlog::level::err;
    case log::Level::kWarning:
      return spdlog::level::warn;
    case log::Level::kInfo:
      return spdlog::level::info;
    case log::Level::kDebug:
      return spdlog::level::debug;
    case log::Level::kTrace:
      break;
  }
  return spdlog::level::trace;
}

// One line: a name or a message from outside can't forge another.
void append_printable(spdlog::memory_buf_t& line, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    line.push_back(byte < 0x20 || byte == 0x7f ? ' ' : c);
  }
}

void submit(log::Level level, std::string_view device, std::string_view message) {
  const auto logger = current_logger();
  if (logger == nullptr) {
    return;
  }
  spdlog::memory_buf_t line;
  fmt::format_to(std::back_inserter(line), "[{}] ", to_string(level));
  if (!device.empty()) {
    append_printable(line, device);
    append_printable(line, ": ");
  }
  append_printable(line, message.substr(0, kMaxLine));
  if (line.size() > kMaxLine) {
    line.resize(kMaxLine);
  }
  logger->log(spdlog_level(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

const char* to_string(log::Level level) {
  switch (level) {
    case log::Level::kCritical:
      return "CRITICAL";
    case log::Level::kError:
      return "ERROR";
    case log::Level::kWarning:
      return "WARNING";
    case log::Level::kInfo:
      return "INFO";
    case log::Level::kDebug:
      return "DEBUG";
    case log::Level::kTrace:
      break;
  }
  return "TRACE";
}

struct Logging::Impl {
  // The pool's destructor writes what is queued, so it goes first.
  std::shared_ptr<Sink> sink;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
  std::filesystem::path file;
};

Logging::Logging() : impl_(std::make_unique<Impl>()) {
  impl_->pool = std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1);
  impl_->sink = std::make_shared<Sink>(*impl_->pool);
  impl_->logger = std::make_shared<spdlog::async_logger>(
      "tcmud", impl_->sink, impl_->pool, spdlog::async_overflow_policy::overrun_oldest);
  impl_->logger->set_level(spdlog::level::trace);  // log.h has chosen already
  set_logger(impl_->logger);
  log::set_sink(&submit);
}

Logging::~Logging() {
  log::set_sink(nullptr);
  set_logger(nullptr);
  // Waits for the writer. The logger holds the pool only weakly.
  impl_->pool.reset();
}

void Logging::set_directory(const std::filesystem::path& directory) {
  impl_->file = directory / kLogFileName;
  reopen();
}

void Logging::reopen() {
  if (!impl_->file.empty()) {
    impl_->sink->output().ask(impl_->file);
    impl_->logger->flush();
  }
}

}  // namespace tcmud::control
