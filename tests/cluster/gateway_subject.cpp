// SPDX-License-Identifier: Apache-2.0
//
// A gateway host for tests: a kernel (the fake one) with one LUN, and tcmud's part of the LUN, in a
// process that can be stopped and killed like a host.
//
//   gateway_subject HANDLER_DIRECTORY DEV_CONFIG BYTES GROUP SOCKET
//
// It is reached through target port group GROUP, 1 or 2; the other of the two belongs to another
// host. Initiators connect to SOCKET: what is said there is told in gateway.h.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "cluster/gateway_wire.h"
#include "device/device.h"
#include "plugin/registry.h"
#include "support/fake_kernel.h"

namespace {

using namespace tcmud;

[[noreturn]] void die(const std::string& why) {
  fmt::print(stderr, "gateway_subject: {}\n", why);
  std::_Exit(1);
}

void set_up_groups(test::FakeKernel& kernel, test::FakeDevice& device, int ours) {
  for (int group = 1; group <= 2; ++group) {
    const std::string portal = fmt::format("iscsi/iqn.2024-01.org.x:y/tpgt_{}", group);
    const std::string statistics = portal + "/lun/lun_0/statistics/";
    kernel.set_fabric_attribute(statistics + "scsi_port/indx", "1");
    kernel.set_fabric_attribute(statistics + "scsi_transport/proto_id", "5");
    kernel.set_fabric_attribute(portal + "/enable", group == ours ? "1" : "0");
    const std::string name = fmt::format("group{}", group);
    device.add_port_group(name, static_cast<uint16_t>(group),
                          fmt::format("iSCSI/iqn.2024-01.org.x:y/tpgt_{}/lun_0", group));
    device.set_attribute("alua/" + name + "/alua_access_type", "Implicit");
  }
}

// One initiator: a command after the other. What it sent is done even if it has gone meanwhile.
void serve(test::FakeDevice& device, const Fd& socket) {
  test::CommandHeader command;
  while (test::read_all(socket.get(), &command, sizeof(command))) {
    std::vector<uint8_t> data(command.out_length);
    if (!test::read_all(socket.get(), data.data(), data.size())) {
      return;
    }
    const test::Ticket ticket =
        device.submit({command.cdb.data(), command.cdb_length}, data, command.in_length);
    const test::Outcome& outcome = ticket.wait(std::chrono::hours(1));
    test::AnswerHeader answer;
    answer.status = outcome.status;
    answer.in_length = static_cast<uint32_t>(outcome.data_in.size());
    std::copy(outcome.sense.begin(), outcome.sense.end(), answer.sense.begin());
    if (!test::write_all(socket.get(), &answer, sizeof(answer)) ||
        !test::write_all(socket.get(), outcome.data_in.data(), outcome.data_in.size())) {
      return;
    }
  }
}

Fd listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    die(path + " is too long for a socket");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size());
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    die(path + ": " + std::strerror(errno));
  }
  return socket;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    fmt::print(stderr, "usage: {} HANDLER_DIRECTORY DEV_CONFIG BYTES GROUP SOCKET\n", argv[0]);
    return 2;
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody else ends us when the test crashes
  // Before any thread: they inherit the mask, and the signal waits for sigwait below.
  sigset_t end;
  sigemptyset(&end);
  sigaddset(&end, SIGTERM);
  sigprocmask(SIG_BLOCK, &end, nullptr);

  log::set_level(log::Level::kInfo);
  plugin::Registry registry;
  if (const auto loaded = registry.load_directory(argv[1]); !loaded) {
    die(loaded.error().message);
  }
  test::FakeKernel kernel(test::abort_on_violation);
  test::DeviceSpec spec;
  spec.dev_config = argv[2];
  spec.bytes = std::strtoull(argv[3], nullptr, 10);
  spec.kick_limit = std::chrono::hours(1);  // a test stops us
  auto added = kernel.add_device(spec);
  auto event = kernel.next_event();
  set_up_groups(kernel, *added.device, std::atoi(argv[4]));
  device::Device device(kernel, registry, device::Settings{}, event->device, event->minor, nullptr);
  device.add(std::move(event->reply));
  if (added.reply.wait(std::chrono::seconds(100)) != 0) {
    die("the LUN can't be opened");
  }

  const Fd socket = listen_at(argv[5]);
  std::thread([&socket, fake = added.device] {
    for (;;) {
      Fd initiator(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!initiator.valid()) {
        return;
      }
      std::thread([fake, initiator = std::move(initiator)] { serve(*fake, initiator); }).detach();
    }
  }).detach();

  int signal = 0;
  sigwait(&end, &signal);
  auto removed = kernel.remove_device(added.device);
  if (auto removal = kernel.next_event()) {
    device.remove(std::move(removal->reply));
  }
  if (removed.wait(std::chrono::seconds(100)) != 0) {
    die("the LUN can't be closed");
  }
  std::fflush(nullptr);
  std::_Exit(0);  // initiators' threads may still wait
}
