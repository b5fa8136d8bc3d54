// SPDX-License-Identifier: Apache-2.0
#include "scsi/target_port_groups.h"

#include "unit/scsi/disk.h"

namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

constexpr uint8_t kAllStates = 0xDF;

TargetPort port(uint16_t relative_id, bool enabled, std::string target = "iqn.2024-01.org.x:y",
                uint16_t tag = 1, uint8_t protocol = 5) {
  return {.relative_id = relative_id,
          .protocol = protocol,
          .enabled = enabled,
          .target = std::move(target),
          .tag = tag};
}

TargetPortGroup group(uint16_t id, AccessState state, std::vector<TargetPort> ports,
                      bool explicitly = true) {
  return {.id = id,
          .state = state,
          .preferred = false,
          .supported = kAllStates,
          .status = 0,
          .implicitly = true,
          .explicitly = explicitly,
          .ports = std::move(ports)};
}

// A gateway of two, as ceph-iscsi sets them up: the other one's portal group is known and not
// enabled.
Lun gateway() {
  Lun lun = test::everything();
  lun.target_port_groups = {
      group(1, AccessState::kActiveOptimized, {port(0x0102, true)}),
      group(0x0203, AccessState::kActiveNonOptimized,
            {port(2, false, "iqn.2024-01.org.x:y", 2), port(3, false, "iqn.2024-01.org.x:y", 3)})};
  lun.target_port_groups[0].preferred = true;
  lun.target_port_groups[0].status = 1;
  lun.target_port_groups[1].supported = 0x83;
  lun.implicit_transition_seconds = 45;
  return lun;
}

Bytes rtpg(uint8_t format = 0, uint32_t allocation_length = 1024) {
  Bytes cdb(12, 0);
  cdb[0] = 0xA3;
  cdb[1] = static_cast<uint8_t>(format << 5 | 0x0A);
  test::put_be(cdb, 6, 4, allocation_length);
  return cdb;
}

const Bytes kDescriptors = {
    0x80, 0xDF, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01,  // preferred, active/optimized, by STPG
    0x00, 0x00, 0x01, 0x02,                          // port 102h
    0x01, 0x83, 0x02, 0x03, 0x00, 0x00, 0x00, 0x02,  // active/non-optimized, fewer states
    0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x03};

TEST(ReportTargetPortGroups, LengthOnlyHeader) {
  const test::Answer answer = run(gateway(), rtpg());
  test::expect_good(answer);
  Bytes expected = {0x00, 0x00, 0x00, 0x1C};
  expected.insert(expected.end(), kDescriptors.begin(), kDescriptors.end());
  EXPECT_EQ(answer.data, expected);
}

TEST(ReportTargetPortGroups, ExtendedHeader) {
  const test::Answer answer = run(gateway(), rtpg(1));
  test::expect_good(answer);
  Bytes expected = {0x00, 0x00, 0x00, 0x20, 0x10, 0x2D, 0x00, 0x00};
  expected.insert(expected.end(), kDescriptors.begin(), kDescriptors.end());
  EXPECT_EQ(answer.data, expected);
}

TEST(ReportTargetPortGroups, ReservedFormatsAreRefused) {
  for (uint8_t format = 2; format < 8; ++format) {
    test::expect_check(run(gateway(), rtpg(format)), test::invalid_field(1, 7));
  }
}

// SPC-5 "Allocation length": what is left out still counts in RETURN DATA LENGTH.
TEST(ReportTargetPortGroups, IsCutToTheAllocationLength) {
  const Bytes whole = run(gateway(), rtpg()).data;
  for (uint32_t length = 0; length <= whole.size() + 1; ++length) {
    const Bytes data = run(gateway(), rtpg(0, length)).data;
    const size_t expected = std::min<size_t>(length, whole.size());
    EXPECT_EQ(data, Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(expected)));
  }
}

