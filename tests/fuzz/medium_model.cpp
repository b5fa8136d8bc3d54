// SPDX-License-Identifier: Apache-2.0
#include "fuzz/medium_model.h"

#include <algorithm>
#include <cstring>

namespace tcmud::test {

std::string MediumModel::settle(const Bytes& disk) {
  if (disk.size() != bytes_.size()) {
    return "the medium has another size";
  }
  const auto same = [&disk](const Bytes& bytes, size_t at) {
    return std::memcmp(&disk[at], &bytes[at], kBlock) == 0;
  };
  for (size_t at = 0; disk != bytes_ && at < disk.size(); at += kBlock) {
    if (!same(bytes_, at)) {
      if (std::none_of(others_.begin(), others_.end(),
                       [&](const Bytes& other) { return same(other, at); })) {
        return "block " + std::to_string(at / kBlock) + " is not what it has to be" +
               (others_.empty() ? "" : ", before or behind what failed");
      }
      std::copy_n(&disk[at], kBlock, &bytes_[at]);
    }
  }
  others_.clear();
  return {};
}

}  // namespace tcmud::test
