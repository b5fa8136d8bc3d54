// SPDX-License-Identifier: Apache-2.0
#include "ram_handler.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include <unistd.h>

namespace tcmud::test {

namespace {

RamControl* control = nullptr;

struct Disk {
  const tcmud_host* host = nullptr;
  std::mutex mutex;
  std::condition_variable came;
  std::deque<tcmud_request*> queue;
  bool ending = false;
  std::vector<std::thread> threads;
  uint64_t number = 0;
  uint64_t base = 0, size = 0;  // of its part of the data, bytes

  int32_t perform(tcmud_request& request) {
    ++control->requests;
    if (control->verdict) {
      if (const int32_t verdict = control->verdict(request); verdict != TCMUD_OK) {
        return verdict;
      }
    }
    if (control->verdict_of) {
      if (const int32_t verdict = control->verdict_of(number, request); verdict != TCMUD_OK) {
        return verdict;
      }
    }
    if (control->lock.used && request.op != TCMUD_OP_READ && request.op != TCMUD_OP_FLUSH &&
        control->lock_status().state != TCMUD_LOCK_ENABLED) {
      return TCMUD_NO_LOCK;
    }
    const std::lock_guard lock(control->mutex);
    uint8_t* const medium = control->data.data() + base;
    uint8_t* at = medium + request.offset;
    switch (request.op) {
      case TCMUD_OP_READ:
      case TCMUD_OP_WRITE:
        for (uint32_t i = 0; i < request.iovcnt; ++i) {
          const iovec& piece = request.iov[i];
          request.op == TCMUD_OP_READ ? std::memcpy(piece.iov_base, at, piece.iov_len)
                                      : std::memcpy(at, piece.iov_base, piece.iov_len);
          at += piece.iov_len;
        }
        control->writes += request.op == TCMUD_OP_WRITE;
        control->fua_writes += (request.flags & TCMUD_FLAG_FUA) != 0;
        return TCMUD_OK;
      case TCMUD_OP_FLUSH:
        ++control->flushes;
        return TCMUD_OK;
      case TCMUD_OP_UNMAP:
        ++control->unmaps;
        for (uint32_t i = 0; i < request.nranges; ++i) {
          std::memset(medium + request.ranges[i].offset, 0, request.ranges[i].length);
        }
        return TCMUD_OK;
      case TCMUD_OP_WRITE_ZEROES:
        ++control->zeroes;
        std::memset(at, 0, request.length);
        return TCMUD_OK;
      case TCMUD_OP_WRITE_SAME:
        for (uint64_t done = 0; done < request.length; done += request.iov[0].iov_len) {
          std::memcpy(at + done, request.iov[0].iov_base, request.iov[0].iov_len);
        }
        return TCMUD_OK;
      case TCMUD_OP_COMPARE_AND_WRITE: {
        ++control->compares;
        std::vector<uint8_t> both;
        for (uint32_t i = 0; i < request.iovcnt; ++i) {
          const auto* piece = static_cast<const uint8_t*>(request.iov[i].iov_base);
          both.insert(both.end(), piece, piece + request.iov[i].iov_len);
        }
        if (std::memcmp(at, both.data(), request.length) != 0) {
          return TCMUD_MISCOMPARE;
        }
        std::memcpy(at, both.data() + request.length, request.length);
        return TCMUD_OK;
      }
      default:
        return TCMUD_NOT_SUPPORTED;
    }
  }

