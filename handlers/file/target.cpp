// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lock.h"

namespace tcmud::file {
namespace {

constexpr uint32_t kMaxPhysicalBlock = 64 * 1024;
constexpr uint32_t kPageSize = 4096;

std::string quantity(uint64_t bytes) {
  return std::to_string(bytes) + " bytes";
}

api::Refusal cannot(const char* what, const std::string& path, int error, const char* remedy) {
  return {error,
          std::string("file: cannot ") + what + " " + path + ": " + std::strerror(error) + remedy};
}

// Why a file of this type cannot be a LUN; nothing for regular files and block devices.
std::optional<api::Refusal> wrong_type(const std::string& path, mode_t mode) {
  if (S_ISREG(mode) || S_ISBLK(mode)) {
    return std::nullopt;
  }
  return api::Refusal{S_ISDIR(mode) ? EISDIR : EINVAL,
                      "file: " + path + (S_ISDIR(mode) ? " is a directory" : " is a special file") +
                          "; name a regular file or a block device"};
}

// A number under /sys/dev/block/<major>:<minor>/queue, for a partition of its disk's; 0 if there is
// none.
uint64_t queue_attribute(uint64_t device, const char* name) {
  const std::string base =
      "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device)) + "/";
  for (const char* queue : {"queue/", "../queue/"}) {
    std::ifstream in(base + queue + name);
    uint64_t value = 0;
    if (in >> value) {
      return value;
    }
  }
  return 0;
}

// The power of two in [block_size, kMaxPhysicalBlock] at or below `size`.
uint32_t physical_size(uint64_t size, uint32_t block_size) {
  uint32_t result = block_size;
  while (uint64_t{result} * 2 <= std::min<uint64_t>(size, kMaxPhysicalBlock)) {
    result *= 2;
  }
  return result;
}

}  // namespace

std::optional<api::Refusal> check_path(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) {
    return std::nullopt;
  }
  return wrong_type(path, st.st_mode);
}

Target::Target(Fd fd, const Options& options, uint32_t block_size)
    : fd_(std::move(fd)), options_(options), block_size_(block_size) {}

Target::~Target() {
  if (locked_ && fd_.get() >= 0) {
    unlock_image(fd_.get());
  }
}

api::Result<Target> Target::open(const Options& options, uint64_t lun_size, uint32_t block_size,
                                 const System& system) {
  const std::string& path = options.path;
  struct stat st;
  const bool exists = ::stat(path.c_str(), &st) == 0;
  if (exists) {
    if (auto refusal = wrong_type(path, st.st_mode)) {
      return *refusal;
    }
  }
  // O_NONBLOCK: should the file become a FIFO meanwhile, the open must not wait for its other end.
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  flags |= options.read_only ? O_RDONLY : O_RDWR;
  flags |= options.direct ? O_DIRECT : 0;
  flags |= options.create && !exists ? O_CREAT | O_EXCL : 0;  // what we may unlink is ours
  if (exists && S_ISBLK(st.st_mode) && !options.read_only) {
    flags |= O_EXCL;  // refused while mounted, or part of a RAID or LVM
  }
  Fd fd(::open(path.c_str(), flags, 0600));
  if (fd.get() < 0) {
    const int error = errno;
    const char* remedy = "";
    if (error == ENOENT) {
      remedy = options.create ? "; make its directory first"
                              : "; make the file first (truncate -s), or add ;create";
    } else if (error == EEXIST) {
      remedy = " meanwhile; try again";
    } else if (error == EBUSY) {
      remedy = "; it is mounted, part of another device, or another LUN: release it first";
    } else if (error == EINVAL && options.direct) {
      remedy = "; its file system has no O_DIRECT: drop ;direct";
    } else if (error == EROFS || error == EACCES || error == EPERM) {
      remedy = "; make it writable, or add ;readonly";
    }
    return cannot("open", path, error, remedy);
  }
  Target target(std::move(fd), options, block_size);
  std::optional<api::Refusal> refusal = target.prepare(lun_size, system);
  if (refusal) {
    if (!exists && options.create && refusal->code != EAGAIN) {
      ::unlink(path.c_str());
    }
    return *refusal;
  }
  return target;
}

