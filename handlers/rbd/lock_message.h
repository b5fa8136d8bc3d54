// SPDX-License-Identifier: Apache-2.0
//
// What gateways to an image say to each other about its lock, by notifications of Ceph's.
//
// A message is "tcmu", a version, a kind, and fields of its kind: numbers big-endian, a text with
// its length before it. Who knows a later version appends fields; who knows an earlier one ignores
// them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tcmud::rbd {

struct LockMessage {
  enum class Kind : uint8_t {
    kWant = 1,  // the sender wants the lock: give it up, or say for how long you keep it
    kTaken = 2  // the sender has it now
  };
  Kind kind = Kind::kWant;
  int32_t group = -1;  // the target port group by which the sender is reached; -1 = not known
  std::string sender;  // as the lock's owner is called
  bool operator==(const LockMessage&) const = default;
};

struct LockAnswer {
  enum class Kind : uint8_t {
    kNotMine = 1,   // who answers does not have it
    kTaking = 2,    // who answers may be about to become its owner
    kHold = 3,      // who answers has it and keeps it for `wait_ms`
    kReleased = 4,  // who answers had it, and gave it up
    kFence = 5      // who answers has it and can't give it up: it is to be fenced
  };
  // Until whoever is taking the lock has it, or not.
  static constexpr uint32_t kTakingMs = 100;

  Kind kind = Kind::kNotMine;
  uint32_t wait_ms = 0;
  bool operator==(const LockAnswer&) const = default;
};

[[nodiscard]] std::string encode(const LockMessage& message);
[[nodiscard]] std::string encode(const LockAnswer& answer);
// Nothing: not a message of ours, or of a kind that we don't know.
[[nodiscard]] std::optional<LockMessage> decode_message(std::string_view bytes);
[[nodiscard]] std::optional<LockAnswer> decode_answer(std::string_view bytes);

// The image's metadata that tells which target port group leads to the lock's owner, as tcmu-runner
// and ceph-iscsi have it: "tcmu_tag=<group>,rbd_client=<owner>".
inline constexpr const char* kLockTagKey = "tcmu_rbd_locker_tag";
[[nodiscard]] std::string lock_tag(int32_t group, const std::string& owner);
// The group, if the tag is one of this owner; else -1.
[[nodiscard]] int32_t group_of_tag(std::string_view tag, std::string_view owner);

}  // namespace tcmud::rbd
