// SPDX-License-Identifier: Apache-2.0
//
// Configuration strings as an administrator, or D-Bus, may give them: nothing may crash, and what
// is refused is refused with one line that says why.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "fault/rules.h"
#include "file/options.h"
#include "rbd/options.h"

namespace {

void check(bool held) {
  if (!held) {
    std::abort();
  }
}

// "path;key=value;key": as the host splits it.
struct Split {
  std::string path;
  std::vector<std::string> words;  // key, value, key, value, ...
  std::vector<tcmud_option> options;

  explicit Split(const std::string& text) {
    size_t end = text.find(';');
    path = text.substr(0, end).c_str();
    while (end != std::string::npos) {
      const size_t begin = end + 1;
      end = text.find(';', begin);
      const std::string option = text.substr(begin, end == std::string::npos ? end : end - begin);
      const size_t equals = option.find('=');
      words.push_back(option.substr(0, equals).c_str());
      words.push_back(equals == std::string::npos ? "" : option.substr(equals + 1).c_str());
    }
    for (size_t i = 0; i < words.size(); i += 2) {
      options.push_back({words[i].c_str(), words[i + 1].c_str()});
    }
  }
  [[nodiscard]] tcmud::api::Config config() const { return {path, options, nullptr}; }
};

void check_refusal(const tcmud::api::Refusal& refusal) {
  check(refusal.code > 0);
  check(!refusal.why.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Split split(std::string(reinterpret_cast<const char*>(data), size));
  const auto file = tcmud::file::parse_options(split.config());
  if (file) {
    check(!file->path.empty() && file->path[0] == '/');
    check(!(file->create && file->read_only));
  } else {
    check_refusal(file.refusal());
  }
  if (auto rbd = tcmud::rbd::parse_options(split.config()); rbd) {
    check(!(*rbd).pool.empty() && !(*rbd).image.empty());
    check((*rbd).spec() == split.path);
    check((*rbd).snapshot.empty() || (*rbd).read_only);
    check(((*rbd).encryption == tcmud::rbd::Encryption::kNone) == (*rbd).passphrase_file.empty());
  } else {
    check_refusal(rbd.refusal());
  }
  const auto fault = tcmud::fault::parse_options(split.config());
  if (!fault) {
    check_refusal(fault.refusal());
    return 0;
  }
  check(!fault->inner_subtype.empty());
  check(fault->rules.size() + fault->inner_options.size() == split.options.size());
  tcmud_request request{};
  request.op = TCMUD_OP_READ;
  request.length = 512;
  for (const tcmud::fault::Rule& rule : fault->rules) {
    check(rule.every > 0 && rule.from < rule.to && rule.least_us <= rule.most_us);
    check(rule.chance_ppm <= 1'000'000 && rule.depth >= 2);
    tcmud::fault::RuleState state(rule);
    (void)state.hits(request);
    const uint64_t picked = state.pick(rule.least_us, rule.most_us);
    check(picked >= rule.least_us && picked <= rule.most_us);
  }
  return 0;
}
