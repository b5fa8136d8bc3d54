// SPDX-License-Identifier: Apache-2.0
#include "device/engine.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "device/lun_view.h"
#include "ram_handler.h"
#include "support/eventually.h"
#include "support/fake_kernel.h"
#include "support/scsi_client.h"

// Requests of the daemon's own on LUNs that have threads, from one LUN to the other.
namespace tcmud::test {
namespace {

using namespace std::chrono_literals;
using Model = RamControl::Model;
using device::Dispatcher;
using device::Engine;
using device::PostBox;

constexpr uint64_t kBytes = 1 << 20;

// A LUN as far as its engine goes.
class Lun final : public device::LoopOwner, private plugin::HandlerNews {
 public:
  Lun(FakeKernel& kernel, const plugin::Registry& registry, const std::string& name) {
    DeviceSpec spec;
    spec.name = name;
    spec.dev_config = "ram/x";
    spec.bytes = kBytes;
    fake_ = kernel.create_device(spec);
    port_ = *kernel.open_uio(fake_->minor());
    ring_ = *kernel::Ring::attach(port_.map.bytes(), Engine::kCommands);
    backend_ = *plugin::Backend::open(
        registry, {.name = name, .subtype = "ram", .config = "x", .lun_size = kBytes}, *this);
    engine_ =
        *Engine::create(*ring_, port_, *backend_,
                        device::make_view({.size = kBytes, .serial = name}, backend_->props(), {}),
                        50, name, *this);
    EXPECT_TRUE(engine_->start());
  }
  ~Lun() {
    EXPECT_TRUE(stop());
    backend_.reset();
    engine_.reset();
    ring_.reset();
  }

  bool stop() { return engine_->stop(std::chrono::steady_clock::now() + 20s); }
  Engine& engine() { return *engine_; }
  FakeDevice& fake() { return *fake_; }

  void event(tcmud_event) override {}
  void backend_state(tcmud_backend_state, const char*) override {}
  void configfs_wanted() override {}
  void ways_wanted() override {}
  void lock_wanted() override {}
  void settled() override {}
  void ring_broken(const char* reason) override { ADD_FAILURE() << reason; }
  void device_gone() override {}
  void handler_misbehaved(int32_t status) override { ADD_FAILURE() << status; }
  void mode_wanted(const scsi::ModeChange&, uint64_t) override {}
  void group_states_wanted(std::vector<scsi::StateRequest>, uint64_t) override {}

 private:
  std::shared_ptr<FakeDevice> fake_;
  kernel::UioPort port_;
  std::unique_ptr<kernel::Ring> ring_;
  std::unique_ptr<plugin::Backend> backend_;
  std::unique_ptr<Engine> engine_;
};

// Copies blocks, one at a time: read on one LUN's loop, written on the other's, and so on.
struct Copy : device::InternalCommand {
  std::shared_ptr<PostBox> from, to;
  uint64_t block_number = 0, end = 0;
  uint64_t distance = 0;  // bytes from source to destination
  std::array<uint8_t, 512> data{};
  iovec piece{};
  std::atomic<uint64_t> started{0}, ended{0}, copied{0};
  std::atomic<bool> over{false};

  void read(Dispatcher& dispatcher) {
    prepare(scsi::BlockOp::kRead, block_number * 512);
    done = [](InternalCommand& command, Dispatcher&) {
      auto& copy = static_cast<Copy&>(command);
      ++copy.ended;
      if (!copy.verdict.good() ||
          !copy.to->post([&copy](Dispatcher& other) { copy.write(other); })) {
        copy.over = true;
      }
    };
    dispatcher.start_internal(*this);
  }
  void write(Dispatcher& dispatcher) {
    prepare(scsi::BlockOp::kWrite, block_number * 512 + distance);
    done = [](InternalCommand& command, Dispatcher&) {
      auto& copy = static_cast<Copy&>(command);
      ++copy.ended;
      copy.copied += copy.verdict.good();
      if (!copy.verdict.good() || ++copy.block_number == copy.end ||
          !copy.from->post([&copy](Dispatcher& other) { copy.read(other); })) {
        copy.over = true;
      }
    };
    dispatcher.start_internal(*this);
  }

