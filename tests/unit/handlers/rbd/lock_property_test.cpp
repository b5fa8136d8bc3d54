// SPDX-License-Identifier: Apache-2.0
//
// Gateways that do anything in any order: the model checks after each step that no two of them can
// write (lock_world.h).
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "unit/handlers/rbd/lock_world.h"

namespace tcmud::rbd::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kHold(1000);

struct Player {
  explicit Player(LockWorld& world, const char* name) : gateway(world, name, kHold) {}

  Gateway gateway;
  int writes = 0;
  bool killed = false;
};

// What the session does when it notices. Writes of a client that is fenced come to an end.
void reopen_if_fenced(Player& player) {
  if (player.gateway.alive && player.gateway.fenced()) {
    for (; player.writes > 0; --player.writes) {
      player.gateway.gate.leave();
    }
    player.gateway.reopen();
  }
}

void play(LockWorld& world, Player& player, int what, int amount) {
  Gateway& gateway = player.gateway;
  if (player.killed) {
    world.pass(milliseconds(amount));
    return;
  }
  switch (what) {
    case 0:
    case 1:
    case 2:
      gateway.keeper.acquire(1);
      break;
    case 3:
    case 4:
    case 5:
      gateway.keeper.enable();
      break;
    case 6:
      gateway.keeper.release();
      break;
    case 7:
    case 8:
      if (gateway.gate.enter()) {
        ++player.writes;
      }
      break;
    case 9:
    case 10:
    case 11:
      for (; player.writes > 0; --player.writes) {
        gateway.gate.leave();
      }
      break;
    case 12:
      gateway.fail_call = amount % 8 + 1;
      gateway.fail_late = amount % 2 != 0;
      gateway.fail_with = amount % 3 == 0 ? -ETIMEDOUT : -EIO;
      break;
    case 13:
      gateway.uncertain_write = gateway.uncertain_write || player.writes > 0;
      break;
    case 14:
      world.fence(gateway.address());  // an administrator
      break;
    case 15:
      gateway.latency = milliseconds(amount % 50);
      break;
    case 16:
      player.killed = amount % 4 == 0;
      gateway.alive = !player.killed;
      break;
    default:
      gateway.keeper.look();
      break;
  }
  world.check();
  world.pass(milliseconds(amount));
  reopen_if_fenced(player);
}

RC_GTEST_PROP(LockProperty, NeverTwoCanWriteAndInTheEndWhoeverIsLeftCan, ()) {
  LockWorld world;
  std::vector<std::unique_ptr<Player>> players;
  for (const char* name : {"A", "B", "C"}) {
    players.push_back(std::make_unique<Player>(world, name));
  }
  const auto moves = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
      rc::gen::tuple(rc::gen::inRange(0, 3), rc::gen::inRange(0, 18), rc::gen::inRange(0, 400)));
  for (const auto& [who, what, amount] : moves) {
    play(world, *players[static_cast<size_t>(who)], what, amount);
    RC_ASSERT(world.take_broken() == "");
  }
  for (auto& player : players) {
    for (; player->writes > 0 && !player->killed; --player->writes) {
      player->gateway.gate.leave();
    }
    player->gateway.fail_call = 0;
    player->gateway.latency = milliseconds(0);
  }
  world.pass(seconds(30));
  for (auto& player : players) {
    reopen_if_fenced(*player);
  }
  for (auto& player : players) {
    if (!player->killed) {
      const bool got = player->gateway.get() || player->gateway.get();
      RC_ASSERT(world.take_broken() == "");
      RC_ASSERT(got);
    }
    for (auto& other : players) {
      reopen_if_fenced(*other);
    }
  }
  RC_ASSERT(world.take_broken() == "");
}

}  // namespace
}  // namespace tcmud::rbd::test
