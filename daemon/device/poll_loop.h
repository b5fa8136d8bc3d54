// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "device/pacing.h"

namespace tcmud::device {

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Looks for work until there is some or the poller's budget is used up; `last_bytes` is what the
// last command carried. True: there is. `look` is
// cheap and has no side effect but finding work.
template <class Look>
bool poll_for_work(Poller& poller, uint64_t last_bytes, Look&& look) {
  // Looks between two readings of the clock: some hundred ns together, so that the clock costs
  // little.
  constexpr int kLooks = 8;
  // A reading that took this long was interrupted: no sequence of ours takes more than a few µs.
  constexpr uint64_t kInterruption = 200'000;

  const uint32_t budget = poller.budget(last_bytes);
  if (budget == 0) {
    return false;
  }
  const uint64_t begin = monotonic_ns();
  for (uint64_t before = begin;;) {
    for (int i = 0; i < kLooks; ++i) {
      if (look()) {
        poller.found_work();
        return true;
      }
      cpu_relax();
    }
    const uint64_t now = monotonic_ns();
    if (now - before > kInterruption) {
      poller.interrupted();
      return look();
    }
    if (now - begin > budget) {
      poller.found_nothing();
      return false;
    }
    before = now;
  }
}

}  // namespace tcmud::device
