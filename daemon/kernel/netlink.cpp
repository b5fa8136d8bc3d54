// SPDX-License-Identifier: Apache-2.0
#include "kernel/netlink.h"

#include <cstring>
#include <mutex>

#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "base/log.h"
#include "kernel/abi.h"
#include "kernel/netlink_event.h"

namespace tcmud::kernel {
namespace {

constexpr const char* kFamily = "TCM-USER";
constexpr const char* kGroup = "config";
constexpr uint8_t kFamilyVersion = 2;
// An event takes under 1 KiB of it. The default, a few hundred KiB or less, is lost to a hundred
// LUNs created at once.
constexpr int kReceiveBuffer = 16 << 20;  // bytes
constexpr size_t kDatagram = 64 << 10;    // bytes; events are well below 1 KiB
// The kernel acknowledges before sendmsg returns; nobody should hang where it doesn't.
constexpr timeval kAcknowledgement = {.tv_sec = 5, .tv_usec = 0};

using Socket = std::unique_ptr<nl_sock, decltype([](nl_sock* s) { nl_socket_free(s); })>;
using Message = std::unique_ptr<nl_msg, decltype([](nl_msg* m) { nlmsg_free(m); })>;

Result<Socket> connect() {
  Socket socket(nl_socket_alloc());
  if (!socket) {
    return fail(ENOMEM, "no memory for a netlink socket");
  }
  if (const int error = genl_connect(socket.get()); error < 0) {
    return fail(EIO, "can't open a generic netlink socket: {}", nl_geterror(error));
  }
  ::fcntl(nl_socket_get_fd(socket.get()), F_SETFD, FD_CLOEXEC);
  return socket;
}

// Reads one datagram of the kernel's. Others may send to our address as well: theirs count as of
// size 0.
ssize_t receive(int fd, std::span<std::byte> buffer, int flags) {
  sockaddr_nl sender{};
  iovec iov = {buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_name = &sender;
  header.msg_namelen = sizeof sender;
  header.msg_iov = &iov;
  header.msg_iovlen = 1;
  const ssize_t got = ::recvmsg(fd, &header, flags);
  return got > 0 && (header.msg_namelen != sizeof sender || sender.nl_pid != 0) ? 0 : got;
}

Reply make_reply(const SendDone& send_done, uint8_t done, uint32_t device_id) {
  return Reply([send_done, done, device_id](int status) {
    // The kernel would take a positive one for the count of bytes written.
    send_done(done, device_id, status > 0 ? -status : status);
  });
}

// Calls `take(header, payload)` for each message of a datagram; ends at the first that is cut off.
template <class Take>
void for_each_message(std::span<const std::byte> datagram, const Take& take) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    nlmsghdr header{};
    std::memcpy(&header, datagram.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) {
      log::warning("", "netlink: a message says {} bytes and has {}", header.nlmsg_len,
                   datagram.size());
      return;
    }
    take(header, datagram.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN));
    datagram = datagram.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), datagram.size()));
  }
}

}  // namespace

// Sends requests and waits for their acknowledgements. Any thread.
class Netlink::Requests {
 public:
  Requests(Socket socket, uint16_t family) : socket_(std::move(socket)), family_(family) {}

  // 0 or a negative errno, the kernel's or our own.
  int done(uint8_t command, uint32_t device_id, int status) {
    Message message = begin(command);
    if (!message || nla_put_s32(message.get(), abi::kAttrStatus, status) < 0 ||
        nla_put_u32(message.get(), abi::kAttrDeviceId, device_id) < 0) {
      return -ENOMEM;
    }
    return transact(message.get());
  }

  int demand_replies() {
    Message message = begin(abi::kCmdSetFeatures);
    if (!message || nla_put_u8(message.get(), abi::kAttrReplies, 1) < 0) {
      return -ENOMEM;
    }
    return transact(message.get());
  }

 private:
  Message begin(uint8_t command) const {
    Message message(nlmsg_alloc());
    if (message && genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family_, 0, NLM_F_ACK,
                               command, kFamilyVersion) == nullptr) {
      message.reset();
    }
    return message;
  }

  int transact(nl_msg* message) {
    const std::lock_guard lock(mutex_);
    if (nl_send_auto(socket_.get(), message) < 0) {
      return errno != 0 ? -errno : -EIO;
    }
    const uint32_t sequence = nlmsg_hdr(message)->nlmsg_seq;
    std::byte buffer[4096];
    for (;;) {
      const ssize_t got = receive(nl_socket_get_fd(socket_.get()), buffer, 0);
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got < 0) {
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
      }
      // An acknowledgement that came too late for an earlier request is passed over.
      std::optional<int> answer;
      for_each_message({buffer, static_cast<size_t>(got)},
                       [&](const nlmsghdr& header, std::span<const std::byte> payload) {
                         int error = 0;
                         if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_seq == sequence &&
                             payload.size() >= sizeof error) {
                           std::memcpy(&error, payload.data(), sizeof error);
                           answer = error;
                         }
                       });
      if (answer) {
        return *answer;
      }
    }
  }

  std::mutex mutex_;  // guards the socket, from a request to its acknowledgement
  Socket socket_;
  uint16_t family_;
};

