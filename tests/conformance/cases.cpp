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

}  // namespace

std::vector<Case> cases_of_author() {
  const char* handler = std::getenv("TCMUD_CONFORMANCE_HANDLER");
  if (handler == nullptr) {
    return {};
  }
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

Scratch::Scratch() : memory_(make_directory("/dev/shm")), disk_(make_directory(".")) {
  disk_ = std::filesystem::canonical(disk_).string();
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(memory_, ignored);
  std::filesystem::remove_all(disk_, ignored);
  if (!image_.empty()) {
    image_maker()->remove(image_);
  }
}

std::string Scratch::expand(const std::string& config) const {
  std::string text = replace_all(replace_all(config, "{memory}", memory_), "{disk}", disk_);
  constexpr std::string_view kImage = "{image:";
  if (const size_t begin = text.find(kImage); begin != std::string::npos) {
    const size_t end = text.find('}', begin);
    if (image_.empty()) {
      const size_t kind = begin + kImage.size();
      image_ = image_maker()->make(text.substr(kind, end - kind));
    }
    text.replace(begin, end + 1 - begin, image_);
  }
  return text;
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
