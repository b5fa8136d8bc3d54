// SPDX-License-Identifier: Apache-2.0
#include "conformance/cases.h"

#include <cstdlib>
#include <filesystem>

#include <unistd.h>

namespace tcmud::conformance {
namespace {

std::string make_directory(const std::string& base) {
  std::string path = base + "/tcmud-conformance-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) {
    std::perror(path.c_str());
    std::abort();
  }
  return path;
}

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::vector<Case> case_of_author(const char* handler) {
  std::string why;
  const tcmud_handler* loaded = load_handler(handler, why);
  const char* config = std::getenv("TCMUD_CONFORMANCE_CONFIG");
  if (loaded == nullptr || config == nullptr) {
    std::fprintf(stderr, "TCMUD_CONFORMANCE_HANDLER=%s: %s\n", handler,
                 loaded == nullptr ? why.c_str() : "TCMUD_CONFORMANCE_CONFIG is not set");
    std::exit(2);
  }
  Case mine;
  mine.name = "given";
  mine.config = config;
  if (const char* size = std::getenv("TCMUD_CONFORMANCE_SIZE")) {
    mine.size = std::strtoull(size, nullptr, 10);
  }
  if (const char* block = std::getenv("TCMUD_CONFORMANCE_BLOCK_SIZE")) {
    mine.block_size = static_cast<uint32_t>(std::strtoul(block, nullptr, 10));
  }
  mine.keeps_data = std::getenv("TCMUD_CONFORMANCE_FORGETFUL") == nullptr;
  mine.persistent = mine.keeps_data && std::getenv("TCMUD_CONFORMANCE_VOLATILE") == nullptr;
  return {mine};
}

}  // namespace

std::vector<Case> cases() {
  if (const char* handler = std::getenv("TCMUD_CONFORMANCE_HANDLER")) {
    return case_of_author(handler);
  }
  std::string why;
  if (load_handler(TCMUD_EXAMPLE_HANDLER, why) == nullptr) {
    std::fprintf(stderr, "%s: %s\n", TCMUD_EXAMPLE_HANDLER, why.c_str());
    std::exit(2);
  }
  constexpr uint64_t k4M = 4u << 20;
  return {
      {"file_memory", "file/{memory}/image;create", k4M, 512, true, true},
      {"file_disk", "file/{disk}/image;create", k4M, 512, true, true},
      {"file_4096", "file/{memory}/image;create", k4M, 4096, true, true},
      {"file_direct", "file/{disk}/image;create;direct", k4M, 512, true, true},
      {"file_nodiscard", "file/{memory}/image;create;nodiscard", k4M, 512, true, true},
      {"file_sync", "file/{memory}/image;create;io=sync", k4M, 512, true, true},
      {"file_sync_direct", "file/{disk}/image;create;io=sync;direct", k4M, 4096, true, true},
      {"fault_clear", "fault/file/{memory}/image;create", k4M, 512, true, true},
      {"fault_clear_sync", "fault/file/{memory}/image;create;io=sync", k4M, 512, true, true},
      {"fault_delays", "fault/file/{memory}/image;create;fault_rule=late:us=0-300:chance=20", k4M,
       512, true, true},
      {"fault_delays_sync",
       "fault/file/{memory}/image;create;io=sync;fault_rule=delay:us=0-300:chance=20", k4M, 512,
       true, true},
      {"ram_example", "ram/", k4M, 512, true, false},
      {"null", "null/", k4M, 512, false, false},
  };
}

Scratch::Scratch() : memory_(make_directory("/dev/shm")), disk_(make_directory(".")) {
  disk_ = std::filesystem::canonical(disk_).string();
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(memory_, ignored);
  std::filesystem::remove_all(disk_, ignored);
}

std::string Scratch::expand(std::string config) const {
  return replace_all(replace_all(std::move(config), "{memory}", memory_), "{disk}", disk_);
}

void Conformance::open() {
  std::string why;
  lun_ = Lun::open(scratch_.expand(GetParam().config), size(), block(), why);
  ASSERT_NE(lun_, nullptr) << why;
}

void Conformance::reopen() {
  lun_.reset();
  open();
}

std::vector<uint8_t> Conformance::pattern(uint64_t offset, uint64_t length, uint8_t seed) const {
  std::vector<uint8_t> bytes(length);
  for (uint64_t i = 0; i < length; ++i) {
    const uint64_t at = offset + i;
    bytes[i] = static_cast<uint8_t>(at * 31 + (at >> 9) * 7 + seed);
  }
  return bytes;
}

int32_t Conformance::write(uint64_t offset, const std::vector<uint8_t>& data, uint32_t vectors,
                           uint16_t flags) {
  const auto request = Request::write(offset, data, vectors, flags, block());
  return lun_->run(*request);
}

std::vector<uint8_t> Conformance::read(uint64_t offset, uint64_t length, uint32_t vectors) {
  const auto request = Request::read(offset, length, vectors, block());
  const int32_t status = lun_->run(*request);
  EXPECT_EQ(status, TCMUD_OK) << "read of " << length << " at " << offset;
  return status == TCMUD_OK ? request->data() : std::vector<uint8_t>();
}

void Conformance::expect_bytes(uint64_t offset, const std::vector<uint8_t>& expected,
                               uint32_t vectors) {
  const std::vector<uint8_t> found = read(offset, expected.size(), vectors);
  ASSERT_EQ(found.size(), expected.size());
  const auto [a, b] = std::mismatch(found.begin(), found.end(), expected.begin());
  ASSERT_EQ(a, found.end()) << "first difference at byte " << offset + (a - found.begin())
                            << ": found " << int(*a) << ", expected " << int(*b);
}

}  // namespace tcmud::conformance
