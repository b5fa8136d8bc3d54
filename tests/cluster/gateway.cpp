// SPDX-License-Identifier: Apache-2.0
#include "cluster/gateway.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/ceph_tools.h"
#include "cluster/gateway_wire.h"
#include "support/eventually.h"
#include "support/scsi_client.h"

namespace tcmud::test {
namespace {

Fd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof(address.sun_path) - 1));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    socket.reset();
  }
  return socket;
}

}  // namespace

Gateway::Gateway(const std::string& dev_config, uint64_t bytes, int group)
    : group_(group), socket_("/tmp/tcmud-" + unique_name("gateway")), log_(socket_ + ".log") {
  std::vector<std::string> words = {TCMUD_GATEWAY_SUBJECT, TCMUD_HANDLER_DIRECTORY, dev_config,
                                    std::to_string(bytes), std::to_string(group),   socket_};
  std::vector<char*> argv;
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log_.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  const int error = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::runtime_error(words[0] + ": " + std::strerror(error));
  }
  const bool up = eventually([this] { return connect_to(socket_).valid() || ended(); },
                             std::chrono::seconds(60));
  if (!up || !connect_to(socket_).valid()) {
    const std::string why = log();
    kill();
    ::unlink(log_.c_str());
    throw std::runtime_error("a gateway does not come up: " + why);
  }
}

Gateway::~Gateway() {
  (void)stop();
  ::unlink(socket_.c_str());
  ::unlink(log_.c_str());
}

bool Gateway::ended() const {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
}

void Gateway::reap() {
  if (pid_ <= 0) {
    return;
  }
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
}

// A process that is no more has the number -1, which to kill() means everybody.
void Gateway::signal(int number) const {
  if (pid_ > 0) {
    ::kill(pid_, number);
  }
}

void Gateway::kill() {
  signal(SIGKILL);
  reap();
}

// kill() returns when one thread has been told; the others may take a write or two until they
// stop.
void Gateway::pause() {
  signal(SIGSTOP);
  siginfo_t info{};
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WEXITED | WNOWAIT);
}

void Gateway::resume() {
  signal(SIGCONT);
}

bool Gateway::stop() {
  if (pid_ < 0) {
    return true;
  }
  signal(SIGTERM);
  signal(SIGCONT);
  int status = -1;
  if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; },
                  std::chrono::seconds(60))) {
    kill();
    return false;
  }
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string Gateway::log() const {
  std::ifstream in(log_);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

size_t Gateway::logged(const std::string& words) const {
  std::istringstream lines(log());
  std::string line;
  size_t count = 0;
  while (std::getline(lines, line)) {
    count += line.find(words) != std::string::npos ? 1 : 0;
  }
  return count;
}

Nexus::Nexus(const Gateway& gateway, std::chrono::milliseconds patience)
    : socket_(connect_to(gateway.socket())) {
  const timeval limit{patience.count() / 1000, patience.count() % 1000 * 1000};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

bool Nexus::send(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                 size_t data_in_length) {
  CommandHeader command;
  std::copy(cdb.begin(), cdb.end(), command.cdb.begin());
  command.cdb_length = static_cast<uint32_t>(cdb.size());
  command.out_length = static_cast<uint32_t>(data_out.size());
  command.in_length = static_cast<uint32_t>(data_in_length);
  return socket_.valid() && write_all(socket_.get(), &command, sizeof(command)) &&
         write_all(socket_.get(), data_out.data(), data_out.size());
}

std::optional<Outcome> Nexus::run(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out,
                                  size_t data_in_length) {
  AnswerHeader answer;
  Outcome outcome;
  if (send(cdb, data_out, data_in_length) && read_all(socket_.get(), &answer, sizeof(answer))) {
    outcome.answered = true;
    outcome.status = answer.status;
    outcome.sense = answer.sense;
    outcome.data_in.resize(answer.in_length);
    if (read_all(socket_.get(), outcome.data_in.data(), outcome.data_in.size())) {
      return outcome;
    }
  }
  socket_.reset();
  return std::nullopt;
}

std::optional<Outcome> Nexus::write(uint64_t lba, std::span<const uint8_t> data) {
  return run(cdb::write_16(lba, static_cast<uint32_t>(data.size() / 512)), data);
}

std::optional<Outcome> Nexus::read(uint64_t lba, uint32_t blocks) {
  return run(cdb::read_16(lba, blocks), {}, size_t{blocks} * 512);
}

void Nexus::send_write(uint64_t lba, std::span<const uint8_t> data) {
  (void)send(cdb::write_16(lba, static_cast<uint32_t>(data.size() / 512)), data, 0);
}

std::optional<int> Nexus::access_state(int group) {
  const auto outcome = run(cdb::report_target_port_groups(), {}, 4096);
  if (!outcome || !outcome->good()) {
    return std::nullopt;
  }
  const Bytes& list = outcome->data_in;
  for (size_t at = 4; at + 8 <= list.size();) {
    if ((list[at + 2] << 8 | list[at + 3]) == group) {
      return list[at] & 0x0f;
    }
    at += 8 + size_t{4} * list[at + 7];
  }
  return std::nullopt;
}

}  // namespace tcmud::test
