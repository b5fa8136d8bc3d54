// SPDX-License-Identifier: Apache-2.0
#include "rbd_lock_client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "notification.h"

namespace tcmud::rbd {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kAnswerTime(3000);   // for an owner to answer; then it is taken for dead
constexpr milliseconds kLongestAsk(6000);   // the cluster itself does not answer
constexpr milliseconds kLook(200);          // how often to see whether the lock was released
constexpr uint32_t kWatchSeconds = 15;      // a client that is gone is waited for no longer
constexpr uint32_t kFencedSeconds = 86400;  // for how long a broken owner is kept out

}  // namespace

RbdLockClient::RbdLockClient(const Ceph& ceph, rados_t cluster, const Image& image,
                             const std::string& name, const Io& io, Observer& observer)
    : ceph_(ceph),
      cluster_(cluster),
      image_(image),
      object_("rbd_id." + name),
      io_(io),
      observer_(observer),
      instance_(ceph.get_instance_id(cluster)) {
  char* address = nullptr;
  if (ceph_.getaddrs(cluster_, &address) >= 0 && address != nullptr) {
    address_ = address;
    ceph_.buffer_free(address);
  }
}

RbdLockClient::~RbdLockClient() {
  unwatch();
}

int RbdLockClient::checked(int r) {
  if (r == -ESHUTDOWN) {
    observer_.notice(kFenced);
  }
  return r;
}

int RbdLockClient::is_owner(bool& yes) {
  int owner = 0;
  const int r = checked(ceph_.is_exclusive_lock_owner(image_.handle(), &owner));
  yes = r >= 0 && owner != 0;
  return r;
}

int RbdLockClient::owner(std::string& address) {
  rbd_lock_mode_t mode = RBD_LOCK_MODE_EXCLUSIVE;
  std::array<char*, 8> owners{};
  size_t count = owners.size();
  const int r = checked(ceph_.lock_get_owners(image_.handle(), &mode, owners.data(), &count));
  address.clear();
  if (r == -ENOENT) {
    return 0;
  }
  if (r < 0) {
    return r;
  }
  if (count > 0) {
    address = owners[0];
    ceph_.lock_get_owners_cleanup(owners.data(), count);
  }
  return 0;
}

int RbdLockClient::acquire() {
  return checked(ceph_.lock_acquire(image_.handle(), RBD_LOCK_MODE_EXCLUSIVE));
}

// The owner before us may have been fenced by a third client, who knows a newer map of the cluster
// than we do: an OSD refuses the fenced one's writes only when it has that map, and gets it from us
// at the latest.
int RbdLockClient::await_fences() {
  return checked(ceph_.wait_for_latest_osdmap(cluster_));
}

int RbdLockClient::release() {
  return checked(ceph_.lock_release(image_.handle()));
}

int RbdLockClient::break_lock(const std::string& owner) {
  const int r = checked(ceph_.lock_break(image_.handle(), RBD_LOCK_MODE_EXCLUSIVE, owner.c_str()));
  if (r >= 0) {
    // It is fenced, but by default for an hour only, and a host can be paused for longer.
    std::string address = owner;
    (void)ceph_.blocklist_add(cluster_, address.data(), kFencedSeconds);
  }
  return r;
}

int RbdLockClient::get_tag(std::string& tag) {
  std::array<char, 512> value{};
  size_t size = value.size();
  const int r = checked(ceph_.metadata_get(image_.handle(), kLockTagKey, value.data(), &size));
  if (r >= 0) {
    value.back() = '\0';
    tag = value.data();
  }
  return r;
}

int RbdLockClient::set_tag(const std::string& tag) {
  return checked(ceph_.metadata_set(image_.handle(), kLockTagKey, tag.c_str()));
}

int RbdLockClient::listen(LockListener& listener) {
  unwatch();
  listener_ = &listener;
  const int r = checked(ceph_.watch3(image_.pool(), object_.c_str(), &watch_, notified,
                                     watch_failed, kWatchSeconds, this));
  watching_ = r >= 0;
  return r;
}

void RbdLockClient::unwatch() {
  if (std::exchange(watching_, false)) {
    (void)ceph_.unwatch2(image_.pool(), watch_);
    // Waits for callbacks that are under way: none of them waits for anything.
    (void)ceph_.watch_flush(cluster_);
  }
}

void RbdLockClient::notified(void* arg, uint64_t id, uint64_t watch, uint64_t notifier, void* data,
                             size_t size) {
  auto& self = *static_cast<RbdLockClient*>(arg);
  const LockQuestion question{id, watch};
  const auto message = decode_message({static_cast<const char*>(data), size});
  if (message && notifier != self.instance_) {
    if (message->kind == LockMessage::Kind::kWant) {
      self.listener_->asked(self, question);
      return;
    }
    self.listener_->told(*message);
  }
  self.answer(question, {});
}

void RbdLockClient::watch_failed(void* arg, uint64_t, int error) {
  auto& self = *static_cast<RbdLockClient*>(arg);
  (void)self.checked(error);
  self.listener_->deaf();
}

int RbdLockClient::ask(const LockMessage& message, std::vector<LockAnswer>& answers) {
  std::string before;
  int r = owner(before);
  if (r < 0) {
    return r;
  }
  const Clock::time_point begin = Clock::now();
  const auto notification =
      Notification::send(ceph_, image_.pool(), object_, encode(message), kAnswerTime, r);
  if (notification == nullptr) {
    return checked(r);
  }
  // Whoever is dead is waited for; meanwhile the owner may have let go long ago.
  while (!notification->wait(kLook)) {
    if (Clock::now() - begin > kLongestAsk) {
      return -ETIMEDOUT;
    }
    std::string now;
    if (owner(now) >= 0 && now != before) {
      answers.push_back({LockAnswer::Kind::kReleased, 0});
      return 0;
    }
  }
  std::vector<std::string> payloads;
  r = checked(notification->answers(payloads));
  if (r < 0) {
    return r;
  }
  const auto took = std::chrono::floor<milliseconds>(Clock::now() - begin).count();
  for (const std::string& payload : payloads) {
    if (auto answer = decode_answer(payload)) {
      // It was given soon, and delivered when all had answered.
      answer->wait_ms = static_cast<uint32_t>(std::max<int64_t>(answer->wait_ms - took, 0));
      answers.push_back(*answer);
    }
  }
  return 0;
}

void RbdLockClient::tell(const LockMessage& message) {
  int ignored = 0;
  (void)Notification::send(ceph_, image_.pool(), object_, encode(message), kAnswerTime, ignored);
}

void RbdLockClient::answer(const LockQuestion& question, const LockAnswer& answer) {
  const std::string bytes = encode(answer);
  (void)ceph_.notify_ack(image_.pool(), object_.c_str(), question.id, question.watch, bytes.data(),
                         static_cast<int>(bytes.size()));
}

int RbdLockClient::fence_self() {
  std::string address = address_;
  return ceph_.blocklist_add(cluster_, address.data(), 0);
}

}  // namespace tcmud::rbd
