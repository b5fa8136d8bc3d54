// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "conformance/host.h"

namespace tcmud::conformance {

// One configuration of one handler, and what may be expected of it.
struct Case {
  std::string name;
  // {memory} and {disk} stand for fresh directories on a tmpfs and beside the test binary,
  // {image:KIND} for what image_maker() makes.
  std::string config;
  uint64_t size = 4u << 20;
  uint32_t block_size = 512;
  bool keeps_data = true;  // what was written is read back; and survives close
  bool persistent = true;
};

// Ours; or, where TCMUD_CONFORMANCE_HANDLER names a shared object, that one alone with
// TCMUD_CONFORMANCE_CONFIG, TCMUD_CONFORMANCE_SIZE and TCMUD_CONFORMANCE_BLOCK_SIZE (both in bytes,
// both optional).
std::vector<Case> cases();
// The latter, or nothing.
std::vector<Case> cases_of_author();

// For handlers whose storage is no file: makes what {image:KIND} stands for.
class ImageMaker {
 public:
  virtual ~ImageMaker() = default;
  // A new one, as a configuration names it. Any thread.
  virtual std::string make(const std::string& kind) = 0;
  virtual void remove(const std::string& image) = 0;
};
// Null where the cases have none. Each test program defines it beside cases().
ImageMaker* image_maker();

// Directories and images that go away with the test.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::string expand(const std::string& config) const;
  [[nodiscard]] const std::string& memory() const { return memory_; }
  [[nodiscard]] const std::string& disk() const { return disk_; }

 private:
  std::string memory_, disk_;
  mutable std::string image_;  // made when it is asked for
};

class Conformance : public ::testing::TestWithParam<Case> {
 protected:
  // Opens the LUN of the case; the test stops if that fails.
  void open();
  void reopen();
  void TearDown() override { lun_.reset(); }

  [[nodiscard]] uint64_t size() const { return GetParam().size; }
  [[nodiscard]] uint32_t block() const { return GetParam().block_size; }
  // Bytes that tell where they belong and which write they are of.
  [[nodiscard]] std::vector<uint8_t> pattern(uint64_t offset, uint64_t length, uint8_t seed) const;
  int32_t write(uint64_t offset, const std::vector<uint8_t>& data, uint32_t vectors = 1,
                uint16_t flags = 0);
  // The bytes, or an empty vector after a test failure.
  std::vector<uint8_t> read(uint64_t offset, uint64_t length, uint32_t vectors = 1);
  void expect_bytes(uint64_t offset, const std::vector<uint8_t>& expected, uint32_t vectors = 1);

  Scratch scratch_;
  std::unique_ptr<Lun> lun_;
};

}  // namespace tcmud::conformance
