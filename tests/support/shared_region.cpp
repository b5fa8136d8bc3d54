// SPDX-License-Identifier: Apache-2.0
#include "support/shared_region.h"

#include <cerrno>
#include <system_error>

#include <sys/mman.h>
#include <unistd.h>

#include "support/ring_layout.h"

namespace tcmud::test {

Mapping map_shared(int fd, size_t bytes) {
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "mmap of the device's shared memory");
  }
  return {base, bytes};
}

SharedRegion::SharedRegion(const Geometry& geometry) : geometry_(geometry) {
  memfd_ = Fd(::memfd_create("tcmu", MFD_CLOEXEC));
  if (!memfd_.valid() ||
      ::ftruncate(memfd_.get(), static_cast<off_t>(geometry_.map_bytes())) != 0) {
    throw std::system_error(errno, std::generic_category(), "memfd of the device's shared memory");
  }
  kernel_view_ = map_shared(memfd_.get(), geometry_.map_bytes());
  auto* mailbox = reinterpret_cast<layout::Mailbox*>(base());
  mailbox->version = layout::kMailboxVersion;
  mailbox->flags = geometry_.mailbox_flags;
  mailbox->cmdr_off = kMailboxSize;
  mailbox->cmdr_size = geometry_.command_ring_size();
}

Mapping SharedRegion::map_for_daemon() const {
  return map_shared(memfd_.get(), geometry_.map_bytes());
}

}  // namespace tcmud::test
