// SPDX-License-Identifier: Apache-2.0
#include "copy/copy_manager.h"

#include <gtest/gtest.h>

#include "fake_lun.h"
#include "scsi/designator.h"
#include "scsi/extended_copy.h"

namespace tcmud::copy {
namespace {

using test::FakeLun;

TEST(CopyManager, FindsALunByItsDesignatorWhileItIsThere) {
  CopyManager manager;
  auto a = std::make_shared<FakeLun>(512, 8, "aa");
  auto b = std::make_shared<FakeLun>(512, 8, "bb");
  auto nameless = std::make_shared<FakeLun>(512, 8, "-");
  for (const auto& lun : {nameless, a, b}) {
    manager.add(lun);
  }
  EXPECT_EQ(manager.find(*scsi::naa_of("aa")), a);
  EXPECT_EQ(manager.find(*scsi::naa_of("bb")), b);
  EXPECT_EQ(manager.find(*scsi::naa_of("cc")), nullptr);
  const scsi::NaaDesignator whole = *scsi::naa_of("aa");
  EXPECT_EQ(manager.find(std::span(whole).first(8)), nullptr);
  b->lun.serial = "cc";
  EXPECT_EQ(manager.find(*scsi::naa_of("cc")), b);
  a.reset();
  EXPECT_EQ(manager.find(*scsi::naa_of("aa")), nullptr);
}

TEST(CopyManager, LunsThatCannotBeToldApartAreNotFound) {
  CopyManager manager;
  auto a = std::make_shared<FakeLun>(512, 8, "aa");
  auto b = std::make_shared<FakeLun>(512, 8, "aa");
  manager.add(a);
  manager.add(b);
  EXPECT_EQ(manager.find(*scsi::naa_of("aa")), nullptr);
  b.reset();
  EXPECT_EQ(manager.find(*scsi::naa_of("aa")), a);
}

TEST(CopyManager, ALunThatWasClosedIsNotFoundThoughSomebodyStillHasIt) {
  CopyManager manager;
  auto closed = std::make_shared<FakeLun>(512, 8, "aa");
  manager.add(closed);
  manager.remove(closed);
  EXPECT_EQ(manager.find(*scsi::naa_of("aa")), nullptr);
  auto again = std::make_shared<FakeLun>(512, 8, "aa");
  manager.add(again);
  EXPECT_EQ(manager.find(*scsi::naa_of("aa")), again);
}

TEST(CopyManager, HasAsManyPlacesAsInitiatorsAreTold) {
  CopyManager manager;
  std::vector<Place> places;
  for (size_t i = 0; i < scsi::kMaxCopies; ++i) {
    places.push_back(manager.take_place());
    ASSERT_TRUE(places.back());
  }
  EXPECT_FALSE(manager.take_place());
  places.pop_back();
  EXPECT_TRUE(manager.take_place());
  EXPECT_TRUE(manager.take_place());  // the one before was given back
}

}  // namespace
}  // namespace tcmud::copy
