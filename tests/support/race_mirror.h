// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

#if defined(__SANITIZE_THREAD__)
#define TCMUD_TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TCMUD_TEST_TSAN 1
#endif
#endif

#ifdef TCMUD_TEST_TSAN
extern "C" {
void __tsan_read_range(void* address, unsigned long size);
void __tsan_write_range(void* address, unsigned long size);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace tcmud::test {

#ifdef TCMUD_TEST_TSAN
inline constexpr bool kRaceMirrorActive = true;
#else
inline constexpr bool kRaceMirrorActive = false;
#endif

// Shows ThreadSanitizer the kernel's accesses to shared memory at the addresses at which the daemon
// sees them. The two sides have maps of their own, so without this it would take them for
// strangers, and a daemon that reads an entry without acquiring cmd_head, publishes cmd_tail before
// its answer, or touches a block of a completed command would go unnoticed. Touches no memory
// itself; does nothing in other builds.
class RaceMirror {
 public:
  // `kernel`: where this side has its map. `daemon`: where the daemon has it, nullptr while it has
  // none; to be unmapped after this was told so.
  void set(const std::byte* kernel, std::byte* daemon) {
    kernel_ = kernel;
    daemon_ = daemon;
  }

#ifdef TCMUD_TEST_TSAN
  void read(const void* at, size_t bytes) const {
    if (void* mirrored = mirror(at); mirrored != nullptr && bytes > 0) {
      __tsan_read_range(mirrored, bytes);
    }
  }
  void written(const void* at, size_t bytes) const {
    if (void* mirrored = mirror(at); mirrored != nullptr && bytes > 0) {
      __tsan_write_range(mirrored, bytes);
    }
  }
  void acquired(const void* at) const {
    if (void* mirrored = mirror(at)) {
      __tsan_acquire(mirrored);
    }
  }
  void releasing(const void* at) const {
    if (void* mirrored = mirror(at)) {
      __tsan_release(mirrored);
    }
  }
#else
  void read(const void*, size_t) const {}
  void written(const void*, size_t) const {}
  void acquired(const void*) const {}
  void releasing(const void*) const {}
#endif

 private:
  [[nodiscard]] void* mirror(const void* at) const {
    return daemon_ == nullptr ? nullptr : daemon_ + (static_cast<const std::byte*>(at) - kernel_);
  }

  const std::byte* kernel_ = nullptr;
  std::byte* daemon_ = nullptr;
};

}  // namespace tcmud::test