  void serve() {
    std::unique_lock lock(mutex);
    while (true) {
      came.wait(lock, [this] { return ending || !queue.empty(); });
      if (queue.empty()) {
        return;
      }
      // The last first: completions come out of order.
      tcmud_request* request = queue.back();
      queue.pop_back();
      lock.unlock();
      const int32_t status = perform(*request);
      const bool twice = control->complete_twice;
      host->complete(request, status, TCMUD_NO_INFO);
      if (twice) {
        host->complete(request, status, TCMUD_NO_INFO);
      }
      --control->queued;
      lock.lock();
    }
  }
};

int32_t ram_open(const tcmud_open_args* args, void** handle, char* why, size_t why_size) {
  if (control->open_verdict) {
    if (const int32_t verdict = control->open_verdict(); verdict != 0) {
      std::snprintf(why, why_size, "%s", "the test said no");
      return verdict;
    }
  }
  auto disk = std::make_unique<Disk>();
  disk->host = args->host;
  {
    const std::lock_guard lock(control->mutex);
    disk->number = control->opened;
    disk->base = control->separate ? control->data.size() : 0;
    disk->size = args->lun_size;
    control->data.resize(std::max(control->data.size(), disk->base + disk->size));
  }
  if (control->model == RamControl::Model::kThreaded) {
    for (int i = 0; i < 2; ++i) {
      disk->threads.emplace_back([d = disk.get()] { d->serve(); });
    }
  }
  ++control->opened;
  const auto tell = [host = args->host, device = args->device](tcmud_event what) {
    host->event(device, what);
  };
  {
    const std::lock_guard lock(control->lock.mutex);
    control->lock.tell = [tell] { tell(TCMUD_EVENT_LOCK); };
  }
  control->tell_resized = [tell] { tell(TCMUD_EVENT_RESIZED); };
  control->tell_state = [host = args->host, device = args->device](tcmud_backend_state state,
                                                                   const char* why) {
    host->backend_state(device, state, why);
  };
  *handle = disk.release();
  return 0;
}

void ram_get_props(void* handle, tcmud_props* props) {
  const bool pool = control->model == RamControl::Model::kPool;
  props->model = pool ? TCMUD_MODEL_BLOCKING : TCMUD_MODEL_ASYNC;
  props->threads = pool ? control->threads : 0;
  const std::lock_guard lock(control->mutex);
  props->lun_size = control->separate ? static_cast<Disk*>(handle)->size : control->data.size();
  props->fua = control->fua;
  props->flush = control->flush;
  props->unmap = control->unmap;
  props->write_zeroes = control->write_zeroes;
  props->write_same = control->write_same;
  props->compare_and_write = control->compare_and_write_unit != 0 ? TCMUD_NATIVE : TCMUD_EMULATE;
  props->compare_and_write_unit = control->compare_and_write_unit;
  props->write_cache = control->write_cache;
  props->unmap_zeroes = 1;
  props->max_unmap_ranges = control->max_unmap_ranges;
  props->max_write_zeroes_length = control->max_write_zeroes;
  props->lock = control->lock.used;
  props->event_fd = pool ? -1 : control->event_fd;
}

uint32_t ram_reap(void*) {
  uint64_t calls = 0;
  if (control->event_fd >= 0 && ::read(control->event_fd, &calls, sizeof calls) == sizeof calls) {
    control->heard += calls;
  }
  return 0;  // requests done
}

int32_t ram_submit(void* handle, tcmud_request* request) {
  auto* disk = static_cast<Disk*>(handle);
  if (control->model != RamControl::Model::kThreaded) {
    return disk->perform(*request);
  }
  const std::lock_guard lock(disk->mutex);
  disk->queue.push_back(request);
  ++control->queued;
  disk->came.notify_one();
  return TCMUD_QUEUED;
}

int32_t ram_resize(void*, uint64_t size, char*, size_t) {
  const std::lock_guard lock(control->mutex);
  control->data.resize(size);
  return 0;
}

void ram_close(void* handle) {
  const std::unique_ptr<Disk> disk(static_cast<Disk*>(handle));
  {
    const std::lock_guard lock(disk->mutex);
    disk->ending = true;
  }
  disk->came.notify_all();
  for (std::thread& thread : disk->threads) {
    thread.join();
  }
  ++control->closed;
}

void ram_acquire(void*, int32_t group) {
  bool grants = false;
  {
    const std::lock_guard lock(control->lock.mutex);
    ++control->lock.acquires;
    control->lock.asked_for_group = group;
    grants = control->lock.grants;
  }
  if (grants) {
    control->move_lock(TCMUD_LOCK_ACQUIRED, -1, true);
  }
}

void ram_enable(void*) {
  const std::lock_guard lock(control->lock.mutex);
  ++control->lock.enables;
  if (control->lock.status.state == TCMUD_LOCK_ACQUIRED) {
    control->lock.status.state = TCMUD_LOCK_ENABLED;
  }
}

void ram_release(void*) {
  {
    const std::lock_guard lock(control->lock.mutex);
    ++control->lock.releases;
  }
  control->move_lock(TCMUD_LOCK_FREE);
}

void ram_get_lock_status(void*, tcmud_lock_status* status) {
  *status = control->lock_status();
  status->size = sizeof *status;
}

const void* ram_get_extension(const char* name, uint32_t version) {
  static constexpr tcmud_lock kLock = {.size = sizeof(tcmud_lock),
                                       .reserved_ = 0,
                                       .acquire = ram_acquire,
                                       .enable = ram_enable,
                                       .release = ram_release,
                                       .get_status = ram_get_lock_status};
  return std::string_view(name) == TCMUD_LOCK_EXTENSION && version == TCMUD_LOCK_VERSION ? &kLock
                                                                                         : nullptr;
}

void ram_set_command_timeout(void*, uint32_t seconds) {
  control->command_timeout = seconds;
}

constexpr tcmud_handler kRam = {
    .size = sizeof(tcmud_handler),
    .abi = TCMUD_ABI,
    .subtype = "ram",
    .description = "memory, as a test wants it",
    .config_help = "anything",
    .ctx_size = 16,
    .reserved_ = 0,
    .check_config = nullptr,
    .open = ram_open,
    .get_props = ram_get_props,
    .submit = ram_submit,
    .flush_batch = nullptr,
    .reap = ram_reap,
    .cancel = nullptr,
    .resize = ram_resize,
    .close = ram_close,
    .get_extension = ram_get_extension,
    .set_command_timeout = ram_set_command_timeout,
};

}  // namespace

void RamControl::move_lock(uint32_t state, int32_t group, bool attempt_ends) {
  std::function<void()> tell;
  {
    const std::lock_guard guard(lock.mutex);
    lock.status.state = state;
    lock.status.group = group;
    lock.status.attempts += attempt_ends;
    tell = lock.tell;
  }
  tell();
}

tcmud_lock_status RamControl::lock_status() {
  const std::lock_guard guard(lock.mutex);
  return lock.status;
}

const tcmud_handler& ram_handler(RamControl& wanted) {
  control = &wanted;
  return kRam;
}

}  // namespace tcmud::test
