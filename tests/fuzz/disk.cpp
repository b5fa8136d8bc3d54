// SPDX-License-Identifier: Apache-2.0
// A whole LUN behind the fake kernel, and commands of every operation code with any data: each is
// answered exactly once, the answer is right, and the medium is what a flat model of it is. What an
// input leaves behind does not reach the next one.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/bytes.h"
#include "device/device.h"
#include "fuzz/disk_model.h"
#include "scsi/command_table.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"
#include "unit/device/ram_handler.h"

namespace {

using namespace tcmud;
using namespace tcmud::test;

constexpr uint64_t kBlocks = 200;
constexpr size_t kBlock = DiskModel::kBlock;

void store(std::vector<uint8_t>& cdb, scsi::Field field, uint64_t value) {
  for (size_t i = 0; i < field.width; ++i) {
    cdb[field.offset + i] = static_cast<uint8_t>(value >> 8 * (field.width - 1 - i));
  }
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), left_(size) {}
  [[nodiscard]] bool empty() const { return left_ == 0; }
  uint8_t byte() {
    if (left_ == 0) {
      return 0;
    }
    --left_;
    return *data_++;
  }

 private:
  const uint8_t* data_;
  size_t left_;
};

// One LUN for all inputs: what costs is to bring it up.
class Lun {
 public:
  Lun() : kernel_(abort_on_violation) {
    if (!registry_.add(ram_handler(control_))) {
      std::abort();
    }
    DeviceSpec spec;
    spec.dev_config = "ram/x";
    spec.bytes = kBlocks * kBlock;
    spec.drive =
        Drive::kManual;  // the fuzzer's thread plays the kernel: no hop more than there must be
    auto added = kernel_.add_device(spec);
    auto event = kernel_.next_event();
    device_ = std::make_unique<device::Device>(kernel_, registry_, device::Settings{},
                                               event->device, event->minor, nullptr);
    device_->add(std::move(event->reply));
    if (added.reply.wait() != 0) {
      std::abort();
    }
    fake_ = added.device;
  }

  FakeDevice& fake() { return *fake_; }

  std::vector<uint8_t> start_over() {
    const std::lock_guard lock(control_.mutex);
    for (size_t i = 0; i < control_.data.size(); ++i) {
      control_.data[i] = static_cast<uint8_t>(i / kBlock + i % 7);
    }
    return control_.data;
  }
  bool is(const std::vector<uint8_t>& medium) {
    const std::lock_guard lock(control_.mutex);
    return control_.data == medium;
  }

  // MODE SENSE's defaults by MODE SELECT: the write cache on, no write protection.
  void reset_modes() {
    for (const uint8_t page : {0x08, 0x0A}) {
      std::vector<uint8_t> sense = cdb::mode_sense_6(page);
      sense[1] |= 0x08;  // DBD
      sense[2] |= 0x80;  // default values
      Outcome defaults = fake_->run(sense, {}, 255);
      std::vector<uint8_t> list(defaults.data_in.begin(),
                                defaults.data_in.begin() + 1 + defaults.data_in[0]);
      list[0] = list[2] = 0;
      if (!fake_->run(cdb::mode_select_6(static_cast<uint8_t>(list.size())), list).good()) {
        std::abort();
      }
    }
  }

 private:
  RamControl control_;
  plugin::Registry registry_;
  FakeKernel kernel_;
  std::shared_ptr<FakeDevice> fake_;
  std::unique_ptr<device::Device> device_;
};

struct Shaped {
  std::vector<uint8_t> cdb, data_out;
  size_t data_in_length = 0;
};

