// SPDX-License-Identifier: Apache-2.0
//
// The requests of one open image. The LUN's loop submits; librbd's threads bring the ends, where
// nothing more happens than that the core is told.
#pragma once

#include <atomic>
#include <cstdint>

#include <tcmud/handler.hpp>

#include "ceph.h"
#include "write_gate.h"

namespace tcmud::rbd {

// What the ends of requests, and callbacks of librbd's, tell of the image. Bits.
enum Notice : uint32_t {
  kFenced = 1u << 0,        // the cluster refuses this client
  kGone = 1u << 1,          // the image or its pool are not there any more
  kTimedOut = 1u << 2,      // a request was not answered in time
  kAnswered = 1u << 3,      // a request was, after such a one
  kLockRefused = 1u << 4,   // a write came back because the lock isn't ours
  kHeaderChanged = 1u << 5  // size, snapshots, metadata, ...
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Any thread; cheap; never on the way of a request that ended well and as expected. Once for each
  // request that timed out.
  virtual void notice(uint32_t notices) = 0;
};

// What librbd compares and writes as one: within so many bytes, from a multiple of them on.
inline constexpr uint32_t kCompareAndWriteUnit = 512;

class Io;

// Ours in each request.
struct Context {
  Io* io;
  char* bounce;                  // where buffers had to be gathered: freed at the end
  uint64_t mismatch;             // COMPARE_AND_WRITE: offset of the first difference
  std::atomic<uint32_t> pieces;  // UNMAP: ranges under way, and one while they are handed over
  std::atomic<int32_t> error;    // UNMAP: of the first range that failed
};

struct IoTraits {
  bool flush = false;  // a completed write may be volatile, or an ordered journal is kept
  bool read_only = false;
  bool cached = false;  // reads may be answered from memory, which is right only under the lock
  uint64_t size = 0;    // bytes of the image
};

class Io {
 public:
  // `gate` is null where writes need no lock of ours. All of them outlive this.
  Io(const Ceph& ceph, rbd_image_t image, const IoTraits& traits, api::Device device,
     Observer& observer, WriteGate* gate)
      : ceph_(ceph),
        image_(image),
        flush_(traits.flush),
        read_only_(traits.read_only),
        cached_(traits.cached),
        device_(device),
        observer_(observer),
        gate_(gate),
        size_(traits.size) {}
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  // The LUN's loop.
  int32_t submit(tcmud_request& request);

  // Requests that librbd has. When there are none, none of its threads is inside a call of the
  // host's on our behalf.
  [[nodiscard]] uint64_t in_flight() const { return in_flight_.load(std::memory_order_acquire); }

  void set_size(uint64_t bytes) { size_.store(bytes, std::memory_order_relaxed); }
  [[nodiscard]] uint64_t size() const { return size_.load(std::memory_order_relaxed); }

  // A write ended because its time was over. An OSD may still have it, and do it later: until this
  // client is fenced, or has gone.
  [[nodiscard]] bool has_uncertain_write() const {
    return uncertain_write_.load(std::memory_order_acquire);
  }

 private:
  static void ended(rbd_completion_t completion, void* arg);

  int32_t hand_over(tcmud_request& request);
  int32_t unmap(tcmud_request& request);
  int write_same(tcmud_request& request, rbd_completion_t completion);
  int compare_and_write(tcmud_request& request, rbd_completion_t completion);
  void finish(tcmud_request& request, int64_t result);
  int32_t judge(const tcmud_request& request, int64_t result, uint64_t& info);
  int32_t failed(const tcmud_request& request, int error, uint64_t& info);
  void undo(tcmud_request& request);
  [[nodiscard]] bool needs_lock(uint16_t op) const;

  const Ceph& ceph_;
  const rbd_image_t image_;
  const bool flush_;
  const bool read_only_;
  const bool cached_;
  const api::Device device_;
  Observer& observer_;
  WriteGate* const gate_;
  std::atomic<uint64_t> size_;  // alone: read for itself
  std::atomic<bool> slow_{false};
  std::atomic<bool> uncertain_write_{false};
  alignas(64) std::atomic<uint64_t> in_flight_{0};
};

}  // namespace tcmud::rbd
