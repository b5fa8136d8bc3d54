// SPDX-License-Identifier: Apache-2.0
//
// tcmud: serves LIO's user: backstores. See control/daemon.h for what it is made of.

#include <cstdio>

#include <sys/prctl.h>

#include "control/command_line.h"
#include "control/daemon.h"
#include "control/event_loop.h"
#include "control/kernel_link.h"
#include "kernel/linux_kernel.h"

int main(int argc, char** argv) {
  using namespace tcmud;
  auto parsed = control::parse_command_line(argc, argv);
  if (const auto* exit = std::get_if<control::Exit>(&parsed)) {
    std::fputs(exit->output.c_str(), exit->status == 0 ? stdout : stderr);
    return exit->status;
  }
  if (control::program_name(argv[0]) == "tcmu-runner") {
    prctl(PR_SET_NAME, "tcmu-runner");  // logrotate and cluster scripts look for this name
  }
  control::block_signals();  // before there is any thread
  kernel::LinuxKernel kernel;
  control::Daemon daemon(std::move(std::get<control::Options>(parsed)), control::link_to(kernel));
  return daemon.run();
}