TEST(ReportTargetPortGroups, TheMostThatThereMayBeFindsRoom) {
  Lun lun = test::everything();
  for (size_t i = 0; i < kMaxTargetPortGroups; ++i) {
    std::vector<TargetPort> ports;
    for (size_t j = 0; j < kMaxTargetPorts / kMaxTargetPortGroups; ++j) {
      ports.push_back(port(static_cast<uint16_t>(16 * i + j + 1), true));
    }
    lun.target_port_groups.push_back(
        group(static_cast<uint16_t>(i), AccessState::kStandby, std::move(ports)));
  }
  const Bytes data = run(lun, rtpg(1, 65536)).data;
  ASSERT_EQ(data.size(), 8 + 8 * kMaxTargetPortGroups + 4 * kMaxTargetPorts);
  EXPECT_EQ(test::get_be(data, 0, 4), data.size() - 4);
  EXPECT_EQ(test::get_be(data, data.size() - 2, 2), kMaxTargetPorts);
}

TEST(ReportTargetPortGroups, EveryStateIsToldAsItIs) {
  for (const AccessState state :
       {AccessState::kActiveOptimized, AccessState::kActiveNonOptimized, AccessState::kStandby,
        AccessState::kUnavailable, AccessState::kLbaDependent, AccessState::kOffline,
        AccessState::kTransitioning}) {
    Lun lun = gateway();
    lun.target_port_groups[0].state = state;
    EXPECT_EQ(run(lun, rtpg()).data.at(4), 0x80 | static_cast<uint8_t>(state));
  }
}

// --- SET TARGET PORT GROUPS

struct Wanted {
  uint8_t state;
  uint16_t group;
};

Bytes state_list(const std::vector<Wanted>& wanted) {
  Bytes list(4, 0xFF);  // reserved
  for (const Wanted& w : wanted) {
    list.insert(list.end(), {static_cast<uint8_t>(0xF0 | w.state), 0xFF,
                             static_cast<uint8_t>(w.group >> 8), static_cast<uint8_t>(w.group)});
  }
  return list;
}

test::Answer stpg(const Lun& lun, const Bytes& list, std::optional<uint32_t> length = {}) {
  Bytes cdb(12, 0);
  cdb[0] = 0xA4;
  cdb[1] = 0x0A;
  test::put_be(cdb, 6, 4, length.value_or(static_cast<uint32_t>(list.size())));
  return run(lun, cdb, list.size(), list);
}

TEST(SetTargetPortGroups, AsksForTheStatesThatAreNotSoYet) {
  Lun lun = gateway();
  lun.target_port_groups[1].supported = kAllStates;
  const Bytes list = state_list({{0x2, 1}, {0x0, 0x0203}});
  EXPECT_EQ(stpg(lun, list).outcome.kind, Outcome::Kind::kSetTargetPortGroups);
  EXPECT_EQ(requested_states(lun, list),
            (std::vector<StateRequest>{{1, AccessState::kStandby},
                                       {0x0203, AccessState::kActiveOptimized}}));
  const Bytes half = state_list({{0x0, 1}, {0x3, 0x0203}});
  EXPECT_EQ(stpg(lun, half).outcome.kind, Outcome::Kind::kSetTargetPortGroups);
  EXPECT_EQ(requested_states(lun, half),
            (std::vector<StateRequest>{{0x0203, AccessState::kUnavailable}}));
}

TEST(SetTargetPortGroups, OfWhatIsSoAlreadyIsGood) {
  test::expect_good(stpg(gateway(), state_list({{0x0, 1}, {0x1, 0x0203}})));
  test::expect_good(stpg(gateway(), state_list({})));
  test::expect_good(stpg(gateway(), {}));
}

TEST(SetTargetPortGroups, AListThatEndsWithinADescriptorIsTooShort) {
  const Bytes list = state_list({{0x1, 1}});
  for (const uint32_t length : {1u, 2u, 3u, 5u, 6u, 7u}) {
    test::expect_check(stpg(gateway(), list, length),
                       test::illegal(asc::kParameterListLengthError, 6));
  }
  // Or within the data that came.
  test::expect_check(stpg(gateway(), list, 12), test::illegal(asc::kParameterListLengthError, 6));
}

