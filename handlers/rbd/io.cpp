// SPDX-License-Identifier: Apache-2.0
#include "io.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <new>

#include "status.h"

namespace tcmud::rbd {
namespace {

bool changes_data(uint16_t op) {
  return op != TCMUD_OP_READ && op != TCMUD_OP_FLUSH;
}

// The bytes [begin, begin + length) of the vectors, if one of them has them all.
char* contiguous(const tcmud_request& request, uint64_t begin, uint64_t length) {
  for (uint32_t i = 0; i < request.iovcnt; ++i) {
    const iovec& v = request.iov[i];
    if (begin < v.iov_len) {
      return begin + length <= v.iov_len ? static_cast<char*>(v.iov_base) + begin : nullptr;
    }
    begin -= v.iov_len;
  }
  return nullptr;
}

// A copy of all vectors in one piece; null: no memory. Rare: the core's blocks are in one piece.
char* gather(const tcmud_request& request, Context& context) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < request.iovcnt; ++i) {
    total += request.iov[i].iov_len;
  }
  context.bounce = new (std::nothrow) char[total];
  if (context.bounce == nullptr) {
    return nullptr;
  }
  uint64_t done = 0;
  for (uint32_t i = 0; i < request.iovcnt; ++i) {
    std::memcpy(context.bounce + done, request.iov[i].iov_base, request.iov[i].iov_len);
    done += request.iov[i].iov_len;
  }
  return context.bounce;
}

}  // namespace

int32_t Io::submit(tcmud_request& request) {
  if (request.op < TCMUD_OP_READ || request.op > TCMUD_OP_COMPARE_AND_WRITE) {
    return TCMUD_NOT_SUPPORTED;
  }
  if (request.op == TCMUD_OP_FLUSH && !flush_) {
    return TCMUD_OK;  // what was acknowledged is on the disks
  }
  if (request.offset + request.length > size()) {
    return TCMUD_OUT_OF_RANGE;
  }
  if (read_only_ && changes_data(request.op)) {
    return TCMUD_WRITE_PROTECTED;
  }
  if (needs_lock(request.op) && !gate_->enter()) {
    return TCMUD_NO_LOCK;
  }
  Context& context = api::context<Context>(request);
  context.io = this;
  context.bounce = nullptr;
  in_flight_.fetch_add(1, std::memory_order_relaxed);
  return request.op == TCMUD_OP_UNMAP ? unmap(request) : hand_over(request);
}

bool Io::needs_lock(uint16_t op) const {
  return gate_ != nullptr && (changes_data(op) || (cached_ && op == TCMUD_OP_READ));
}

int32_t Io::hand_over(tcmud_request& request) {
  rbd_completion_t completion = nullptr;
  int r = ceph_.aio_create_completion(&request, ended, &completion);
  if (r >= 0) {
    switch (request.op) {
      case TCMUD_OP_READ:
        r = ceph_.aio_readv(image_, request.iov, static_cast<int>(request.iovcnt), request.offset,
                            completion);
        break;
      case TCMUD_OP_WRITE:
        r = ceph_.aio_writev(image_, request.iov, static_cast<int>(request.iovcnt), request.offset,
                             completion);
        break;
      case TCMUD_OP_FLUSH:
        r = ceph_.aio_flush(image_, completion);
        break;
      case TCMUD_OP_WRITE_ZEROES:
        r = ceph_.aio_write_zeroes(
            image_, request.offset, request.length, completion,
            (request.flags & TCMUD_FLAG_MAY_UNMAP) != 0 ? 0 : RBD_WRITE_ZEROES_FLAG_THICK_PROVISION,
            0);
        break;
      case TCMUD_OP_WRITE_SAME:
        r = write_same(request, completion);
        break;
      default:
        r = compare_and_write(request, completion);
        break;
    }
    if (r >= 0) {
      return TCMUD_QUEUED;
    }
    ceph_.aio_release(completion);
  }
  uint64_t info = TCMUD_NO_INFO;
  const int32_t status = failed(request, -r, info);
  undo(request);
  return status;
}

// Deallocates by writing zeroes without allocating: unlike rbd_aio_discard, which leaves pieces of
// less than its granularity as they are, all of it reads as zeroes then.
int32_t Io::unmap(tcmud_request& request) {
  Context& context = api::context<Context>(request);
  context.error.store(0, std::memory_order_relaxed);
  context.pieces.store(request.nranges + 1, std::memory_order_relaxed);
  for (uint32_t i = 0; i < request.nranges; ++i) {
    rbd_completion_t completion = nullptr;
    int r = request.ranges[i].offset + request.ranges[i].length > size() ? -ERANGE : 0;
    r = r < 0 ? r : ceph_.aio_create_completion(&request, ended, &completion);
    if (r >= 0) {
      r = ceph_.aio_write_zeroes(image_, request.ranges[i].offset, request.ranges[i].length,
                                 completion, 0, 0);
      if (r < 0) {
        ceph_.aio_release(completion);
      }
    }
    if (r < 0) {
      // Those before it end by themselves; those behind it are not begun.
      int32_t none = 0;
      context.error.compare_exchange_strong(none, r, std::memory_order_relaxed);
      context.pieces.fetch_sub(request.nranges - i, std::memory_order_relaxed);
      break;
    }
  }
  if (context.pieces.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    finish(request, context.error.load(std::memory_order_relaxed));
  }
  return TCMUD_QUEUED;
}

