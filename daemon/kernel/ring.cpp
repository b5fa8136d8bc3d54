// SPDX-License-Identifier: Apache-2.0
// The ring: taking entries in, putting answers out.
//
// Thread: the holder of the device's loop role, one at a time; hand-overs of the role order
// everything here. The other side of the shared memory is the kernel.
//
// Invariants, all offsets being bytes from the ring's start and multiples of 8:
//  - published <= filled <= parsed <= head in ring order, and the head never reaches `published`
//    from behind. The tail is only ever moved to `filled`, which only ever stands at the end of an
//    entry that next() validated.
//  - The shadow queue holds, from `filled` to `parsed`, each entry's length and what it is good for
//    as next() read them. They are never read again: from then on the memory is the answer's.
//  - Any answer may go into any command's slot (CAP_OOOC), so the oldest is always the one to fill,
//    and there are exactly as many kCommand slots as live commands. In order (no CAP_OOOC) an
//    answer waits until its own slot is the oldest.
//  - slot_of(id) is not 0 exactly while the command is owed an answer.
//  - After fail() nothing in shared memory is written any more.
#include "kernel/ring.h"

#include <bit>
#include <string>

#include <fmt/format.h>
#include <sys/mman.h>

#include "base/cache_line.h"
#include "base/mapping.h"
#include "kernel/ring_entry.h"

namespace tcmud::kernel {
namespace {

constexpr uint32_t kIds = 1U << 16;

// What a slot of the shadow queue is, in the bits that its length leaves free.
enum SlotKind : uint32_t {
  kPassed = 0,    // nothing to be written: PAD, TMR, unknown operation
  kCommand = 1,   // takes an answer
  kAnswered = 2,  // has its answer in `waiting`; in order only
  kKindMask = abi::kOpMask,
};

}  // namespace

struct Ring::State {
  Geometry geometry;
  std::byte* entries = nullptr;  // the ring itself
  // In the mailbox. `head` is loaded with acquire and pairs with the kernel's smp_store_release;
  // `tail` is stored with release, for the kernel to find answers and data-in complete.
  const uint32_t* head = nullptr;
  uint32_t* tail = nullptr;

  uint32_t known_head = 0;  // the head as last loaded and checked
  uint32_t parsed = 0;
  uint32_t filled = 0;
  uint32_t published = 0;
  bool looked = false;  // known_head is news to take_found()

  // The shadow queue; indices run freely and are masked.
  std::unique_ptr<uint32_t[]> shadow;
  uint32_t shadow_mask = 0;
  uint32_t first = 0;
  uint32_t end = 0;

  // By id: 1 + the masked index of the command's slot. Anonymous memory, so that ids never seen
  // cost nothing.
  Mapping live_table;
  uint32_t live = 0;
  uint32_t max_live = 0;

  bool out_of_order = false;
  bool can_tell_read_length = false;
  bool broken = false;
  std::string reason;
  std::vector<Completion> waiting;  // by masked index; in order only

  uint32_t& slot_of(uint16_t id) {
    return reinterpret_cast<uint32_t*>(live_table.bytes().data())[id];
  }

  template <class... Args>
  [[gnu::cold, gnu::noinline]] void fail(fmt::format_string<Args...> format, Args&&... args) {
    if (!broken) {
      broken = true;
      reason = fmt::format(format, std::forward<Args>(args)...);
    }
  }

  uint32_t behind(uint32_t position, uint32_t length) const {
    position += length;
    return position == geometry.ring_size ? 0 : position;
  }
  // How far `to` is ahead of `from`.
  uint32_t distance(uint32_t from, uint32_t to) const {
    return to >= from ? to - from : geometry.ring_size - from + to;
  }

