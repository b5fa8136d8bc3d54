// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <sys/mman.h>

namespace tcmud {

// One mmap'ed range, unmapped when its owner goes.
class Mapping {
 public:
  Mapping() = default;
  Mapping(void* base, size_t size) : base_(base), size_(size), owned_(true) {}
  // Somebody else unmaps it, later than this goes.
  static Mapping borrowed(std::span<std::byte> range) {
    Mapping mapping(range.data(), range.size());
    mapping.owned_ = false;
    return mapping;
  }
  Mapping(Mapping&& other) noexcept
      : base_(std::exchange(other.base_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        owned_(std::exchange(other.owned_, false)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      reset();
      base_ = std::exchange(other.base_, nullptr);
      size_ = std::exchange(other.size_, 0);
      owned_ = std::exchange(other.owned_, false);
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  void reset() {
    if (owned_) {
      ::munmap(base_, size_);
    }
    base_ = nullptr;
    size_ = 0;
    owned_ = false;
  }
  [[nodiscard]] std::span<std::byte> bytes() const {
    return {static_cast<std::byte*>(base_), size_};
  }
  [[nodiscard]] bool valid() const { return base_ != nullptr; }

 private:
  void* base_ = nullptr;
  size_t size_ = 0;
  bool owned_ = false;
};

}  // namespace tcmud