int Io::write_same(tcmud_request& request, rbd_completion_t completion) {
  uint64_t block = 0;
  for (uint32_t i = 0; i < request.iovcnt; ++i) {
    block += request.iov[i].iov_len;
  }
  char* data = contiguous(request, 0, block);
  if (data == nullptr) {
    data = gather(request, api::context<Context>(request));
  }
  return data == nullptr ? -ENOMEM
                         : ceph_.aio_writesame(image_, request.offset, request.length, data, block,
                                               completion, 0);
}

int Io::compare_and_write(tcmud_request& request, rbd_completion_t completion) {
  Context& context = api::context<Context>(request);
  const char* expected = contiguous(request, 0, request.length);
  const char* data = contiguous(request, request.length, request.length);
  if (expected == nullptr || data == nullptr) {
    expected = gather(request, context);
    if (expected == nullptr) {
      return -ENOMEM;
    }
    data = expected + request.length;
  }
  context.mismatch = TCMUD_NO_INFO;
  return static_cast<int>(ceph_.aio_compare_and_write(
      image_, request.offset, request.length, expected, data, completion, &context.mismatch, 0));
}

void Io::undo(tcmud_request& request) {
  delete[] api::context<Context>(request).bounce;
  if (needs_lock(request.op)) {
    gate_->leave();
  }
  in_flight_.fetch_sub(1, std::memory_order_release);
}

// A thread of librbd's.
void Io::ended(rbd_completion_t completion, void* arg) {
  auto& request = *static_cast<tcmud_request*>(arg);
  Context& context = api::context<Context>(request);
  Io& io = *context.io;
  int64_t result = io.ceph_.aio_get_return_value(completion);
  io.ceph_.aio_release(completion);
  if (request.op == TCMUD_OP_UNMAP) {
    if (result < 0) {
      int32_t none = 0;
      context.error.compare_exchange_strong(none, static_cast<int32_t>(result),
                                            std::memory_order_relaxed);
    }
    // The last one sees what the others have left.
    if (context.pieces.fetch_sub(1, std::memory_order_acq_rel) != 1) {
      return;
    }
    result = context.error.load(std::memory_order_relaxed);
  }
  io.finish(request, result);
}

void Io::finish(tcmud_request& request, int64_t result) {
  uint64_t info = TCMUD_NO_INFO;
  const int32_t status = judge(request, result, info);
  delete[] api::context<Context>(request).bounce;
  if (needs_lock(request.op)) {
    gate_->leave();
  }
  device_.complete(request, status, info);  // from here on the request is not ours
  in_flight_.fetch_sub(1, std::memory_order_release);
}

int32_t Io::judge(const tcmud_request& request, int64_t result, uint64_t& info) {
  if (result < 0) [[unlikely]] {
    return failed(request, static_cast<int>(-result), info);
  }
  // librbd cuts off what lies behind the end of an image that became smaller, and calls it well.
  if ((request.op == TCMUD_OP_READ && static_cast<uint64_t>(result) < request.length) ||
      request.offset + request.length > size()) [[unlikely]] {
    return TCMUD_OUT_OF_RANGE;
  }
  if (slow_.load(std::memory_order_relaxed)) [[unlikely]] {
    if (slow_.exchange(false, std::memory_order_relaxed)) {
      observer_.notice(kAnswered);
    }
  }
  return TCMUD_OK;
}

int32_t Io::failed(const tcmud_request& request, int error, uint64_t& info) {
  const bool writes = changes_data(request.op);
  switch (error) {
    case EILSEQ:
      if (request.op == TCMUD_OP_COMPARE_AND_WRITE) {
        // librbd 16 means an offset in the compared data, and adds that of its object to it; others
        // may mean one in the image. The unit is what they agree about.
        info = api::context<Context>(request).mismatch % kCompareAndWriteUnit;
        return TCMUD_MISCOMPARE;
      }
      break;
    case ERANGE:
      return TCMUD_OUT_OF_RANGE;
    case EINVAL:
      if (request.offset + request.length > size()) {
        return TCMUD_OUT_OF_RANGE;
      }
      // The image became smaller, and we have not been told yet.
      observer_.notice(kHeaderChanged);
      break;
    case ESHUTDOWN:
      observer_.notice(kFenced);
      break;
    case EPERM:
    case ENOENT:
      observer_.notice(kGone);
      break;
    case EROFS:
      observer_.notice(kLockRefused);
      break;
    case ETIMEDOUT:
      if (writes) {
        uncertain_write_.store(true, std::memory_order_release);
      }
      slow_.store(true, std::memory_order_relaxed);
      observer_.notice(kTimedOut);
      break;
    default:
      break;
  }
  const Access access = !writes            ? Access::kRead
                        : gate_ != nullptr ? Access::kLockedWrite
                                           : Access::kWrite;
  return status_of_errno(error, access);
}

}  // namespace tcmud::rbd
