// SPDX-License-Identifier: Apache-2.0
#include "control/command_line.h"

#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace tcmud::control {
namespace {

// What tcmud stands in for. The features of this version are there.
constexpr std::string_view kRunnerVersion = "1.6.2";

// What tcmu-runner allowed.
constexpr uint64_t kMinNofile = 65536;
constexpr uint64_t kMaxNofile = 1048576;

constexpr std::string_view kDescription =
    "Serves the SCSI commands of LIO's user: backstores (TCM_USER2) through loadable handlers. "
    "Runs in the foreground.";

constexpr std::string_view kFooter =
    "Signals: SIGTERM and SIGINT end it, SIGHUP reopens the log and reads the configuration "
    "again.\n"
    "What the configuration file says of the log goes before the options; --handler-path goes "
    "before the file.";

}  // namespace

std::string_view program_name(std::string_view argv0) {
  const size_t slash = argv0.rfind('/');
  const std::string_view base = slash == std::string_view::npos ? argv0 : argv0.substr(slash + 1);
  return base == "tcmu-runner" ? "tcmu-runner" : "tcmud";
}

std::string version_line(std::string_view program) {
  return fmt::format("{} {}\n", program, program == "tcmu-runner" ? kRunnerVersion : TCMUD_VERSION);
}

std::variant<Options, Exit> parse_command_line(int argc, const char* const* argv) {
  const std::string program(program_name(argc > 0 ? argv[0] : ""));
  Options options;
  if (const char* directory = std::getenv("TCMU_LOGDIR");
      directory != nullptr && *directory != '\0') {
    options.log_dir = directory;
  }

  CLI::App app{std::string(kDescription), program};
  app.footer(std::string(kFooter));
  app.set_help_flag("-h,--help", "Print this help and exit");
  bool version = false;
  app.add_flag("-V,--version", version, "Print the version and exit");
  app.add_flag("-d,--debug", options.debug,
               "Log everything, unless the configuration file has a log_level");
  app.add_option("-f,--nofile", options.nofile, "Limit of open files (default: as many as allowed)")
      ->check(CLI::Range(kMinNofile, kMaxNofile))
      ->type_name("N");
  app.add_option("--handler-path", options.handler_path, "Directory of the handlers, handler_*.so")
      ->type_name("DIR");
  app.add_option("-l,--tcmu-log-dir", options.log_dir,
                 "Directory of tcmu-runner.log (default: $TCMU_LOGDIR or /var/log)")
      ->type_name("DIR");
  app.add_option("--config", options.config_file, "Configuration file")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--lock-file", options.lock_file, "Lock that keeps a second daemon away")
      ->type_name("FILE")
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Exit{EXIT_SUCCESS, app.help()};
  } catch (const CLI::ParseError& error) {
    return Exit{EXIT_FAILURE,
                fmt::format("{}: {}; see {} --help\n", program, error.what(), program)};
  }
  if (version) {
    return Exit{EXIT_SUCCESS, version_line(program)};
  }
  return options;
}

}  // namespace tcmud::control
