// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cluster/ceph_tools.h"
#include "conformance/host.h"
#include "support/eventually.h"

namespace tcmud::conformance {

// A fresh image of the cluster, and LUNs on it.
class RbdTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kSize = 8u << 20;

  void make_image(const std::string& how = "") {
    test::must("rbd create " + image_ + " -s 8M " + how);
  }
  void TearDown() override {
    lun_.reset();
    if (!image_.empty()) {
      test::shell("rbd snap purge --no-progress " + image_ + "; rbd rm --no-progress " + image_);
    }
  }

  // The LUN of the image, or nothing and why_.
  std::unique_ptr<Lun> open(const std::string& options = ";nolock", uint64_t size = kSize,
                            uint32_t block_size = 512, uint32_t flags = 0) {
    why_.clear();
    return Lun::open("rbd/" + image_ + options + ";conf=" + test::ceph_conf(), size, block_size,
                     why_, flags);
  }

  static int32_t write(Lun& lun, uint64_t offset, uint64_t length, uint8_t byte) {
    return lun.run(*Request::write(offset, std::vector<uint8_t>(length, byte)));
  }
  // Repeats while the LUN is busy, as an initiator does.
  static int32_t write_patiently(Lun& lun, uint64_t offset, uint64_t length, uint8_t byte) {
    int32_t status = TCMUD_BUSY;
    (void)test::eventually(
        [&] {
          status = write(lun, offset, length, byte);
          return status != TCMUD_BUSY && status != TCMUD_TIMEOUT && status != TCMUD_NOT_READY;
        },
        std::chrono::seconds(60));
    return status;
  }
  // True if all of it is this byte.
  static ::testing::AssertionResult holds(Lun& lun, uint64_t offset, uint64_t length,
                                          uint8_t byte) {
    const auto request = Request::read(offset, length);
    const int32_t status = lun.run(*request);
    if (status != TCMUD_OK) {
      return ::testing::AssertionFailure() << "the read ended with status " << status;
    }
    const std::vector<uint8_t> data = request->data();
    const auto other = std::find_if(data.begin(), data.end(), [&](uint8_t b) { return b != byte; });
    if (other != data.end()) {
      return ::testing::AssertionFailure()
             << "byte " << offset + static_cast<uint64_t>(other - data.begin()) << " is "
             << int{*other} << ", not " << int{byte};
    }
    return ::testing::AssertionSuccess();
  }
  static bool state_is(Lun& lun, int32_t state,
                       std::chrono::seconds limit = std::chrono::seconds(30)) {
    return test::eventually([&] { return lun.backend_state().first == state; }, limit);
  }
  static bool told(Lun& lun, int32_t event) {
    return test::eventually([&] {
      const std::vector<int32_t> events = lun.events();
      return std::find(events.begin(), events.end(), event) != events.end();
    });
  }

  std::string image_ = "rbd/" + test::unique_name("image");
  std::string why_;
  std::unique_ptr<Lun> lun_;
};

}  // namespace tcmud::conformance