TEST(SetTargetPortGroups, StatesThatCannotBeAskedForAreRefused) {
  for (uint8_t state = 4; state < 16; ++state) {
    test::expect_check(stpg(gateway(), state_list({{0x1, 1}, {state, 0x0203}})),
                       test::invalid_parameter(8, 3));
  }
}

TEST(SetTargetPortGroups, StatesThatTheGroupDoesNotSupportAreRefused) {
  constexpr uint8_t kBits[] = {0x01, 0x02, 0x04, 0x08};
  for (uint8_t state = 0; state < 4; ++state) {
    Lun lun = gateway();
    lun.target_port_groups[0].supported = kBits[state];
    for (uint8_t wanted = 0; wanted < 4; ++wanted) {
      const test::Answer answer = stpg(lun, state_list({{wanted, 1}}));
      if (wanted != state) {
        test::expect_check(answer, test::invalid_parameter(4, 3));
      } else {
        EXPECT_EQ(answer.outcome.status, Status::kGood);
      }
    }
  }
}

TEST(SetTargetPortGroups, GroupsOfOtherLunsAreRefused) {
  test::expect_check(stpg(gateway(), state_list({{0x1, 1}, {0x0, 7}})),
                     test::invalid_parameter(10));
}

TEST(SetTargetPortGroups, GroupsThatChangeImplicitlyAreRefused) {
  Lun lun = gateway();
  lun.target_port_groups[1].explicitly = false;
  test::expect_check(stpg(lun, state_list({{0x1, 1}, {0x0, 0x0203}})), test::invalid_parameter(10));
}

TEST(SetTargetPortGroups, AGroupIsNamedOnce) {
  test::expect_check(stpg(gateway(), state_list({{0x1, 1}, {0x2, 1}})),
                     test::invalid_parameter(10));
}

TEST(SetTargetPortGroups, WaitsForNoTransition) {
  Lun lun = gateway();
  lun.target_port_groups[0].state = AccessState::kTransitioning;
  const test::Answer answer = stpg(lun, state_list({{0x0, 1}}));
  test::expect_check(answer, {.key = SenseKey::kNotReady, .code = 0x040A});
  // Nobody's business where another group is meant.
  EXPECT_EQ(stpg(lun, state_list({{0x0, 0x0203}})).outcome.status, Status::kGood);
}

// --- INQUIRY

uint8_t tpgs_of(const Lun& lun) {
  return run(lun, {0x12, 0, 0, 0, 96, 0}).data.at(5) >> 4;
}

TEST(InquiryOfPortGroups, TpgsIsTheAccessTypeOfTheGroupsInUse) {
  EXPECT_EQ(tpgs_of(test::everything()), 0);
  Lun lun = gateway();
  EXPECT_EQ(tpgs_of(lun), 3);
  lun.target_port_groups[0].explicitly = false;
  EXPECT_EQ(tpgs_of(lun), 1);  // the other group isn't to be reached here
  lun.target_port_groups[0].implicitly = false;
  EXPECT_EQ(tpgs_of(lun), 0);
  lun.target_port_groups[0].explicitly = true;
  EXPECT_EQ(tpgs_of(lun), 2);
  lun.target_port_groups[1].ports[0].enabled = true;
  EXPECT_EQ(tpgs_of(lun), 3);
  for (TargetPortGroup& each : lun.target_port_groups) {
    each.ports.clear();
  }
  lun.target_port_groups[1].explicitly = false;
  EXPECT_EQ(tpgs_of(lun), 3);  // no port known: all of them
}

TEST(InquiryOfPortGroups, ThirdPartyCopyStaysBesideTpgs) {
  EXPECT_EQ(run(gateway(), {0x12, 0, 0, 0, 96, 0}).data.at(5), 0x38);
}