  void push(uint32_t length, SlotKind kind) {
    shadow[end++ & shadow_mask] = length | kind;
    parsed = behind(parsed, length);
    prefetch();
  }
  // The next entry lies in the cache of the CPU that wrote it. It can come here while the handler
  // works on the one before; both lines at once, and for writing, as the answer goes there too.
  void prefetch() const {
    if (parsed != known_head) {
      const std::byte* next = entries + parsed;
      __builtin_prefetch(next, 1);
      __builtin_prefetch(next + kCacheLine, 1);
    }
  }
  void pop() { filled = behind(filled, shadow[first++ & shadow_mask] & ~kKindMask); }
  void pass_over() {
    while (first != end && (shadow[first & shadow_mask] & kKindMask) == kPassed) {
      pop();
    }
  }

  // Is there anything behind `parsed`? False also if the head makes no sense; then the ring is
  // broken.
  bool find_entries() {
    if (parsed != known_head) {
      return true;
    }
    const uint32_t now = __atomic_load_n(head, __ATOMIC_ACQUIRE);
    if (now == parsed) {
      return false;
    }
    if (now >= geometry.ring_size || now % abi::kEntryAlign != 0) {
      fail("cmd_head is {:#x}, in a ring of {:#x} bytes", now, geometry.ring_size);
      return false;
    }
    if (distance(published, now) < distance(published, parsed)) {
      fail("cmd_head went back to {:#x}, into entries taken up to {:#x}", now, parsed);
      return false;
    }
    known_head = now;
    looked = true;
    prefetch();
    return true;
  }

  // May a command of this id begin?
  bool check_id(uint16_t id) {
    if (id == 0 || slot_of(id) != 0) {
      fail("entry at {:#x} has cmd_id {}, which {}", parsed, id,
           id == 0 ? "no command has" : "is in use already");
      return false;
    }
    return true;
  }

