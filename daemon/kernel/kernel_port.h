// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "kernel/uio_port.h"

namespace tcmud::kernel {

// What a UIO name "tcm-user/<hba>/<name>/<subtype>/<config>" says. The configuration may be empty
// or contain '/'.
struct DeviceName {
  uint32_t hba = 0;
  std::string name;
  std::string subtype;  // up to the first '/' of dev_config; all of it where there is none
  std::string config;   // behind that '/', verbatim

  // "user_<hba>/<name>": how log, D-Bus and people name the LUN; also its path below configfs
  // core/.
  [[nodiscard]] std::string lun() const { return "user_" + std::to_string(hba) + "/" + name; }
  bool operator==(const DeviceName&) const = default;
};

// nullopt: not a TCMU device (other UIO drivers exist).
[[nodiscard]] std::optional<DeviceName> parse_uio_name(std::string_view uio_name);

// The one answer that a netlink event is owed: status 0 or a negative errno, with the type that
// belongs to the event. Sent exactly once: by send(), or with -EIO by the destructor of one that
// was never sent. Any thread.
class Reply {
 public:
  using Sender = std::function<void(int status)>;
  Reply() = default;  // owes nothing
  explicit Reply(Sender sender) : sender_(std::move(sender)) {}
  Reply(Reply&& other) noexcept : sender_(std::exchange(other.sender_, nullptr)) {}
  Reply& operator=(Reply&& other) noexcept {
    if (this != &other) {
      send(-EIO);
      sender_ = std::exchange(other.sender_, nullptr);
    }
    return *this;
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;
  ~Reply() { send(-EIO); }

  // A second call does nothing.
  void send(int status) {
    if (auto sender = std::exchange(sender_, nullptr)) {
      sender(status);
    }
  }
  // For an event of somebody else's device, which another daemon answers.
  void leave_to_another_daemon() { sender_ = nullptr; }

 private:
  Sender sender_;
};

struct ConfigChange {
  std::string dev_config;  // whole: "<subtype>/<config>"
};
struct SizeChange {
  uint64_t bytes = 0;
};
struct WriteCacheChange {
  bool enabled = false;
};
using Change = std::variant<ConfigChange, SizeChange, WriteCacheChange>;

struct DeviceAdded {};
struct DeviceRemoved {};
struct DeviceReconfigured {
  Change change;
};

// One message of the TCM-USER netlink family.
struct Event {
  DeviceName device;
  uint32_t minor = 0;      // of uioN
  uint32_t device_id = 0;  // the kernel's own number, for replies
  std::variant<DeviceAdded, DeviceRemoved, DeviceReconfigured> what;
  Reply reply;
};

class FabricTree;

struct FoundDevice {
  DeviceName device;
  uint32_t minor = 0;
};

// How often something that initiators are told may have changed in configfs. Counted on the main
// thread, read on any: a LUN that reads configfs again looks at it before.
using ChangeCount = std::atomic<uint64_t>;

// A device's directory in configfs, held open. While the kernel waits for a REMOVED reply, the
// directory is locked, and whoever looks up a path that leads through it sleeps until the reply is
// there: for ever, if the reply waits for him. What is below attrib/, wwn/, alua/ and action/ is
// reached without it, at any time, and is no longer there during the removal (ENOENT). Blocks, but
// not for long; any thread, one at a time.
class DeviceDirectory {
 public:
  virtual ~DeviceDirectory() = default;
  [[nodiscard]] virtual const DeviceName& device() const = 0;

  // "attrib/hw_block_size", "wwn/vpd_unit_serial"; trailing newline and padding removed. A path
  // that begins with none of those four waits for a removal's end.
  virtual Result<std::string> read(std::string_view path) = 0;
  virtual Result<void> write(std::string_view path, std::string_view value) = 0;

  // The target port groups of the device: the directories of alua/. A kernel that says nothing of
  // them has none.
  virtual Result<std::vector<std::string>> list_port_groups();

  // From now on `changes` grows whenever wwn/ or alua/ of the device changes, or a port of any
  // fabric; not for groups that are made later, so that it is to be called again before each
  // reading. An error: it may not grow.
  virtual Result<void> watch(const std::shared_ptr<ChangeCount>& changes);
};

// Numbers as configfs prints them.
Result<uint64_t> read_number(DeviceDirectory& directory, std::string_view path);

// Everything the kernel shows us, as seen by the rest of the daemon: implemented by LinuxKernel,
// and by the tests' fake kernel. All calls may block but are short; any thread.
class KernelPort {
 public:
  virtual ~KernelPort() = default;

  // The devices that exist now (/sys/class/uio/*/name).
  virtual Result<std::vector<FoundDevice>> scan() = 0;

  // Opens and maps /dev/uio<minor>. EBUSY: another process has it open.
  virtual Result<UioPort> open_uio(uint32_t minor) = 0;

  // The device's directory in configfs. Never while the kernel waits for the device's REMOVED
  // reply: it is locked then.
  virtual Result<std::unique_ptr<DeviceDirectory>> open_directory(const DeviceName& device) = 0;

  // ---- Ports. A kernel that says nothing of them has none, and tells no changes.

  // An attribute of a fabric, e.g. "iscsi/iqn.2024-01.org.x:y/tpgt_1/enable". Not on the main
  // thread: an rmdir may have the directory locked until commands have been answered.
  Result<std::string> read_fabric_attribute(std::string_view path);

  // Who exports what to whom, to be looked through; nullptr: the kernel has no fabrics.
  virtual std::shared_ptr<FabricTree> fabrics();

  // What DeviceDirectory::watch() needs of the main loop: a descriptor that is readable when there
  // is something for take_changes(); -1: nothing. The main thread.
  [[nodiscard]] virtual int changes_fd() const { return -1; }
  virtual void take_changes() {}
};

}  // namespace tcmud::kernel
