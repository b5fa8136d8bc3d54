// SPDX-License-Identifier: Apache-2.0
// A whole LUN behind the fake kernel, and commands of every operation code with any data: each is
// answered exactly once, the answer is right, and the medium is what a flat model of it is, also
// where the handler fails. What an input leaves behind does not reach the next one, but for the
// results of copies, which nobody can make a LUN forget.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "fuzz/disk_commands.h"
#include "fuzz/disk_model.h"
#include "fuzz/fuzzed_lun.h"
#include "support/scsi_client.h"

namespace {

using namespace tcmud;
using namespace tcmud::test;

constexpr int32_t kFailures[] = {TCMUD_WRITE_ERROR, TCMUD_NO_SPACE, TCMUD_INTERNAL, TCMUD_BUSY};
constexpr auto kLimit = std::chrono::seconds(20);

[[noreturn]] void fail(const std::string& what, const FuzzedCommand& s, const Outcome& outcome) {
  std::fprintf(stderr, "%s\n  answer: %s\n  CDB:", what.c_str(), outcome.describe().c_str());
  for (const uint8_t byte : s.cdb) {
    std::fprintf(stderr, " %02x", byte);
  }
  std::fprintf(stderr, "\n  data-out: %zu bytes, data-in: %zu bytes\n  request that fails: %d\n ",
               s.data_out.size(), s.data_in_length, s.failing);
  for (size_t i = 0; i < std::min<size_t>(s.data_out.size(), 64); ++i) {
    std::fprintf(stderr, " %02x", s.data_out[i]);
  }
  std::fprintf(stderr, "\n");
  std::abort();
}

class Session {
 public:
  Session(FuzzedLun& lun, Input& in) : lun_(lun), in_(in), model_(lun.start_over()) {}

  void next() {
    const FuzzedCommand s = any_command(in_, model_);
    if (s.failing != 0) {
      lun_.let_work_end();
    }
    lun_.end_later(s.ends_later || s.waits);
    lun_.let_fail(s.failing, kFailures[s.failure % std::size(kFailures)]);
    const Outcome outcome = s.waits ? run_while_others_try(s) : run(s);
    check(model_.judge(s.cdb, s.data_out, s.data_in_length, outcome, lun_.has_failed()), s,
          outcome);
    if (model_.is_at_work()) {
      see_the_end_of_operation(s);
    } else if (model_.copies().at_work()) {
      see_the_end_of_copy(s);
    }
    lun_.open_gate();
    lun_.let_fail(0, TCMUD_OK);
    check(model_.settle(lun_.medium()), s, outcome);
  }

  void end() {
    if (lun_.in_flight() != 0) {
      std::fprintf(stderr, "commands are still in flight\n");
      std::abort();
    }
    lun_.clean_up(model_);
  }

 private:
  static void check(const std::string& wrong, const FuzzedCommand& s, const Outcome& outcome) {
    if (!wrong.empty()) {
      fail(wrong, s, outcome);
    }
  }

  Outcome run(const FuzzedCommand& s) { return lun_.run(s.cdb, s.data_out, s.data_in_length); }

  // The first of its requests is held at the gate. If it keeps the LUN busy, others are refused.
  // The gate is still shut behind a command that was answered ahead of its work.
  Outcome run_while_others_try(const FuzzedCommand& s) {
    lun_.shut_gate();
    const Ticket ticket = lun_.submit(s.cdb, s.data_out, s.data_in_length);
    while (!ticket.ready() && !lun_.somebody_waits()) {
      lun_.pause();
    }
    if (!ticket.ready() && (s.cdb[0] == 0x04 || s.cdb[0] == 0x48)) {
      model_.begins(s.cdb);
      others_try();
      model_.lets_go();
    }
    if (!ticket.ready()) {
      lun_.open_gate();
    }
    return lun_.wait(ticket);
  }

  void others_try() {
    for (int left = 1 + in_.byte() % 3; left > 0; --left) {
      const FuzzedCommand s = any_command(in_, model_);
      const Outcome outcome = run(s);
      check(model_.judge(s.cdb, s.data_out, s.data_in_length, outcome, false), s, outcome);
    }
  }

  void see_the_end_of_operation(const FuzzedCommand& s) {
    if (s.waits) {
      others_try();
      lun_.open_gate();
    }
    const auto overdue = std::chrono::steady_clock::now() + kLimit;
    Outcome ready = lun_.run(cdb::test_unit_ready());
    for (; model_.goes_on(ready); ready = lun_.run(cdb::test_unit_ready())) {
      if (std::chrono::steady_clock::now() > overdue) {
        fail("it never ends", s, ready);
      }
      lun_.pause();
    }
    check(model_.ended(ready, lun_.has_failed()), s, ready);
  }

  void see_the_end_of_copy(const FuzzedCommand& s) {
    FuzzedCommand ask{.cdb = Bytes(16), .data_in_length = 1024};
    ask.cdb[0] = 0x84;
    ask.cdb[1] = 0x07;
    store_be32(&ask.cdb[2], *model_.copies().at_work());
    store_be32(&ask.cdb[10], 1024);
    if (s.waits && lun_.somebody_waits()) {
      const Outcome meanwhile = run(ask);
      check(model_.judge(ask.cdb, {}, 1024, meanwhile, false), ask, meanwhile);
    }
    lun_.open_gate();
    const auto overdue = std::chrono::steady_clock::now() + kLimit;
    Outcome told = run(ask);
    for (; told.good() && told.data_in.size() >= 36 && told.data_in[5] == 0x12; told = run(ask)) {
      if (std::chrono::steady_clock::now() > overdue) {
        fail("it never ends", s, told);
      }
      lun_.pause();
    }
    check(model_.copy_ended(told, lun_.has_failed()), s, told);
  }

  FuzzedLun& lun_;
  Input& in_;
  DiskModel model_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Never destroyed: its threads run until the process ends.
  static FuzzedLun& lun = *new FuzzedLun;
  Input in(data, size);
  Session session(lun, in);
  while (!in.empty()) {
    session.next();
  }
  session.end();
  return 0;
}