  Result<void> start();
  Next take(std::span<iovec> iov, CommandEntry& command, TmrEntry& tmr);
};

// Takes head and tail as they are: everything between them is new to us. Never called with I/O
// under way.
Result<void> Ring::State::start() {
  const uint32_t now_tail = __atomic_load_n(tail, __ATOMIC_RELAXED);
  const uint32_t now_head = __atomic_load_n(head, __ATOMIC_ACQUIRE);
  for (const auto& [name, value] : {std::pair{"cmd_head", now_head}, {"cmd_tail", now_tail}}) {
    if (value >= geometry.ring_size || value % abi::kEntryAlign != 0) {
      return tcmud::fail(EPROTO, "the mailbox's {} is {:#x}, in a ring of {:#x} bytes", name, value,
                         geometry.ring_size);
    }
  }
  known_head = now_head;
  parsed = filled = published = now_tail;
  first = end = 0;
  if (live != 0) {
    // Anonymous memory given back reads as zero.
    const auto table = live_table.bytes();
    ::madvise(table.data(), table.size(), MADV_DONTNEED);
    live = 0;
  }
  broken = false;
  reason.clear();
  return {};
}

Result<std::unique_ptr<Ring>> Ring::attach(std::span<std::byte> map, uint32_t max_commands) {
  if (map.size() < abi::kMailboxSize ||
      reinterpret_cast<uintptr_t>(map.data()) % abi::kMailboxAlign != 0) {
    return fail(EPROTO, "a map of {} bytes at {} can't hold a mailbox", map.size(),
                static_cast<const void*>(map.data()));
  }
  const auto version = load_shared<uint16_t>(map.data() + abi::kMailboxVersionAt);
  if (version != uint16_t{abi::kMailboxVersion}) {
    return fail(EPROTO,
                "the mailbox has version {}, and only version {} is known; update the daemon",
                version, uint16_t{abi::kMailboxVersion});
  }
  const auto ring_offset = load_shared<uint32_t>(map.data() + abi::kMailboxRingAt);
  const auto ring_size = load_shared<uint32_t>(map.data() + abi::kMailboxRingSizeAt);
  const uint64_t data_offset = uint64_t{ring_offset} + ring_size;
  if (ring_offset < abi::kMailboxSize || ring_offset % abi::kMailboxAlign != 0 || ring_size == 0 ||
      ring_size % abi::kEntryAlign != 0 || data_offset > map.size() || data_offset > UINT32_MAX) {
    return fail(EPROTO, "the mailbox has a ring of {:#x} bytes at {:#x}, in a map of {:#x} bytes",
                ring_size, ring_offset, map.size());
  }
  if (max_commands == 0 || max_commands >= kIds) {
    return fail(EINVAL, "max_commands is {}, not in 1..{}", max_commands, kIds - 1);
  }

  auto state = std::make_unique<State>();
  state->geometry = {map.data(), map.size(), ring_offset, ring_size, data_offset};
  state->entries = map.data() + ring_offset;
  state->head = reinterpret_cast<const uint32_t*>(map.data() + abi::kMailboxHeadAt);
  state->tail = reinterpret_cast<uint32_t*>(map.data() + abi::kMailboxTailAt);
  const auto flags = load_shared<uint16_t>(map.data() + abi::kMailboxFlagsAt);
  state->out_of_order = (flags & abi::kCapOutOfOrder) != 0;
  state->can_tell_read_length = (flags & abi::kCapReadLength) != 0;

  // Room for PADs and TMRs too, which stay until the older commands before them are answered.
  const uint32_t slots = std::bit_ceil(2 * max_commands + 64);
  state->max_live = max_commands;
  state->shadow.reset(new uint32_t[slots]);
  state->shadow_mask = slots - 1;
  if (!state->out_of_order) {
    state->waiting.resize(slots);
  }
  const size_t table = kIds * sizeof(uint32_t);
  void* memory = ::mmap(nullptr, table, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return fail(ENOMEM, "no memory for the table of commands");
  }
  state->live_table = Mapping(memory, table);

  if (auto started = state->start(); !started) {
    return tl::unexpected(started.error());
  }
  return std::unique_ptr<Ring>(new Ring(std::move(state)));
}

Ring::Ring(std::unique_ptr<State> state) : state_(std::move(state)) {}
Ring::~Ring() = default;

// Takes the entry at `parsed`, with known_head != parsed. kEmpty: it is nothing that the caller
// must know of.
Ring::Next Ring::State::take(std::span<iovec> iov, CommandEntry& command, TmrEntry& tmr) {
  std::byte* entry = entries + parsed;
  // Entries don't wrap. All of these are multiples of 8, so there is room for a header.
  const uint32_t room = (known_head > parsed ? known_head : geometry.ring_size) - parsed;
  const auto len_op = load_shared<uint32_t>(entry + abi::kLengthOpAt);
  const uint32_t length = len_op & ~uint32_t{abi::kOpMask};
  if (length < abi::kHeaderSize || length > room) [[unlikely]] {
    fail("entry at {:#x} has length {:#x} of {:#x} bytes up to {} (len_op {:#x})", parsed, length,
         room, known_head > parsed ? "cmd_head" : "the ring's end", len_op);
    return Next::kBroken;
  }

  switch (len_op & abi::kOpMask) {
    case abi::kOpCommand: {
      const auto id = load_shared<uint16_t>(entry + abi::kIdAt);
      if (length < kMinCommandEntry) [[unlikely]] {
        fail("command entry at {:#x} has length {:#x}, less than {:#x}", parsed, length,
             kMinCommandEntry);
        return Next::kBroken;
      }
      if (!check_id(id)) [[unlikely]] {
        return Next::kBroken;
      }
      command.id = id;
      decode_command(geometry, geometry.ring_offset + parsed, length, iov, command);
      slot_of(id) = 1 + (end & shadow_mask);
      ++live;
      push(length, kCommand);
      return Next::kCommand;
    }
    case abi::kOpTmr:
      if (!decode_tmr(entry, length, tmr)) {
        fail("TMR entry at {:#x} has length {:#x}, too short for what it says", parsed, length);
        return Next::kBroken;
      }
      push(length, kPassed);
      return Next::kTmr;
    case abi::kOpPad:
      // The kernel writes one only to begin anew at 0.
      if (parsed + length != geometry.ring_size) {
        fail("PAD entry at {:#x} has length {:#x} and doesn't reach the ring's end at {:#x}",
             parsed, length, geometry.ring_size);
        return Next::kBroken;
      }
      push(length, kPassed);
      return Next::kEmpty;
    default: {
      // The kernel looks the id up when it comes by, as it does for a command.
      if (!check_id(load_shared<uint16_t>(entry + abi::kIdAt))) {
        return Next::kBroken;
      }
      const uint8_t flags = abi::kUserFlagUnknownOp;
      std::memcpy(entry + abi::kUserFlagsAt, &flags, sizeof flags);
      push(length, kPassed);
      return Next::kEmpty;
    }
  }
}

Ring::Next Ring::next(std::span<iovec> iov, CommandEntry& command, TmrEntry& tmr) {
  State& s = *state_;
  while (!s.broken && s.live < s.max_live && s.end - s.first <= s.shadow_mask && s.find_entries()) {
    const Next taken = s.take(iov, command, tmr);
    if (taken == Next::kCommand || taken == Next::kTmr) [[likely]] {
      return taken;
    }
  }
  return s.broken ? Next::kBroken : Next::kEmpty;
}

uint32_t Ring::take_found() {
  State& s = *state_;
  if (!s.looked || s.first == s.end) [[likely]] {
    return 0;
  }
  s.looked = false;
  // Entries of a load are alike: those to come are counted by the length of the last one.
  const uint32_t length = s.shadow[(s.end - 1) & s.shadow_mask] & ~kKindMask;
  return 1 + s.distance(s.parsed, s.known_head) / length;
}

bool Ring::has_work() const {
  const State& s = *state_;
  return s.parsed != s.known_head || s.parsed != __atomic_load_n(s.head, __ATOMIC_ACQUIRE);
}

bool Ring::complete(uint16_t id, const Completion& completion) {
  State& s = *state_;
  uint32_t& slot = s.slot_of(id);
  if (slot == 0) [[unlikely]] {
    s.fail("cmd_id {} was completed and is not live", id);
    return false;
  }
  const uint32_t index = slot - 1;
  slot = 0;
  --s.live;
  if (s.broken) [[unlikely]] {
    return false;
  }
  if (s.out_of_order) [[likely]] {
    s.pass_over();
    std::byte* entry = s.entries + s.filled;
    std::memcpy(entry + abi::kIdAt, &id, sizeof id);
    write_response(entry, completion, s.can_tell_read_length);
    s.pop();
    return true;
  }
  s.waiting[index] = completion;
  s.shadow[index] = (s.shadow[index] & ~kKindMask) | kAnswered;
  while (s.first != s.end && (s.shadow[s.first & s.shadow_mask] & kKindMask) != kCommand) {
    const uint32_t oldest = s.first & s.shadow_mask;
    if ((s.shadow[oldest] & kKindMask) == kAnswered) {
      write_response(s.entries + s.filled, s.waiting[oldest], s.can_tell_read_length);
    }
    s.pop();
  }
  return true;
}

bool Ring::publish() {
  State& s = *state_;
  if (s.broken) [[unlikely]] {
    return false;
  }
  s.pass_over();
  if (s.filled == s.published) {
    return false;
  }
  __atomic_store_n(s.tail, s.filled, __ATOMIC_RELEASE);
  s.published = s.filled;
  return true;
}

uint32_t Ring::live() const {
  return state_->live;
}
bool Ring::broken() const {
  return state_->broken;
}
const char* Ring::broken_reason() const {
  return state_->reason.c_str();
}
bool Ring::has_read_length() const {
  return state_->can_tell_read_length;
}
size_t Ring::data_area_size() const {
  return state_->geometry.map_size - state_->geometry.data_offset;
}

Result<void> Ring::reset() {
  State& s = *state_;
  if (const uint32_t tail = __atomic_load_n(s.tail, __ATOMIC_RELAXED); tail != 0) {
    s.fail("cmd_tail is {:#x} after a reset of the ring, not 0", tail);
    return fail(EPROTO, "the mailbox's cmd_tail is {:#x} after a reset of the ring, not 0", tail);
  }
  return s.start().map_error([&s](Error error) {
    s.fail("{}", error.message);
    return error;
  });
}

}  // namespace tcmud::kernel
