// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace tcmud::control {

// What the command line (and TCMU_LOGDIR) asks for.
struct Options {
  bool debug = false;
  std::optional<uint64_t> nofile;
  std::optional<std::filesystem::path> handler_path;
  std::optional<std::filesystem::path> log_dir;
  std::filesystem::path config_file = "/etc/tcmu/tcmu.conf";
  std::filesystem::path lock_file = "/run/tcmu.lock";
};

// Nothing to run: help, the version, or a complaint.
struct Exit {
  int status = 0;
  std::string output;  // with its newline
};

// tcmu-runner's options and our own. Nothing is opened, logged or created.
std::variant<Options, Exit> parse_command_line(int argc, const char* const* argv);

// How the program was called: "tcmu-runner", where it has to look like that one in every way, or
// "tcmud".
[[nodiscard]] std::string_view program_name(std::string_view argv0);

// "tcmu-runner 1.6.2" or "tcmud 0.1.0". gluster-block takes the last word, and wants 1.5.0 or more
// of tcmu-runner.
[[nodiscard]] std::string version_line(std::string_view program);

}  // namespace tcmud::control