std::optional<api::Refusal> Target::prepare(uint64_t lun_size, const System& system) {
  struct stat st;
  if (::fstat(fd(), &st) != 0) {
    return cannot("examine", path(), errno, "");
  }
  if (auto refusal = wrong_type(path(), st.st_mode)) {
    return refusal;
  }
  const int flags = ::fcntl(fd(), F_GETFL);
  if (flags < 0 || ::fcntl(fd(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return cannot("prepare", path(), errno, "");
  }
  block_device_ = S_ISBLK(st.st_mode);
  device_ = block_device_ ? st.st_rdev : st.st_dev;
  if (options_.lock) {
    const Access access = options_.read_only ? Access::kReader : Access::kWriter;
    if (auto refusal = lock_image(fd(), access, path())) {
      return refusal;
    }
    locked_ = true;
  }
  const api::Result<uint64_t> size = current_size();
  if (!size) {
    return size.refusal();
  }
  if (!block_device_) {
    if (auto refusal = fit_regular(*size, lun_size, options_.create && *size == 0)) {
      return refusal;
    }
    size_ = lun_size;
    learn_regular(system);
  } else if (*size < lun_size) {
    return api::Refusal{EINVAL, "file: " + path() + " has " + quantity(*size) +
                                    ", fewer than the LUN's " + quantity(lun_size) +
                                    "; set dev_size to at most that"};
  } else {
    size_ = *size;
    learn_block();
  }
  rotational_ = queue_attribute(device_, "rotational") != 0;
  return options_.direct ? check_alignment() : std::nullopt;
}

api::Result<uint64_t> Target::current_size() const {
  if (block_device_) {
    uint64_t size = 0;
    if (::ioctl(fd(), BLKGETSIZE64, &size) != 0) {
      return cannot("ask the size of", path(), errno, "");
    }
    return size;
  }
  struct stat st;
  if (::fstat(fd(), &st) != 0) {
    return cannot("ask the size of", path(), errno, "");
  }
  return static_cast<uint64_t>(st.st_size);
}

std::optional<api::Refusal> Target::fit_regular(uint64_t size, uint64_t lun_size,
                                                bool may_grow) const {
  if (size == lun_size) {
    return std::nullopt;
  }
  if (size < lun_size && may_grow) {
    if (::ftruncate(fd(), static_cast<off_t>(lun_size)) != 0) {
      return cannot("grow", path(), errno, "");
    }
    return std::nullopt;
  }
  return api::Refusal{EINVAL, "file: " + path() + " has " + quantity(size) + " where the LUN has " +
                                  quantity(lun_size) +
                                  "; set dev_size to the file's size, or truncate -s " +
                                  std::to_string(lun_size) + " the file" +
                                  (size > lun_size ? " (which cuts off what lies behind)" : "")};
}

std::optional<api::Refusal> Target::resize(uint64_t lun_size) {
  const api::Result<uint64_t> size = current_size();
  if (!size) {
    return size.refusal();
  }
  if (!block_device_) {
    if (auto refusal = fit_regular(*size, lun_size, options_.create)) {
      return refusal;
    }
    size_ = lun_size;
    return std::nullopt;
  }
  if (*size < lun_size) {
    return api::Refusal{EINVAL, "file: " + path() + " has " + quantity(*size) +
                                    ", fewer than the LUN's new " + quantity(lun_size) +
                                    "; grow the device first"};
  }
  size_ = *size;
  return std::nullopt;
}

void Target::learn_regular(const System& system) {
  struct stat st;
  const uint32_t io_size =
      ::fstat(fd(), &st) == 0 ? static_cast<uint32_t>(st.st_blksize) : kPageSize;
  // st_blksize is the preferred transfer of a network file system, not what it writes at least.
  physical_block_size_ = physical_size(std::min(io_size, kPageSize), block_size_);
  discard_granularity_ = physical_block_size_;
  if (options_.read_only || !options_.discard) {
    return;
  }
  // Behind the end there is nothing to punch: this asks the file system and changes nothing.
  const auto behind = static_cast<off_t>((size_ + kPageSize - 1) / kPageSize * kPageSize);
  const int r =
      system.fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, behind, kPageSize);
  discard_.unmap = r == 0 ? UnmapBy::kPunchHole : UnmapBy::kNothing;
}

void Target::learn_block() {
  unsigned int physical = 0;
  unsigned int optimal = 0;
  if (::ioctl(fd(), BLKPBSZGET, &physical) != 0) {
    physical = 0;
  }
  if (::ioctl(fd(), BLKIOOPT, &optimal) != 0) {
    optimal = 0;
  }
  physical_block_size_ = physical_size(physical, block_size_);
  optimal_io_size_ = optimal;
  discard_granularity_ = queue_attribute(device_, "discard_granularity");
  if (options_.read_only || !options_.discard ||
      queue_attribute(device_, "discard_max_bytes") == 0) {
    return;
  }
  discard_.unmap = queue_attribute(device_, "write_zeroes_max_bytes") != 0 ? UnmapBy::kPunchHole
                                                                           : UnmapBy::kDiscard;
}

std::optional<api::Refusal> Target::check_alignment() const {
  uint32_t needed = 0;
#ifdef STATX_DIOALIGN
  struct statx stx;
  if (::statx(fd(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
      (stx.stx_mask & STATX_DIOALIGN) != 0) {
    needed = std::max(stx.stx_dio_offset_align, stx.stx_dio_mem_align);
  }
#endif
  int sector = 0;
  if (block_device_ && ::ioctl(fd(), BLKSSZGET, &sector) == 0) {
    needed = std::max(needed, static_cast<uint32_t>(sector));
  }
  bool fits = needed <= block_size_;
  if (fits && size_ >= 2 * uint64_t{block_size_}) {
    // The proof: one block, as badly aligned as a request may be.
    struct Free {
      void operator()(char* p) const { std::free(p); }
    };
    const std::unique_ptr<char, Free> buffer(
        static_cast<char*>(std::aligned_alloc(kPageSize, 4 * kPageSize)));
    if (buffer == nullptr) {
      return api::Refusal{ENOMEM, "file: out of memory"};
    }
    fits =
        ::pread(fd(), buffer.get() + block_size_, block_size_, block_size_) >= 0 || errno != EINVAL;
  }
  if (fits) {
    return std::nullopt;
  }
  return api::Refusal{EINVAL, "file: O_DIRECT on " + path() + " needs blocks of " +
                                  (needed > block_size_ ? quantity(needed) : "more bytes") +
                                  ", the LUN has " + quantity(block_size_) +
                                  "; set hw_block_size to that, or drop ;direct"};
}

void Target::fill_props(tcmud_props& props) const {
  props.lun_size = size_;
  props.fua = TCMUD_NATIVE;
  props.flush = TCMUD_NATIVE;
  props.unmap = discard_.unmap == UnmapBy::kNothing ? TCMUD_NONE : TCMUD_NATIVE;
  props.write_zeroes = TCMUD_NATIVE;
  props.write_same = TCMUD_EMULATE;
  props.compare_and_write = TCMUD_EMULATE;
  props.read_only = options_.read_only ? 1 : 0;
  props.rotational = rotational_ ? 1 : 0;
  props.write_cache = 1;  // the page cache, or with O_DIRECT that of the device
  props.unmap_zeroes = discard_.unmap == UnmapBy::kPunchHole ? 1 : 0;
  props.thin = discard_.unmap != UnmapBy::kNothing ? 1 : 0;
  props.physical_block_size = physical_block_size_;
  props.optimal_io_size = optimal_io_size_;
  props.max_unmap_ranges = 256;
  // Zeroing may turn out to be writing: bounded, so that one request does not hold others up for
  // long.
  props.max_write_zeroes_length = 64u << 20;
  props.unmap_granularity = discard_granularity_;
  // Where nothing can be given back, everything counts as mapped.
  props.lba_status =
      discard_.unmap != UnmapBy::kNothing && !block_device_ ? TCMUD_NATIVE : TCMUD_NONE;
}

}  // namespace tcmud::file