// What page 83h has behind the designators of the logical unit.
Bytes path_designators(const Lun& lun) {
  Lun without = lun;
  without.target_port_groups.clear();
  const Bytes cdb = {0x12, 1, 0x83, 4, 0, 0};
  const Bytes unit = run(without, cdb).data;
  const Bytes all = run(lun, cdb).data;
  EXPECT_EQ(test::get_be(all, 2, 2), all.size() - 4);
  EXPECT_TRUE(std::equal(unit.begin() + 4, unit.end(), all.begin() + 4));
  return Bytes(all.begin() + static_cast<ptrdiff_t>(unit.size()), all.end());
}

Bytes with_text(Bytes bytes, const std::string& text, size_t padded) {
  bytes.insert(bytes.end(), text.begin(), text.end());
  bytes.resize(bytes.size() + padded - text.size(), 0);
  return bytes;
}

Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const Bytes kRelativePort = {0x51, 0x94, 0, 4, 0, 0, 0x01, 0x02};
const Bytes kGroup = {0x51, 0x95, 0, 4, 0, 0, 0x00, 0x01};
const Bytes kPortName = with_text({0x53, 0x98, 0, 32}, "iqn.2024-01.org.x:y,t,0x0001", 32);
const Bytes kTargetName = with_text({0x53, 0xA8, 0, 20}, "iqn.2024-01.org.x:y", 20);

TEST(InquiryOfPortGroups, ThePortIsToldWhereThereIsOne) {
  EXPECT_EQ(path_designators(gateway()), kRelativePort + kGroup + kPortName + kTargetName);
}

TEST(InquiryOfPortGroups, NoPortIsToldWhereThereAreTwo) {
  Lun lun = gateway();
  lun.target_port_groups[0].ports.push_back(port(9, true, "iqn.2024-01.org.x:y", 9));
  EXPECT_EQ(path_designators(lun), kGroup + kTargetName);
}

TEST(InquiryOfPortGroups, NoGroupIsToldWhereThereAreTwo) {
  Lun lun = gateway();
  lun.target_port_groups[1].ports[0].enabled = true;
  EXPECT_EQ(path_designators(lun), kTargetName);
  // Ports of one group, in between and behind those of another: still two.
  lun.target_port_groups[1].ports[1].enabled = true;
  EXPECT_EQ(path_designators(lun), kTargetName);
}

TEST(InquiryOfPortGroups, NoTargetIsToldWhereThereAreTwo) {
  Lun lun = gateway();
  lun.target_port_groups[0].ports.push_back(port(9, true, "naa.6001405000000001", 1, 6));
  Bytes group_without_protocol = kGroup;
  group_without_protocol[0] = 0x01;
  group_without_protocol[1] = 0x15;
  EXPECT_EQ(path_designators(lun), group_without_protocol);
  lun.target_port_groups[0].ports.push_back(port(10, true));  // the first one's again
  EXPECT_EQ(path_designators(lun), group_without_protocol);
}

TEST(InquiryOfPortGroups, NothingIsToldWherePortsAreUnknown) {
  Lun lun = gateway();
  lun.target_port_groups[0].ports[0].enabled = false;
  EXPECT_EQ(path_designators(lun), Bytes{});
}

// A name of 4n bytes has its NUL in the next four; the longest one fits into the length's byte.
TEST(InquiryOfPortGroups, NamesEndWithANul) {
  for (size_t length = 200; length <= 300; ++length) {
    Lun lun = gateway();
    lun.target_port_groups[0].ports = {port(1, true, std::string(length, 'n'))};
    const Bytes found = path_designators(lun);
    const size_t told = std::min<size_t>(length, 223);
    size_t at = 16;
    for (const size_t text : {told + 9, told}) {
      const size_t padded = found.at(at + 3);
      EXPECT_EQ(padded, (text / 4 + 1) * 4);
      EXPECT_EQ(found.at(at + 3 + text) == 0, false);
      EXPECT_EQ(found.at(at + 4 + text), 0);
      at += 4 + padded;
    }
    EXPECT_EQ(at, found.size());
  }
}

}  // namespace
}  // namespace tcmud::scsi
