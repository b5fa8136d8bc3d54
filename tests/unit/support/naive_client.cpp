// SPDX-License-Identifier: Apache-2.0
#include "unit/support/naive_client.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/bytes.h"
#include "support/ring_layout.h"

namespace tcmud::test {
namespace {

constexpr uint32_t kRing = 128;

std::atomic_ref<uint32_t> word(std::byte* at) {
  return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(at));
}

template <class T>
T copy_from(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

void fill(std::span<const iovec> data, std::span<const uint8_t> from) {
  for (const iovec& part : data) {
    const size_t bytes = std::min(part.iov_len, from.size());
    std::copy_n(from.begin(), bytes, static_cast<uint8_t*>(part.iov_base));
    from = from.subspan(bytes);
  }
}

uint32_t NaiveClient::ring_size() {
  return copy_from<layout::Mailbox>(map()).cmdr_size;
}

std::vector<NaiveClient::Entry> NaiveClient::take() {
  std::vector<Entry> entries(ahead_.begin(), ahead_.end());
  ahead_.clear();
  const uint32_t head =
      word(map() + offsetof(layout::Mailbox, cmd_head)).load(std::memory_order_acquire);
  while (position_ != head) {
    const std::byte* at = map() + kRing + position_;
    const auto request = copy_from<layout::CommandRequest>(at);
    Entry entry;
    entry.offset = position_;
    entry.length = request.header.len_op & ~layout::kOpMask;
    entry.opcode = request.header.len_op & layout::kOpMask;
    entry.id = request.header.cmd_id;
    if (entry.opcode == layout::kOpTmr) {
      const auto tmr = copy_from<layout::Tmr>(at);
      entry.tmr_type = tmr.tmr_type;
      entry.tmr_ids.resize(tmr.cmd_cnt);
      std::copy_n(reinterpret_cast<const uint16_t*>(at + sizeof tmr), tmr.cmd_cnt,
                  entry.tmr_ids.begin());
    } else if (entry.opcode != layout::kOpPad) {
      const auto* iov = reinterpret_cast<const iovec*>(at + sizeof request);
      for (uint32_t i = 0; i < request.iov_cnt + request.iov_bidi_cnt; ++i) {
        auto& list = i < request.iov_cnt ? entry.data : entry.bidi_in;
        list.push_back({map() + reinterpret_cast<uintptr_t>(iov[i].iov_base), iov[i].iov_len});
      }
      const auto* cdb = reinterpret_cast<const uint8_t*>(map() + request.cdb_off);
      entry.cdb.assign(cdb, reinterpret_cast<const uint8_t*>(at) + entry.length);
    }
    position_ = (position_ + entry.length) % ring_size();
    entries.push_back(std::move(entry));
  }
  return entries;
}

NaiveClient::Entry NaiveClient::take_command() {
  auto entries = take();
  ahead_.assign(entries.begin(), entries.end());
  while (!ahead_.empty()) {
    Entry entry = std::move(ahead_.front());
    ahead_.pop_front();
    if (entry.opcode == layout::kOpCommand) {
      return entry;
    }
  }
  throw std::logic_error("no command in the ring");
}

void NaiveClient::write_answer(const Entry& slot, uint16_t id, const Answer& answer) {
  std::byte* at = map() + kRing + slot.offset;
  auto response = copy_from<layout::CommandResponse>(at);
  response.header.cmd_id = id;
  response.header.uflags = answer.uflags;
  response.scsi_status = answer.status;
  response.read_len = answer.read_length;
  std::memset(response.sense, 0, sizeof response.sense);
  std::copy(answer.sense.begin(), answer.sense.end(), response.sense);
  std::memcpy(at, &response, sizeof response);
}

void NaiveClient::set_tail(uint32_t tail) {
  word(map() + offsetof(layout::Mailbox, cmd_tail)).store(tail, std::memory_order_release);
}

void NaiveClient::complete(const Entry& entry, const Answer& answer) {
  write_answer(entry, entry.id, answer);
  pass(entry);
  kick();
}

NaiveClient::Answer NaiveClient::run(const Entry& entry, std::span<uint8_t> disk) {
  if (entry.opcode != layout::kOpCommand) {
    return {.uflags = layout::kFlagUnknownOp};
  }
  const uint8_t opcode = entry.cdb[0];
  if (opcode == 0x00) {
    return {};
  }
  if (opcode != 0x88 && opcode != 0x8a) {
    return {.status = 2, .sense = {0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20}};
  }
  const uint64_t offset = load_be64(&entry.cdb[2]) * 512;
  const uint64_t length = load_be32(&entry.cdb[10]) * uint64_t{512};
  if (offset + length > disk.size()) {
    return {.status = 2, .sense = {0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x21}};
  }
  uint8_t* at = disk.data() + offset;
  for (const iovec& part : entry.data) {
    if (opcode == 0x88) {
      std::memcpy(part.iov_base, at, part.iov_len);
    } else {
      std::memcpy(at, part.iov_base, part.iov_len);
    }
    at += part.iov_len;
  }
  return {};
}

size_t NaiveClient::serve(std::span<uint8_t> disk, bool out_of_order) {
  const std::vector<Entry> entries = take();
  std::vector<const Entry*> commands;
  for (const Entry& entry : entries) {
    if (entry.opcode != layout::kOpPad && entry.opcode != layout::kOpTmr) {
      commands.push_back(&entry);
    }
  }
  std::vector<const Entry*> order = commands;
  if (out_of_order) {
    std::reverse(order.begin(), order.end());
  }
  for (size_t i = 0; i < commands.size(); ++i) {
    write_answer(*commands[i], order[i]->id, run(*order[i], disk));
  }
  if (!entries.empty()) {
    pass(entries.back());
    kick();
  }
  return commands.size();
}

void NaiveClient::start(std::span<uint8_t> disk) {
  stop_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this, disk] {
    const Fd poller(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.fd = port_.event_fd.get();
    ::epoll_ctl(poller.get(), EPOLL_CTL_ADD, port_.event_fd.get(), &event);
    event.data.fd = stop_.get();
    ::epoll_ctl(poller.get(), EPOLL_CTL_ADD, stop_.get(), &event);
    do {
      serve(disk);
    } while (::epoll_wait(poller.get(), &event, 1, -1) < 0 ||
             (event.data.fd != stop_.get() && (event.events & EPOLLHUP) == 0));
  });
}

void NaiveClient::stop() {
  if (thread_.joinable()) {
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(stop_.get(), &one, sizeof one);
    thread_.join();
  }
}

}  // namespace tcmud::test
