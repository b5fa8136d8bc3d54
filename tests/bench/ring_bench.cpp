// SPDX-License-Identifier: Apache-2.0
// One measurement of one subject on the fake kernel, in two processes: this one is the kernel and
// its initiators, the other the daemon. Prints one JSON object. scripts/bench runs many of these
// and compares.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "bench/inherited_node.h"
#include "bench/load.h"
#include "bench/subject_process.h"

namespace {

using namespace tcmud::bench;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr uint64_t kLeastCommands = 100;
constexpr std::chrono::milliseconds kBusyPause(5);

struct Options {
  LoadOptions load;
  std::string direction = "read";
  double warm_up = 0.1;
  double seconds = 0.5;
  uint32_t devices = 1;
  bool idle = false;
  std::string placement = "free";
  std::vector<std::string> subject;
};

Options parse(int argc, char** argv) {
  Options options;
  CLI::App app{"Measures one subject on the fake kernel."};
  app.add_option("--rw", options.direction, "read or write")
      ->check(CLI::IsMember({"read", "write"}));
  app.add_option("--bs", options.load.bytes, "bytes of each command");
  app.add_option("--qd", options.load.depth, "commands outstanding, per device");
  app.add_option("--lun-bytes", options.load.lun_bytes, "size of the LUN")->required();
  app.add_flag("!--no-verify", options.load.verify, "the subject keeps no data");
  app.add_option("--warm-up", options.warm_up, "seconds before the measurement");
  app.add_option("--seconds", options.seconds, "seconds of the measurement");
  app.add_option("--devices", options.devices, "devices at once");
  app.add_option(
         "--placement", options.placement,
         "apart: the kernel's side on the last CPU, the subject on the others; together: both "
         "on the last CPU; free: wherever the scheduler likes")
      ->check(CLI::IsMember({"apart", "together", "free"}));
  app.add_flag("--idle", options.idle, "measure the subject while nobody asks anything of it");
  app.add_option("subject", options.subject,
                 "the program; {nodes} in it becomes the list of devices")
      ->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  options.load.write = options.direction == "write";
  return options;
}

// From now on this thread, and what it starts, runs on CPUs `first` to `end` - 1.
void stay_on(int first, int end) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu = first; cpu < end; ++cpu) {
    CPU_SET(cpu, &set);
  }
  if (::sched_setaffinity(0, sizeof set, &set) != 0) {
    fmt::print(stderr, "CPUs {} to {} are not ours\n", first, end - 1);
    std::exit(1);
  }
}

