// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "device/device_impl.h"
#include "device/lock_groups.h"

// The lock of storage that several hosts serve: see include/tcmud/handler.h. Everything here runs
// on the LUN's strand and returns at once; the handler tells by events how it went.
//
//   a command needs the lock ──► want_lock ──► the handler acquires ──► begin_settling: the kernel
//   answers BUSY to whatever comes (block_dev), the loop to whatever the ring holds ──►
//   end_settling: the handler may write ──► the kernel passes commands again
//
// So nothing is ever written that was sent before the lock became ours. tests/unit/device/
// device_lock_test.cpp tells what happens otherwise.
namespace tcmud::device {

namespace {

bool is_held(uint32_t state) {
  return state == TCMUD_LOCK_ACQUIRED || state == TCMUD_LOCK_ENABLED;
}

const char* holder_of(const tcmud_lock_status& now) {
  return now.holder[0] != '\0' ? now.holder : "another host";
}

}  // namespace

void Device::Impl::want_lock() {
  wanting_lock.store(false);
  if (engine == nullptr || lock.settling) {
    return;  // whoever waits is answered when the engine ends, or has settled
  }
  const tcmud_lock_status now = backend->lock_status();
  if (now.state == TCMUD_LOCK_ENABLED) {
    fail_waiting(Lockless::kBusy);  // it became ours in between: to be repeated, and then done
    return;
  }
  read_configfs();
  if (moves_explicitly(attributes.port_groups.groups)) {
    tcmud_lock_status not_ours = now;
    not_ours.state = TCMUD_LOCK_FOREIGN;  // even if nobody has it: initiators shall ask for it
    show_in_groups(not_ours);
    engine->post([](Dispatcher& dispatcher) { dispatcher.release_lockless(Lockless::kStandby); });
    return;
  }
  acquire_lock(now);
}

void Device::Impl::acquire_lock(const tcmud_lock_status& now) {
  if (std::exchange(lock.acquiring, true)) {
    return;
  }
  lock.attempts = now.attempts;
  backend->acquire_lock(our_group(attributes.port_groups.groups));
}

void Device::Impl::lock_changed() {
  if (engine == nullptr || !backend->has_lock()) {
    return;
  }
  const tcmud_lock_status now = backend->lock_status();
  const bool held = is_held(now.state);
  status.lock_told(now);
  if (now.state == TCMUD_LOCK_ACQUIRED && !lock.settling) {
    begin_settling();
  }
  if (lock.acquiring && !held && now.attempts > lock.attempts) {
    lock.acquiring = false;
    log::warning(lun, "the lock is not to be had now, {} has it; initiators get BUSY",
                 holder_of(now));
    fail_waiting(Lockless::kBusy);
  }
  // What came of the settling is told at its end.
  if (lock.settling || (now.state == lock.told_state && now.group == lock.told_group)) {
    return;
  }
  if (!held && is_held(lock.told_state)) {
    engine->post([](Dispatcher& dispatcher) { dispatcher.set_lock_enabled(false); });
    log::info(lun, "the lock is no longer ours: {} has it",
              now.state == TCMUD_LOCK_FREE ? "nobody" : holder_of(now));
  }
  lock.told_state = now.state;
  lock.told_group = now.group;
  read_configfs();
  show_in_groups(now);
}

void Device::Impl::begin_settling() {
  lock.acquiring = false;
  lock.settling = true;
  if (const auto blocked = set_blocked(true); !blocked) {
    // The kernel removes the LUN, or soon will: nobody waits for what may still come.
    log::warning(lun, "commands can't be kept away while the lock changes hands: {}",
                 blocked.error().message);
  }
  engine->post([](Dispatcher& dispatcher) { dispatcher.settle(); });
}

void Device::Impl::end_settling() {
  if (engine == nullptr || !std::exchange(lock.settling, false)) {
    return;
  }
  backend->enable_lock();
  const tcmud_lock_status now = backend->lock_status();
  const bool enabled = now.state == TCMUD_LOCK_ENABLED;
  status.lock_told(now);
  engine->post([enabled](Dispatcher& dispatcher) { dispatcher.set_lock_enabled(enabled); });
  if (enabled) {
    log::info(lun, "the lock is ours");
    lock.told_state = now.state;
    lock.told_group = now.group;
    read_configfs();
    show_in_groups(now);
    for (const StatesWanted& wanted : std::exchange(lock.waiting, {})) {
      put_states_in_force(wanted.requests, wanted.ticket);
    }
  }
  pass_commands();
  if (!enabled) {  // it was taken from us before it was in use
    fail_waiting(Lockless::kBusy);
    lock_changed();
  }
}

void Device::Impl::pass_commands() {
  if (const auto passing = set_blocked(false); !passing) {
    log::error(lun, "the kernel goes on answering BUSY: {}; write 0 to action/block_dev",
               passing.error().message);
  }
}

void Device::Impl::fail_waiting(Lockless how) {
  std::vector<StatesWanted> waiting = std::exchange(lock.waiting, {});
  engine->post([how, waiting = std::move(waiting)](Dispatcher& dispatcher) {
    dispatcher.release_lockless(how);
    for (const StatesWanted& wanted : waiting) {
      dispatcher.group_states_set(wanted.ticket, false);
    }
  });
}

// SET TARGET PORT GROUPS moves the lock: to us with the first of our groups that becomes active,
// and away from us when none is to be left. A group of another host becomes active by asking that
// host.
void Device::Impl::move_lock(const StatesWanted& wanted) {
  const auto& groups = attributes.port_groups.groups;
  bool activates = false;
  bool gives_up = false;
  for (const scsi::StateRequest& request : wanted.requests) {
    const auto group = std::find_if(
        groups.begin(), groups.end(),
        [&request](const scsi::TargetPortGroup& known) { return known.id == request.group; });
    const bool ours = group != groups.end() && is_ours(*group);
    const bool active = request.state == scsi::AccessState::kActiveOptimized;
    if (active && !ours) {
      log::warning(lun,
                   "target port group {} is not reached through this host; initiators have to "
                   "ask through its own ports for it to become active",
                   request.group);
      engine->post([ticket = wanted.ticket](Dispatcher& dispatcher) {
        dispatcher.group_states_set(ticket, false);
      });
      return;
    }
    activates |= active;
    gives_up |= ours && !active;
  }
  const tcmud_lock_status now = backend->lock_status();
  if (activates && now.state != TCMUD_LOCK_ENABLED) {
    lock.waiting.push_back(wanted);
    if (!lock.settling) {
      acquire_lock(now);
    }
    return;
  }
  if (gives_up && !activates && is_held(now.state)) {
    backend->release_lock();
  }
  put_states_in_force(wanted.requests, wanted.ticket);
}

bool Device::Impl::show_lock_in_groups() {
  return backend->has_lock() && show_in_groups(backend->lock_status());
}

bool Device::Impl::show_in_groups(const tcmud_lock_status& now) {
  const auto changes = states_for_lock(attributes.port_groups.groups, now);
  if (changes.empty()) {
    return false;
  }
  if (const auto set =
          set_group_states(*configfs, attributes.port_groups, changes, Altered::kImplicitly);
      !set) {
    log::warning(lun, "target port groups don't tell who has the lock: {}", set.error().message);
  }
  read_configfs();
  publish_view(false);
  return true;
}

}  // namespace tcmud::device
