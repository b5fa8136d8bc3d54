// SPDX-License-Identifier: Apache-2.0
#include "cluster/multipath_load.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

#include <unistd.h>

#include "cluster/ceph_tools.h"
#include "support/eventually.h"
#include "support/scsi_client.h"

namespace tcmud::test {

using std::chrono::milliseconds;

MultipathLoad::MultipathLoad(std::vector<Gateway*> paths, uint64_t bytes, unsigned writers,
                             Policy policy, milliseconds patience)
    : paths_(std::move(paths)),
      writers_(writers),
      policy_(policy),
      patience_(patience),
      versions_(bytes / kBlockBytes) {}

void MultipathLoad::start() {
  stop_ = false;
  for (unsigned writer = 0; writer < writers_; ++writer) {
    threads_.emplace_back([this, writer] { write(writer); });
  }
}

void MultipathLoad::stop() {
  stop_ = true;
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

std::vector<uint8_t> MultipathLoad::content(uint64_t block, uint32_t version) const {
  return version == 0 ? std::vector<uint8_t>(kBlockBytes)
                      : pattern(block << 32 | version, kBlockBytes);
}

void MultipathLoad::write(unsigned writer) {
  std::mt19937_64 random(writer);
  std::vector<std::unique_ptr<Nexus>> nexuses(paths_.size());
  size_t path = policy_ == Policy::kAlternate ? writer % paths_.size() : 0;
  while (!stop_) {
    // Few blocks, so that each is written again soon.
    const uint64_t block = random() % (versions_.size() / writers_) * writers_ + writer;
    const uint32_t version = versions_[block] + 1;
    const std::vector<uint8_t> data = content(block, version);
    const auto began = Clock::now();
    for (bool written = false; !written;) {
      if (stop_ && Clock::now() - began > std::chrono::seconds(60)) {
        const std::lock_guard lock(mutex_);
        failure_ = "a write was not done in a minute";
        return;
      }
      std::unique_ptr<Nexus>& nexus = nexuses[path];
      if (nexus == nullptr) {
        nexus = std::make_unique<Nexus>(*paths_[path], patience_);
      }
      const auto outcome = nexus->write(block * (kBlockBytes / 512), data);
      if (!outcome) {
        nexus.reset();
        path = (path + 1) % paths_.size();
        std::this_thread::sleep_for(milliseconds(10));
      } else if (outcome->good()) {
        written = true;
      } else if (outcome->status == kStatusBusy || outcome->status == kStatusTaskSetFull ||
                 outcome->sense_key() == 0x06 || outcome->sense_key() == 0x02) {
        ++repeated_;
        std::this_thread::sleep_for(milliseconds(10));
      } else {
        const std::lock_guard lock(mutex_);
        failure_ = "a write ended with " + outcome->describe();
        return;
      }
    }
    versions_[block] = version;
    ++done_;
    {
      const auto now = Clock::now();
      const std::lock_guard lock(mutex_);
      if (watched_from_ != Clock::time_point() && first_done_ == Clock::time_point()) {
        first_done_ = now;
      }
    }
    if (policy_ == Policy::kAlternate) {
      path = (path + 1) % paths_.size();
    }
  }
}

milliseconds MultipathLoad::first_done_after(Clock::time_point when, milliseconds limit) {
  {
    const std::lock_guard lock(mutex_);
    watched_from_ = when;
    first_done_ = {};
  }
  Clock::time_point done;
  while (done == Clock::time_point() && Clock::now() - when < limit) {
    std::this_thread::sleep_for(milliseconds(1));
    const std::lock_guard lock(mutex_);
    done = first_done_;
  }
  const std::lock_guard lock(mutex_);
  watched_from_ = {};
  return std::chrono::ceil<milliseconds>((done == Clock::time_point() ? Clock::now() : done) -
                                         when);
}

::testing::AssertionResult MultipathLoad::holds(const std::vector<uint8_t>& all) const {
  if (!failure_.empty()) {
    return ::testing::AssertionFailure() << failure_;
  }
  if (all.size() != versions_.size() * kBlockBytes) {
    return ::testing::AssertionFailure() << "it has " << all.size() << " bytes";
  }
  std::string first;
  size_t wrong = 0;
  for (uint64_t block = 0; block < versions_.size(); ++block) {
    const auto begin = all.begin() + static_cast<ptrdiff_t>(block * kBlockBytes);
    const auto has = [&](uint32_t version) {
      const std::vector<uint8_t> wanted = content(block, version);
      return std::equal(wanted.begin(), wanted.end(), begin);
    };
    if (has(versions_[block])) {
      continue;
    }
    if (wrong++ == 0) {
      first = "block " + std::to_string(block) + " does not have what was written last (version " +
              std::to_string(versions_[block]) + ")" +
              (versions_[block] > 0 && has(versions_[block] - 1) ? " but what was before" : "");
    }
  }
  if (wrong > 0) {
    return ::testing::AssertionFailure() << first << "; " << wrong << " blocks are wrong";
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult MultipathLoad::holds_through(const Gateway& gateway) const {
  Nexus nexus(gateway);
  std::vector<uint8_t> all;
  constexpr uint32_t kBlocks = 1024;
  for (uint64_t at = 0; at < versions_.size() * kBlockBytes; at += kBlocks * 512) {
    std::optional<Outcome> outcome;
    (void)eventually([&] {
      outcome = nexus.read(at / 512, kBlocks);
      return !outcome || outcome->good();
    });
    if (!outcome || !outcome->good()) {
      return ::testing::AssertionFailure()
             << "a read ended with " << (outcome ? outcome->describe() : "nothing");
    }
    all.insert(all.end(), outcome->data_in.begin(), outcome->data_in.end());
  }
  return holds(all);
}

::testing::AssertionResult MultipathLoad::holds_in_export(const std::string& image) const {
  const std::string file = "/tmp/tcmud-" + unique_name("export");
  must("rbd export --no-progress " + image + " " + file);
  std::ifstream in(file, std::ios::binary);
  const std::vector<uint8_t> all{std::istreambuf_iterator<char>(in),
                                 std::istreambuf_iterator<char>()};
  ::unlink(file.c_str());
  return holds(all);
}

}  // namespace tcmud::test
