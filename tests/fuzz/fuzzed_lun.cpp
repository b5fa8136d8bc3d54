// SPDX-License-Identifier: Apache-2.0
#include "fuzz/fuzzed_lun.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/log.h"
#include "support/scsi_client.h"

namespace tcmud::test {
namespace {

constexpr uint64_t kBlock = DiskModel::kBlock;
constexpr uint16_t kGroups[] = {1, 2};
const std::string kFabric = "loopback/naa.6001405000000011/tpgt_1";

const Bytes kZeroAll{0x48, 0x01, 0, 0, 0, 0, 0, 0, 5, 0}, kZeroPattern{1, 0, 0, 1, 0};
const Bytes kFormat{0x04, 0, 0, 0, 0, 0};

// The NAA designator of VPD page 83h.
Bytes naa_of(FakeDevice& device) {
  const Bytes page = device.run(cdb::inquiry_vpd(0x83), {}, 255).data_in;
  for (size_t at = 4; at + 4 <= page.size(); at += size_t{4} + page[at + 3]) {
    if ((page[at + 1] & 0x3F) == 0x03) {
      return {page.begin() + static_cast<long>(at + 4),
              page.begin() + static_cast<long>(at + 4 + page[at + 3])};
    }
  }
  std::abort();
}

}  // namespace

FuzzedLun::FuzzedLun() : kernel_(abort_on_violation) {
  log::set_level(log::Level::kCritical);  // what is said of failures that are meant costs time
  control_.verdict = [this](const tcmud_request& request) { return verdict(request); };
  control_.model = RamControl::Model::kThreaded;  // so that there are threads at all
  // Several pieces of what is longer.
  control_.max_write_zeroes = 32 * kBlock;
  if (!registry_.add(ram_handler(control_))) {
    std::abort();
  }
  DeviceSpec spec;
  spec.dev_config = "ram/x";
  spec.bytes = kBlocks * kBlock;
  spec.max_sectors = DiskModel::kMaxTransfer;
  spec.drive = Drive::kManual;  // the fuzzer's thread plays the kernel: no hop more than needed
  device::Settings settings;
  settings.copies = std::make_shared<copy::CopyManager>();
  auto added = kernel_.add_device(spec);
  auto event = kernel_.next_event();
  device_ = std::make_unique<device::Device>(kernel_, registry_, settings, event->device,
                                             event->minor, nullptr);
  device_->add(std::move(event->reply));
  if (added.reply.wait() != 0) {
    std::abort();
  }
  fake_ = added.device;
  for (const uint16_t id : kGroups) {
    const std::string lun = "lun_" + std::to_string(id);
    const std::string statistics = kFabric + "/lun/" + lun + "/statistics/";
    kernel_.set_fabric_attribute(statistics + "scsi_port/indx", std::to_string(id));
    kernel_.set_fabric_attribute(statistics + "scsi_transport/proto_id", "6");
    fake_->add_port_group("group" + std::to_string(id), id, kFabric + "/" + lun + "\n");
  }
  naa_ = naa_of(*fake_);
}

DiskModel FuzzedLun::start_over() {
  std::map<uint16_t, uint8_t> states;
  for (const uint16_t id : kGroups) {
    states[id] = 0;
  }
  const std::lock_guard lock(control_.mutex);
  for (size_t i = 0; i < control_.data.size(); ++i) {
    control_.data[i] = static_cast<uint8_t>(i / kBlock + i % 7);
  }
  return {control_.data, CopyModel(naa_, tokens_left_), PortGroupModel(states)};
}

Bytes FuzzedLun::medium() {
  const std::lock_guard lock(control_.mutex);
  return control_.data;
}

Outcome FuzzedLun::wait(const Ticket& ticket) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (!ticket.ready() && std::chrono::steady_clock::now() < patience) {
    pause();
  }
  return ticket.wait();
}

void FuzzedLun::pause() {
  if (!fake_->process_kicks()) {
    std::this_thread::yield();
  }
}

void FuzzedLun::must_be_good(const Bytes& cdb, const Bytes& data_out) {
  if (const Outcome outcome = run(cdb, data_out); !outcome.good()) {
    std::fprintf(stderr, "the LUN can't be cleaned up: %s\n", outcome.describe().c_str());
    std::abort();
  }
}

void FuzzedLun::clean_up(const DiskModel& model) {
  end_later(false);
  if (model.needs_sanitize()) {
    must_be_good(kZeroAll, kZeroPattern);
  }
  if (model.modes_changed()) {
    reset_modes();
  }
  if (model.needs_format()) {
    must_be_good(kFormat);
  }
  if (model.has_tokens()) {  // every write ends those of its blocks
    must_be_good(cdb::write_same_10(0, kBlocks), Bytes(kBlock));
  }
  for (const CopyModel::Token& token : model.copies().tokens()) {
    tokens_left_ += token.ranges.empty() && !token.deleted;  // these live until their time is over
  }
  if (model.states_changed()) {
    Bytes list(4);
    for (const uint16_t id : kGroups) {
      list.insert(list.end(), {0, 0, 0, static_cast<uint8_t>(id)});
    }
    must_be_good({0xA4, 0x0A, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(list.size()), 0, 0}, list);
  }
}

// MODE SENSE's defaults by MODE SELECT: the write cache on, no write protection.
void FuzzedLun::reset_modes() {
  for (const uint8_t page : {0x08, 0x0A}) {
    Bytes sense = cdb::mode_sense_6(page);
    sense[1] |= 0x08;  // DBD
    sense[2] |= 0x80;  // default values
    const Outcome defaults = run(sense, {}, 255);
    Bytes list(defaults.data_in.begin(), defaults.data_in.begin() + 1 + defaults.data_in[0]);
    list[0] = list[2] = 0;
    must_be_good(cdb::mode_select_6(static_cast<uint8_t>(list.size())), list);
  }
}

void FuzzedLun::end_later(bool later) {
  control_.model = later ? RamControl::Model::kThreaded : RamControl::Model::kInline;
}

void FuzzedLun::let_work_end() {
  // Whatever was taken before it has been handed over when this one is answered.
  (void)run(cdb::inquiry(), {}, 36);
  while (control_.queued != 0) {
    pause();
  }
}

void FuzzedLun::let_fail(int number, int32_t status) {
  failed_ = false;
  status_ = status;
  left_ = number;
}

int32_t FuzzedLun::verdict(const tcmud_request& request) {
  {
    std::unique_lock lock(gate_);
    ++waiting_;
    opened_.wait(lock, [this] { return !shut_; });
    --waiting_;
  }
  if (left_ <= 0 || left_.fetch_sub(1) != 1) {
    return TCMUD_OK;
  }
  failed_ = true;
  return request.op == TCMUD_OP_READ ? TCMUD_READ_ERROR : status_.load();
}

void FuzzedLun::shut_gate() {
  const std::lock_guard lock(gate_);
  shut_ = true;
}

void FuzzedLun::open_gate() {
  const std::lock_guard lock(gate_);
  shut_ = false;
  opened_.notify_all();
}

bool FuzzedLun::somebody_waits() {
  const std::lock_guard lock(gate_);
  return shut_ && waiting_ > 0;
}

}  // namespace tcmud::test
