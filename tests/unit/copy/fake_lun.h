// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "copy/lun.h"

namespace tcmud::test {

// A LUN with its medium in memory. Requests wait until the test performs them, in whatever order,
// so that every order can be had, and again.
class FakeLun final : public copy::Lun {
 public:
  using Bytes = std::vector<uint8_t>;

  FakeLun(uint32_t block_size, uint64_t blocks, std::string serial = "")
      : medium(block_size * blocks) {
    lun.block_size = block_size;
    lun.blocks = blocks;
    lun.serial = std::move(serial);
  }

  bool start(copy::Request& request) override {
    if (closed) {
      return false;
    }
    waiting.push_back(&request);
    return true;
  }

  const std::string& name() const override { return lun.serial; }
  std::shared_ptr<const scsi::Lun> told() const override {
    return std::make_shared<scsi::Lun>(lun);
  }

  void perform(size_t which) {
    copy::Request* request = waiting.at(which);
    waiting.erase(waiting.begin() + static_cast<long>(which));
    request->status = scsi::Status::kGood;
    request->sense = {};
    if (verdict && !verdict(*request)) {
      request->status = scsi::Status::kCheckCondition;
      request->sense = {.key = scsi::SenseKey::kMediumError, .code = scsi::asc::kWriteError};
    } else {
      transfer(*request);
    }
    ++performed;
    request->ended(*request);
  }

  scsi::Lun lun;
  Bytes medium;
  bool closed = false;
  std::vector<copy::Request*> waiting;
  // Asked before a request is done; false: it fails.
  std::function<bool(const copy::Request&)> verdict;
  uint64_t performed = 0, zeroed = 0, longest = 0;

 private:
  void transfer(const copy::Request& request) {
    const scsi::BlockRequest& block = request.block;
    if (block.length == 0 || block.offset % lun.block_size != 0 ||
        block.length % lun.block_size != 0 || block.offset + block.length > medium.size()) {
      throw std::logic_error("a request that is none");
    }
    uint8_t* at = medium.data() + block.offset;
    switch (block.op) {
      case scsi::BlockOp::kRead:
        longest = std::max(longest, block.length);
        std::memcpy(request.data.iov_base, at, block.length);
        break;
      case scsi::BlockOp::kWrite:
        longest = std::max(longest, block.length);
        std::memcpy(at, request.data.iov_base, block.length);
        break;
      case scsi::BlockOp::kWriteZeroes:
        zeroed += block.length;
        std::memset(at, 0, block.length);
        break;
      default:
        throw std::logic_error("no request of a copy");
    }
  }
};

// Performs what waits anywhere, in an order by chance, until nothing does.
inline void finish(const std::vector<std::shared_ptr<FakeLun>>& luns, std::mt19937_64& random) {
  while (true) {
    size_t waiting = 0;
    for (const auto& lun : luns) {
      waiting += lun->waiting.size();
    }
    if (waiting == 0) {
      return;
    }
    size_t which = random() % waiting;
    for (const auto& lun : luns) {
      if (which < lun->waiting.size()) {
        lun->perform(which);
        break;
      }
      which -= lun->waiting.size();
    }
  }
}

inline FakeLun::Bytes noise(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  FakeLun::Bytes out(bytes);
  for (size_t at = 0; at < bytes; at += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(&out[at], &word, std::min(sizeof word, bytes - at));
  }
  return out;
}

}  // namespace tcmud::test
