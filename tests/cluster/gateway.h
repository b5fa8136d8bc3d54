// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/fd.h"
#include "support/ticket.h"

namespace tcmud::test {

// A gateway host: gateway_subject in a process of its own.
class Gateway {
 public:
  // `group` is the target port group by which it is reached, 1 or 2.
  Gateway(const std::string& dev_config, uint64_t bytes, int group);
  ~Gateway();  // in an orderly way, if it is still there
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  void kill();   // as by a power failure
  void pause();  // it hangs
  void resume();
  // False: it did not end in time, or not well.
  bool stop();

  [[nodiscard]] const std::string& socket() const { return socket_; }
  // What it logged so far.
  [[nodiscard]] std::string log() const;
  // How often a line of it holds these words.
  [[nodiscard]] size_t logged(const std::string& words) const;
  [[nodiscard]] int group() const { return group_; }

 private:
  [[nodiscard]] bool ended() const;
  void reap();
  void signal(int number) const;

  const int group_;
  std::string socket_;
  std::string log_;
  pid_t pid_ = -1;
};

// An initiator's connection to a gateway: a command after the other.
class Nexus {
 public:
  // A gateway that says nothing for `patience` is given up.
  explicit Nexus(const Gateway& gateway,
                 std::chrono::milliseconds patience = std::chrono::seconds(60));

  // Nothing: the gateway has gone, or is silent; then there is nothing more to be had here.
  std::optional<Outcome> run(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out = {},
                             size_t data_in_length = 0);
  std::optional<Outcome> write(uint64_t lba, std::span<const uint8_t> data);
  std::optional<Outcome> read(uint64_t lba, uint32_t blocks);
  // Sends a write and waits for nothing.
  void send_write(uint64_t lba, std::span<const uint8_t> data);
  // The access state of that target port group, as REPORT TARGET PORT GROUPS tells it.
  std::optional<int> access_state(int group);
  [[nodiscard]] bool alive() const { return socket_.valid(); }

 private:
  bool send(std::span<const uint8_t> cdb, std::span<const uint8_t> data_out, size_t data_in_length);

  Fd socket_;
};

}  // namespace tcmud::test
