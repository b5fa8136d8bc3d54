// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "support/kernel_ring.h"

namespace tcmud::test {

// How a command ended, as its initiator sees it.
struct Outcome {
  bool answered = false;
  uint8_t status = 0xff;
  std::array<uint8_t, kSenseBytes> sense{};
  std::vector<uint8_t> data_in;  // what was delivered
  uint32_t residual = 0;         // bytes of expected data-in that were not

  [[nodiscard]] bool good() const { return answered && status == kStatusGood; }
  // Fixed (70h, 71h) and descriptor format (72h, 73h), SPC-5 4.4; 0 where there is no sense data.
  [[nodiscard]] uint8_t sense_key() const;
  [[nodiscard]] uint8_t asc() const;
  [[nodiscard]] uint8_t ascq() const;
  // CHECK CONDITION with exactly this.
  [[nodiscard]] bool check(uint8_t key, uint8_t code, uint8_t qualifier) const {
    return answered && status == kStatusCheckCondition && sense_key() == key && asc() == code &&
           ascq() == qualifier;
  }
  // "GOOD", "BUSY", "CHECK CONDITION 05/24/00": for messages of tests.
  [[nodiscard]] std::string describe() const;
};

// A command on its way. Copies stand for the same command.
class Ticket {
 public:
  Ticket() = default;

  // Until the command is answered. An answer that does not come within the limit is a violation
  // (kNoAnswer).
  const Outcome& wait(std::chrono::milliseconds limit = std::chrono::seconds(20)) const;
  [[nodiscard]] bool ready() const;
  [[nodiscard]] CommandTag tag() const;

 private:
  friend class FakeDevice;
  struct State {
    CommandTag tag = 0;
    std::vector<uint8_t> cdb;
    std::vector<uint8_t> data_out;
    std::function<void()> pump;     // manual drive: lets the kernel's part run for a moment
    std::function<void()> overdue;  // records the violation
    std::mutex mutex;
    std::condition_variable changed;
    Outcome outcome;  // written before `done`, read after it
    bool done = false;
  };
  explicit Ticket(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

}  // namespace tcmud::test
