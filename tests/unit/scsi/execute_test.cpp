// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "unit/scsi/disk.h"

// Rules of every command.
namespace tcmud::scsi {
namespace {

using test::Bytes;
using test::run;

// Every CDB length below the command's: 05/24/00 that points at the first byte missing, whatever
// the bytes there are.
TEST(Execute, ATruncatedCdbIsAnInvalidFieldWhereItEnds) {
  for (const Lun& lun : {test::everything(), test::plain()}) {
    for (const CommandDescription& d : command_table()) {
      if (d.has(kAnsweredByTarget) || !is_supported(lun, d)) {
        continue;
      }
      for (size_t length = 1; length < d.cdb_length; ++length) {
        Bytes cdb(length, 0xFF);  // an allocation of its own: the address sanitizer sees its end
        cdb[0] = d.opcode;
        if (d.has_service_action() && length >= (d.opcode == 0x7F ? 10u : 2u)) {
          test::set_service_action(cdb, d.service_action);
        }
        SCOPED_TRACE(std::string(d.name) + ", bytes: " + std::to_string(length));
        test::expect_check(run(lun, cdb), test::invalid_field(static_cast<uint16_t>(length)));
        EXPECT_EQ(parameter_list_length(cdb, 4096), 0u);
      }
    }
  }
}

TEST(Execute, AnEmptyCdbIsAnInvalidField) {
  test::expect_check(run(test::everything(), {}), test::invalid_field(0));
  EXPECT_FALSE(ignores_unit_attention({}));
  EXPECT_EQ(parameter_list_length({}, 4096), 0u);
}

TEST(Execute, BytesBehindTheCdbDoNotMatter) {
  const Lun lun = test::everything();
  Bytes cdb = {0x28, 0, 0, 0, 0, 7, 0, 0, 3, 0};
  cdb.resize(16, 0xFF);
  const test::Answer answer = run(lun, cdb);
  ASSERT_TRUE(answer.block());
  EXPECT_EQ(answer.outcome.block.offset, 7u * 512);
  EXPECT_EQ(answer.outcome.block.length, 3u * 512);
}

TEST(Execute, NacaIsRefused) {
  const Lun lun = test::everything();
  for (const CommandDescription& d : command_table()) {
    if (d.has(kAnsweredByTarget)) {
      continue;
    }
    Bytes cdb = test::blank_cdb(d);
    const size_t control = d.opcode == 0x7F ? 1 : cdb.size() - 1;
    cdb[control] |= 0x04;
    SCOPED_TRACE(d.name);
    test::expect_check(run(lun, cdb), test::invalid_field(static_cast<uint16_t>(control), 2));
  }
}

TEST(Execute, AVariableLengthCdbOfAnotherLengthIsAnInvalidField) {
  for (const CommandDescription& d : find_opcode(0x7F)) {
    for (const int length : {0, 0x17, 0x19, 0x38, 0xFF}) {
      Bytes cdb = test::blank_cdb(d);
      cdb[7] = static_cast<uint8_t>(length);
      test::expect_check(run(test::everything(), cdb), test::invalid_field(7));
    }
  }
}

// Operation codes, and of variable length CDBs the service actions.
const std::set<int> kWriting = {0x04, 0x0A, 0x2A, 0x2E, 0x41, 0x42, 0x48,   0x89,   0x8A,
                                0x8B, 0x8E, 0x93, 0x9C, 0xAA, 0xAE, 0x7F0B, 0x7F0C, 0x7F0D};
bool is_writing(const CommandDescription& d) {
  if (d.opcode == 0x83) {
    return d.service_action == 0x11;  // WRITE USING TOKEN
  }
  return kWriting.contains(d.opcode == 0x7F ? 0x7F00 | d.service_action : d.opcode);
}

TEST(Execute, CommandsThatWriteAreRefusedWhereTheLunIsWriteProtected) {
  for (const bool read_only : {false, true}) {
    Lun lun = test::everything();
    lun.read_only = read_only;
    lun.software_write_protect = !read_only;
    for (const CommandDescription& d : command_table()) {
      if (d.has(kAnsweredByTarget)) {
        continue;
      }
      SCOPED_TRACE(d.name);
      const test::Answer answer = run(lun, test::blank_cdb(d));
      if (is_writing(d)) {
        test::expect_check(
            answer, {.key = SenseKey::kDataProtect,
                     .code = read_only ? asc::kWriteProtected : asc::kSoftwareWriteProtected});
      } else {
        EXPECT_NE(answer.outcome.sense.key, SenseKey::kDataProtect);
      }
    }
  }
}

TEST(Execute, DuringAFormatOrSanitizeOthersAreToldItsProgress) {
  for (const AdditionalSense code : {asc::kFormatInProgress, asc::kSanitizeInProgress}) {
    Lun lun = test::everything();
    lun.progress = 0x1234;
    lun.progress_code = code;
    lun.read_only = true;  // told later
    for (const CommandDescription& d : command_table()) {
      if (d.has(kAnsweredByTarget)) {
        continue;
      }
      SCOPED_TRACE(d.name);
      const test::Answer answer = run(lun, test::blank_cdb(d));
      if (d.opcode == 0x03 || d.opcode == 0x12) {
        test::expect_good(answer);
      } else {
        test::expect_check(answer, {.key = SenseKey::kNotReady, .code = code, .progress = 0x1234});
      }
    }
  }
}

TEST(Execute, AfterAFailedSanitizeTheMediumIsOutOfReach) {
  for (const auto failure : {SanitizeFailure::kRestricted, SanitizeFailure::kUnrestricted}) {
    Lun lun = test::everything();
    lun.sanitize_failure = failure;
    for (const CommandDescription& d : command_table()) {
      if (d.has(kAnsweredByTarget)) {
        continue;
      }
      SCOPED_TRACE(d.name);
      const test::Answer answer = run(lun, test::blank_cdb(d));
      if (d.opcode == 0x03 || d.opcode == 0x12 || d.opcode == 0x48) {
        EXPECT_NE(answer.outcome.sense.key, SenseKey::kMediumError);
      } else {
        test::expect_check(answer, {.key = SenseKey::kMediumError, .code = asc::kSanitizeFailed});
      }
    }
  }
}

TEST(Execute, AfterAFailedFormatTheBlocksAreOutOfReachAndNothingElse) {
  Lun lun = test::everything();
  lun.format_corrupt = true;
  const Sense corrupt = {.key = SenseKey::kMediumError, .code = asc::kMediumFormatCorrupted};
  for (const CommandDescription& d : command_table()) {
    if (d.has(kAnsweredByTarget)) {
      continue;
    }
    SCOPED_TRACE(d.name);
    const test::Answer answer = run(lun, test::blank_cdb(d));
    const bool brings_in_order = d.opcode == 0x04 || d.opcode == 0x48;
    const bool has_extent = d.lba.width != 0;
    if (!brings_in_order && (d.opcode == 0x00 || is_writing(d) || has_extent)) {
      test::expect_check(answer, corrupt);
    } else {
      EXPECT_NE(answer.outcome.sense.key, SenseKey::kMediumError);
    }
  }
  EXPECT_EQ(medium_refusal(lun, false), corrupt);
  EXPECT_EQ(medium_refusal(lun, true), corrupt);
}

TEST(Execute, OnlyInquiryReportLunsAndRequestSenseIgnoreAUnitAttention) {
  for (const CommandDescription& d : command_table()) {
    EXPECT_EQ(ignores_unit_attention(test::blank_cdb(d)),
              d.opcode == 0x12 || d.opcode == 0xA0 || d.opcode == 0x03)
        << d.name;
  }
}

// A CDB of each command with data-in that asks for as much as there is.
Bytes full_cdb(const CommandDescription& d, uint64_t allocation_length) {
  Bytes cdb = test::blank_cdb(d);
  if (d.opcode == 0x1A || d.opcode == 0x5A) {
    cdb[2] = 0x3F;
  }
  if (d.length.width != 0) {
    test::put_be(cdb, d.length.offset, d.length.width, allocation_length);
  }
  return cdb;
}

TEST(Execute, DataInIsCutToTheAllocationLengthAndToTheDataBuffer) {
  const Lun lun = test::everything();
  int commands = 0;
  for (const CommandDescription& d : command_table()) {
    if (d.transfer != Transfer::kDataIn || d.has(kAnsweredByTarget)) {
      continue;
    }
    SCOPED_TRACE(d.name);
    const uint64_t most = d.length.width == 1 ? 255 : 65535;
    const test::Answer whole = run(lun, full_cdb(d, most), 65535);
    if (whole.outcome.kind != Outcome::Kind::kReply) {
      continue;  // the engine answers
    }
    ++commands;
    test::expect_good(whole);
    ASSERT_GE(whole.data.size(), 4u);
    ASSERT_LT(whole.data.size(), most);
    const auto prefix = [&whole](size_t n) {
      return Bytes(whole.data.begin(), whole.data.begin() + static_cast<ptrdiff_t>(n));
    };
    for (size_t n = 0; n <= whole.data.size() + 1; ++n) {
      const size_t expected = std::min(n, whole.data.size());
      if (d.length.width != 0) {
        const test::Answer cut = run(lun, full_cdb(d, n), 65535);
        test::expect_good(cut);
        ASSERT_EQ(cut.data, prefix(expected));
      }
      const test::Answer short_buffer = run(lun, full_cdb(d, most), n);
      test::expect_good(short_buffer);
      ASSERT_EQ(short_buffer.data, prefix(expected));
    }
  }
  EXPECT_EQ(commands, 13);
}

TEST(Execute, EveryVpdPageIsCutToTheAllocationLength) {
  const Lun lun = test::everything();
  const Bytes list = run(lun, {0x12, 1, 0, 0, 255, 0}).data;
  ASSERT_GT(list.size(), 4u);
  for (const uint8_t page : Bytes(list.begin() + 4, list.end())) {
    const test::Answer whole = run(lun, {0x12, 1, page, 0, 255, 0});
    test::expect_good(whole);
    for (uint8_t n = 0; n < std::min<size_t>(whole.data.size(), 255); ++n) {
      const test::Answer cut = run(lun, {0x12, 1, page, 0, n, 0});
      test::expect_good(cut);
      ASSERT_EQ(cut.data, Bytes(whole.data.begin(), whole.data.begin() + n));
    }
  }
}

TEST(Execute, CommandsWithoutDataInNeverAnswerWithData) {
  const Lun lun = test::everything();
  for (const CommandDescription& d : command_table()) {
    if (d.transfer != Transfer::kDataIn) {
      EXPECT_EQ(run(lun, test::blank_cdb(d)).outcome.response_length, 0u) << d.name;
    }
  }
}

TEST(Execute, CommandsWithAParameterListWantItAsParameters) {
  const std::set<int> with_list = {0x04, 0x15, 0x42, 0x48, 0x55, 0x83, 0xA4};
  for (const CommandDescription& d : command_table()) {
    Bytes cdb(d.cdb_length, 0xFF);
    cdb[0] = d.opcode;
    if (d.has_service_action()) {
      test::set_service_action(cdb, d.service_action);
    }
    const bool wants = with_list.contains(d.opcode);
    EXPECT_EQ(parameter_list_length(cdb, 100), wants ? 100u : 0u) << d.name;
    const bool short_length = d.opcode == 0x15;  // one byte
    EXPECT_EQ(parameter_list_length(cdb, UINT64_MAX), !wants         ? 0u
                                                      : short_length ? 255u
                                                                     : kMaxParameterList)
        << d.name;
  }
}

// FORMAT UNIT has no length in its CDB.
TEST(Execute, AListWithoutALengthIsAsLongAsTheDataBuffer) {
  EXPECT_EQ(parameter_list_length(Bytes{0x04, 0x10, 0, 0, 0, 0}, 10), 10u);
}

}  // namespace
}  // namespace tcmud::scsi