 private:
  void prepare(scsi::BlockOp op, uint64_t offset) {
    ++started;
    block = {.op = op, .offset = offset, .length = 512};
    piece = {data.data(), data.size()};
    iov = {&piece, 1};
  }
};

class EngineTest : public ::testing::TestWithParam<Model> {
 protected:
  EngineTest() {
    control_.model = GetParam();
    control_.data = pattern(5, kBytes);  // both LUNs have the same memory
    EXPECT_TRUE(registry_.add(ram_handler(control_)));
  }

  // Each copies a part of the first half to the second.
  std::vector<std::unique_ptr<Copy>> start_copies(Lun& from, Lun& to, uint64_t each) {
    std::vector<std::unique_ptr<Copy>> copies;
    for (uint64_t i = 0; i < 4; ++i) {
      auto copy = std::make_unique<Copy>();
      copy->from = from.engine().posts();
      copy->to = to.engine().posts();
      copy->block_number = i * each;
      copy->end = (i + 1) * each;
      copy->distance = kBytes / 2;
      EXPECT_TRUE(copy->from->post([c = copy.get()](Dispatcher& d) { c->read(d); }));
      copies.push_back(std::move(copy));
    }
    return copies;
  }
  static void wait(const std::vector<std::unique_ptr<Copy>>& copies) {
    for (const auto& copy : copies) {
      ASSERT_TRUE(eventually([&] { return copy->over.load(); }, 20s));
      EXPECT_EQ(copy->started, copy->ended);
    }
  }

  RamControl control_;
  plugin::Registry registry_;
  FakeKernel kernel_;
};

INSTANTIATE_TEST_SUITE_P(Models, EngineTest,
                         ::testing::Values(Model::kInline, Model::kThreaded, Model::kPool),
                         [](const auto& model) {
                           return model.param == Model::kInline     ? "inline"
                                  : model.param == Model::kThreaded ? "threaded"
                                                                    : "pool";
                         });

TEST_P(EngineTest, RequestsGoFromLunToLunBesideTheirInitiators) {
  Lun a(kernel_, registry_, "a"), b(kernel_, registry_, "b");
  const auto copies = start_copies(a, b, 250);
  ScsiClient client(b.fake());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client.read(0, 8).good());
  }
  wait(copies);
  uint64_t copied = 0;
  for (const auto& copy : copies) {
    copied += copy->copied;
  }
  EXPECT_EQ(copied, 1000U);
  const std::lock_guard lock(control_.mutex);
  EXPECT_TRUE(std::equal(control_.data.begin(), control_.data.begin() + 1000 * 512,
                         control_.data.begin() + kBytes / 2));
}

TEST_P(EngineTest, EachEndsOnceWhicheverLunClosesMeanwhile) {
  for (int round = 0; round < 20; ++round) {
    Lun a(kernel_, registry_, "a" + std::to_string(round)),
        b(kernel_, registry_, "b" + std::to_string(round));
    const auto copies =
        start_copies(a, b, 100000);  // beyond the end: 05/21/00 if nothing is sooner
    while (copies.front()->copied < static_cast<uint64_t>(round)) {
      std::this_thread::yield();
    }
    ASSERT_TRUE((round % 2 == 0 ? a : b).stop());
    wait(copies);
  }
}

TEST_P(EngineTest, AClosedLunRefusesPostsAndServesAgainWhenItIsStarted) {
  Lun a(kernel_, registry_, "a");
  const std::shared_ptr<PostBox> posts = a.engine().posts();
  ASSERT_TRUE(a.stop());
  EXPECT_FALSE(posts->post([](Dispatcher&) { ADD_FAILURE(); }));
  ASSERT_TRUE(a.engine().start());
  std::atomic<bool> ran{false};
  EXPECT_TRUE(posts->post([&ran](Dispatcher&) { ran = true; }));
  ASSERT_TRUE(a.stop());
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace tcmud::test
