// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "device/device.h"
#include "fuzz/disk_model.h"
#include "support/fake_kernel.h"
#include "unit/device/ram_handler.h"

namespace tcmud::test {

// A LUN behind the fake kernel, with all that the daemon gives one: copies, tokens, target port
// groups. One for all inputs, as what costs is to bring it up, and never destroyed. Its requests to
// the handler can be made to fail and to wait.
class FuzzedLun {
 public:
  using Bytes = std::vector<uint8_t>;
  static constexpr uint64_t kBlocks = 200;

  FuzzedLun();

  // As FakeDevice has them; but who waits looks again and again, as that is most of an input's
  // time.
  Ticket submit(const Bytes& cdb, const Bytes& data_out = {}, size_t data_in_length = 0) {
    return fake_->submit(cdb, data_out, data_in_length);
  }
  Outcome wait(const Ticket& ticket);
  Outcome run(const Bytes& cdb, const Bytes& data_out = {}, size_t data_in_length = 0) {
    return wait(submit(cdb, data_out, data_in_length));
  }
  // For those who wait for something: lets the kernel's part and others run.
  void pause();
  [[nodiscard]] size_t in_flight() const { return fake_->in_flight(); }

  // What the medium is at the beginning of each input.
  DiskModel start_over();
  Bytes medium();
  // Undoes what is left of an input beside the medium.
  void clean_up(const DiskModel& model);

  // Whether requests end while the engine submits them, or later, on other threads. Only while no
  // command is in flight.
  void end_later(bool later);
  // Returns when also that is done which was answered ahead of its work: a request of it that
  // failed would be taken for one of the next command's.
  void let_work_end();
  // The `number`th request from now on fails, the first one being 1; 0: none does.
  void let_fail(int number, int32_t status);
  // Has one failed since then?
  [[nodiscard]] bool has_failed() const { return failed_; }

  // While it is shut no request ends, and they have to end later.
  void shut_gate();
  void open_gate();
  [[nodiscard]] bool somebody_waits();

 private:
  int32_t verdict(const tcmud_request& request);
  void reset_modes();
  void must_be_good(const Bytes& cdb, const Bytes& data_out = {});

  RamControl control_;
  plugin::Registry registry_;
  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> fake_;
  std::unique_ptr<device::Device> device_;
  Bytes naa_;
  size_t tokens_left_ = 0;

  std::atomic<int> left_{0};
  std::atomic<int32_t> status_{0};
  std::atomic<bool> failed_{false};
  std::mutex gate_;
  std::condition_variable opened_;
  bool shut_ = false;
  int waiting_ = 0;
};

}  // namespace tcmud::test