Netlink::Netlink(Fd events, uint16_t family, std::shared_ptr<Requests> requests)
    : events_(std::move(events)),
      family_(family),
      requests_(std::move(requests)),
      buffer_(new std::byte[kDatagram]) {}
Netlink::~Netlink() = default;

Result<std::unique_ptr<Netlink>> Netlink::open() {
  auto requests = connect();
  if (!requests) {
    return tl::unexpected(requests.error());
  }
  const int family = genl_ctrl_resolve(requests->get(), kFamily);
  const int group = family < 0 ? family : genl_ctrl_resolve_grp(requests->get(), kFamily, kGroup);
  if (group < 0) {
    return fail(ENOENT, "the kernel has no netlink family {} with group {} ({}); is {} loaded?",
                kFamily, kGroup, nl_geterror(group), "target_core_user");
  }
  ::setsockopt(nl_socket_get_fd(requests->get()), SOL_SOCKET, SO_RCVTIMEO, &kAcknowledgement,
               sizeof kAcknowledgement);

  // Not one of libnl's: it would want to see sequence numbers, and to read by itself.
  Fd events(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_GENERIC));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (!events.valid() ||
      ::bind(events.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    return fail(errno, "can't open a generic netlink socket: {}", std::strerror(errno));
  }
  if (::setsockopt(events.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer,
                   sizeof kReceiveBuffer) < 0 &&
      ::setsockopt(events.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer, sizeof kReceiveBuffer) <
          0) {
    log::warning("", "netlink: can't enlarge the receive buffer: {}", std::strerror(errno));
  }
  if (::setsockopt(events.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
    return fail(errno, "can't join the netlink group {} of {}: {}", kGroup, kFamily,
                std::strerror(errno));
  }
  auto shared = std::make_shared<Requests>(std::move(*requests), static_cast<uint16_t>(family));
  return std::unique_ptr<Netlink>(
      new Netlink(std::move(events), static_cast<uint16_t>(family), std::move(shared)));
}

SendDone Netlink::sender() const {
  return [requests = requests_](uint8_t command, uint32_t device_id, int status) {
    const int error = requests->done(command, device_id, status);
    if (error == -ENODEV) {
      // Nobody waits: the device was enabled before replies were demanded, or the wait was reset.
      log::debug("", "netlink: the kernel waits for no answer for device id {}", device_id);
    } else if (error != 0) {
      log::error("", "netlink: can't answer {} for device id {}: {}; who waits for it will hang",
                 status, device_id, std::strerror(-error));
    }
  };
}

Reply Netlink::reply_to_lost_added(uint32_t device_id) {
  return make_reply(sender(), abi::kCmdAddedDone, device_id);
}

Result<Netlink::Dispatched> Netlink::dispatch(const EventHandler& handler) {
  const SendDone send_done = sender();
  Dispatched result = Dispatched::kAll;
  for (;;) {
    const ssize_t got = receive(events_.get(), {buffer_.get(), kDatagram}, MSG_DONTWAIT);
    if (got >= 0) {
      dispatch_datagram({buffer_.get(), static_cast<size_t>(got)}, family_, send_done, handler);
    } else if (errno == ENOBUFS) {
      result = Dispatched::kLost;
    } else if (errno == EAGAIN) {
      return result;
    } else if (errno != EINTR) {
      return fail(errno, "netlink: {}", std::strerror(errno));
    }
  }
}

Result<void> Netlink::demand_replies() {
  if (const int error = requests_->demand_replies(); error != 0) {
    return fail(-error, "the kernel refuses to wait for answers to its events: {}",
                std::strerror(-error));
  }
  return {};
}

void dispatch_datagram(std::span<const std::byte> datagram, uint16_t family,
                       const SendDone& send_done, const EventHandler& handler) {
  for_each_message(datagram, [&](const nlmsghdr& header, std::span<const std::byte> payload) {
    if (header.nlmsg_type != family) {
      return;
    }
    auto event = decode_event(payload);
    if (event) {
      const uint8_t done = *done_command(std::to_integer<uint8_t>(payload[0]));
      event->reply = make_reply(send_done, done, event->device_id);
      handler(std::move(*event));
      return;
    }
    const BadMessage& bad = event.error();
    log::error("", "netlink: message {} can't be used: {}", bad.command, bad.error.message);
    if (const auto done = done_command(bad.command); done && bad.device_id) {
      send_done(*done, *bad.device_id, -bad.error.code);
    }
  });
}

}  // namespace tcmud::kernel