// Mostly a command that could be meant, so that what lies behind the checks is reached too.
Shaped any_command(Input& in, const DiskModel& model) {
  const auto table = scsi::command_table();
  const scsi::CommandDescription& d = table[in.byte() % table.size()];
  const uint8_t shape = in.byte();
  Shaped s;
  s.cdb.resize(d.cdb_length);
  if ((shape & 0x01) != 0) {
    std::generate(s.cdb.begin() + 1, s.cdb.end(), [&] { return in.byte(); });
  } else {
    s.cdb[d.flags_byte()] = (shape & 0x02) != 0 ? in.byte() : 0;
  }
  s.cdb[0] = d.opcode;
  if (d.opcode == scsi::kVariableLength) {
    s.cdb[7] = 0x18;
    store(s.cdb, {8, 2}, d.service_action);
  } else if (d.has_service_action()) {
    s.cdb[1] = static_cast<uint8_t>((s.cdb[1] & 0xE0) | d.service_action);
  }
  const uint64_t lba = in.byte();
  const uint64_t length = in.byte() % 40;
  if ((shape & 0x04) == 0) {
    store(s.cdb, d.lba, lba);
    store(s.cdb, d.length, length);
  }
  const uint64_t claimed = [&] {
    uint64_t v = 0;
    for (size_t i = 0; i < d.length.width; ++i) {
      v = v << 8 | s.cdb[d.length.offset + i];
    }
    return std::min<uint64_t>(v, 4096);
  }();
  size_t out = 0;
  switch (d.transfer) {
    case scsi::Transfer::kNone:
      break;
    case scsi::Transfer::kDataIn:
      s.data_in_length = d.length.width != 0 ? claimed : 8;
      break;
    case scsi::Transfer::kReadBlocks:
      s.data_in_length = (claimed == 0 && d.cdb_length == 6 ? 256 : claimed) * kBlock;
      break;
    case scsi::Transfer::kParameterList:
      out = d.length.width != 0 ? claimed : length;
      break;
    case scsi::Transfer::kWriteBlocks:
      out = (claimed == 0 && d.cdb_length == 6 ? 256 : claimed) * kBlock;
      break;
    case scsi::Transfer::kOneBlock:
      out = kBlock;
      break;
    case scsi::Transfer::kVerifyBlocks:
      out = (s.cdb[d.flags_byte()] & 0x06) == 0x06 ? kBlock : claimed * kBlock;
      break;
    case scsi::Transfer::kCompareAndWrite:
      out = 2 * claimed * kBlock;
      break;
  }
  if ((shape & 0x30) == 0x30) {  // a transport that has another opinion
    (out != 0 ? out : s.data_in_length) = size_t{in.byte()} * 64;
  }
  s.data_out.resize(out);
  if (d.transfer == scsi::Transfer::kParameterList) {
    std::generate(s.data_out.begin(), s.data_out.end(), [&] { return in.byte(); });
  } else {
    const uint8_t seed = in.byte();
    for (size_t i = 0; i < out; ++i) {
      s.data_out[i] = static_cast<uint8_t>(seed * (i / kBlock + 1) + i % 3);
    }
    // What is compared is often what is there, or nearly.
    if (const size_t same = std::min<size_t>(out, claimed * kBlock);
        (shape & 0x40) != 0 && lba + claimed <= kBlocks) {
      std::copy_n(model.medium().begin() + static_cast<long>(lba * kBlock), same,
                  s.data_out.begin());
      if ((shape & 0x80) != 0 && same > 0) {
        s.data_out[(size_t{seed} * 97) % same] ^= 1;
      }
    }
  }
  return s;
}

[[noreturn]] void fail(const std::string& what, const Shaped& s, const Outcome& outcome) {
  std::fprintf(stderr, "%s\n  answer: %s\n  CDB:", what.c_str(), outcome.describe().c_str());
  for (const uint8_t byte : s.cdb) {
    std::fprintf(stderr, " %02x", byte);
  }
  std::fprintf(stderr, "\n  data-out: %zu bytes, data-in: %zu bytes\n", s.data_out.size(),
               s.data_in_length);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Never destroyed: its threads run until the process ends.
  static Lun& lun = *new Lun;
  Input in(data, size);
  DiskModel model(lun.start_over());
  while (!in.empty()) {
    const Shaped s = any_command(in, model);
    const Outcome outcome = lun.fake().run(s.cdb, s.data_out, s.data_in_length);
    if (const std::string wrong = model.judge(s.cdb, s.data_out, s.data_in_length, outcome);
        !wrong.empty()) {
      fail(wrong, s, outcome);
    }
    if (!lun.is(model.medium())) {
      fail("the medium is not what it has to be", s, outcome);
    }
  }
  if (lun.fake().in_flight() != 0) {
    std::fprintf(stderr, "commands are still in flight\n");
    std::abort();
  }
  if (model.modes_changed()) {
    lun.reset_modes();
  }
  return 0;
}