class Bench {
 public:
  explicit Bench(const Options& options) : options_(options) {
    std::vector<InheritedNode> inherited;
    for (uint32_t i = 0; i < options.devices; ++i) {
      nodes_.push_back(std::make_unique<LoadedNode>(options.load, i + 1));
      nodes_.back()->ask_ready();
      inherited.push_back(nodes_.back()->inherited());
      polled_.push_back({nodes_.back()->kick_poll_fd(), POLLIN, 0});
    }
    std::vector<std::string> arguments = options.subject;
    for (std::string& argument : arguments) {
      if (argument == "{nodes}") {
        argument = to_argument(inherited);
      }
    }
    const auto begin = Clock::now();
    const auto cpus = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
    const bool apart = options.placement == "apart" && cpus > 1;
    if (apart || options.placement == "together") {
      stay_on(apart ? 0 : cpus - 1, apart ? cpus - 1 : cpus);  // inherited
    }
    subject_ = std::make_unique<SubjectProcess>(arguments);
    if (apart) {
      stay_on(cpus - 1, cpus);
    }
    for (auto& node : nodes_) {
      node->release_inherited();
    }
    turn_until([&] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](auto& node) { return node->is_ready(); });
    });
    up_ = Clock::now() - begin;
  }

  nlohmann::json idle() {
    turn_for(options_.warm_up);
    const ProcessUsage before = subject_->usage();
    turn_for(options_.seconds);
    const ProcessUsage after = subject_->usage();
    return {{"up_ms", up_.count() * 1e3},
            {"cpu_us_per_s",
             static_cast<double>(after.cpu_ns - before.cpu_ns) / 1e3 / options_.seconds},
            {"ctx_per_s", static_cast<double>(after.context_switches - before.context_switches) /
                              options_.seconds},
            {"threads", after.threads},
            {"rss_kib", after.rss_kib}};
  }

  nlohmann::json load() {
    if (options_.load.write) {
      get_locks();
    }
    for (auto& node : nodes_) {
      node->start();
    }
    turn_for(options_.warm_up);
    const auto begin = Clock::now();
    const uint64_t others_before = machine_cpu_ns() - own_cpu_ns();
    const ProcessUsage before = subject_->usage();
    const uint64_t completed_before = completed();
    turn_for(options_.seconds);
    // On a starved machine longer: a ratio of two handfuls says nothing.
    turn_until([&] { return completed() - completed_before >= kLeastCommands; });
    const uint64_t commands = completed() - completed_before;
    const ProcessUsage after = subject_->usage();
    const Seconds seconds = Clock::now() - begin;
    const uint64_t others = machine_cpu_ns() - own_cpu_ns() - others_before;
    const double foreign =
        static_cast<double>(others) - static_cast<double>(after.cpu_ns - before.cpu_ns);
    for (auto& node : nodes_) {
      node->stop();
    }
    turn_until([&] {
      return std::all_of(nodes_.begin(), nodes_.end(), [](auto& node) { return node->idle(); });
    });
    const double per_command = 1 / static_cast<double>(std::max<uint64_t>(commands, 1));
    return {{"commands", commands},
            {"kiops", static_cast<double>(commands) / seconds.count() / 1e3},
            {"mbps", static_cast<double>(commands) * options_.load.bytes / seconds.count() / 1e6},
            {"cpu_ns", static_cast<double>(after.cpu_ns - before.cpu_ns) * per_command},
            {"ctx",
             static_cast<double>(after.context_switches - before.context_switches) * per_command},
            {"io_syscalls",
             static_cast<double>(after.io_system_calls - before.io_system_calls) * per_command},
            {"foreign_cpus", std::max(0.0, foreign / 1e9 / seconds.count())},
            {"threads", after.threads},
            {"rss_kib", after.rss_kib}};
  }

 private:
  // Initiators repeat what was answered with BUSY, but it is not what is to be measured.
  void get_locks() {
    for (auto& node : nodes_) {
      node->ask_write();
    }
    turn_until([&] {
      bool all = true;
      for (auto& node : nodes_) {
        if (node->take_busy()) {
          std::this_thread::sleep_for(kBusyPause);
          node->ask_write();
        }
        all &= node->is_written();
      }
      return all;
    });
  }

  // One look at every device; sleeps when there was nothing, but not past `end`.
  void turn(Clock::time_point end) {
    bool kicked = false;
    for (auto& node : nodes_) {
      kicked |= node->turn();
    }
    if (kicked) {
      return;
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    ::poll(polled_.data(), polled_.size(), static_cast<int>(std::clamp<int64_t>(left, 0, 100)));
    for (const pollfd& poll : polled_) {
      if ((poll.revents & POLLHUP) != 0) {
        fmt::print(stderr, "the subject has closed its device\n");
        std::exit(1);
      }
    }
  }

  void turn_for(double seconds) {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(seconds));
    while (Clock::now() < end) {
      turn(end);
    }
  }

  template <class Condition>
  void turn_until(Condition condition) {
    const auto end = Clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      turn(end);
      if (Clock::now() > end || !subject_->running()) {
        fmt::print(stderr, "the subject {}\n",
                   subject_->running() ? "does not answer" : "has ended");
        std::exit(1);
      }
    }
  }

  [[nodiscard]] uint64_t completed() const {
    uint64_t sum = 0;
    for (const auto& node : nodes_) {
      sum += node->completed();
    }
    return sum;
  }

  const Options options_;
  std::vector<std::unique_ptr<LoadedNode>> nodes_;
  std::vector<pollfd> polled_;
  std::unique_ptr<SubjectProcess> subject_;
  Seconds up_{};
};

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  Bench bench(options);
  const nlohmann::json result = options.idle ? bench.idle() : bench.load();
  fmt::print("{}\n", result.dump());
  return 0;
}
