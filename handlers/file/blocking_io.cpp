// SPDX-License-Identifier: Apache-2.0
#include "blocking_io.h"

#include <cerrno>

#include "provisioning.h"
#include "transfer.h"

namespace tcmud::file {

Outcome BlockingIo::execute(const tcmud_request& request) {
  switch (request.op) {
    case TCMUD_OP_READ: {
      Cursor cursor;
      return transfer_all(system_, fd_, request, cursor, /*rwf_flags=*/0, direct_);
    }
    case TCMUD_OP_WRITE:
      return write(request);
    case TCMUD_OP_FLUSH:
      return flush();
    case TCMUD_OP_UNMAP:
      return discarder_.unmap(request);
    case TCMUD_OP_WRITE_ZEROES:
      return write_zeroes(request);
    case TCMUD_OP_LBA_STATUS:
      return lba_status(system_, fd_, request, block_size_);
    default:
      return {TCMUD_NOT_SUPPORTED};
  }
}

Outcome BlockingIo::write(const tcmud_request& request) {
  const bool fua = (request.flags & TCMUD_FLAG_FUA) != 0;
  Cursor cursor;
  const Outcome outcome = transfer_all(system_, fd_, request, cursor, fua ? RWF_DSYNC : 0, direct_);
  if (fua && outcome.status != TCMUD_OK) {
    sync_errors_.fua_failed(outcome.status);
  }
  return outcome;
}

Outcome BlockingIo::write_zeroes(const tcmud_request& request) {
  const Outcome outcome = discarder_.write_zeroes(request.offset, request.length,
                                                  (request.flags & TCMUD_FLAG_MAY_UNMAP) != 0);
  if (outcome.status == TCMUD_OK && (request.flags & TCMUD_FLAG_FUA) != 0) {
    return flush();
  }
  return outcome;
}

Outcome BlockingIo::flush() {
  const uint64_t ticket = sync_errors_.ticket();
  const std::lock_guard lock(flush_mutex_);
  int r;
  do {
    r = system_.fdatasync(fd_);
  } while (r == -EINTR);
  const int32_t left = sync_errors_.take_left_by_fua();
  const bool lost = sync_errors_.failed_since(ticket);
  if (r != 0) {
    sync_errors_.flush_failed();
    return {status_of_errno(-r, Direction::kWrite)};
  }
  return {lost ? int32_t{TCMUD_WRITE_ERROR} : left};
}

}  // namespace tcmud::file
