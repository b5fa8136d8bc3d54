// SPDX-License-Identifier: Apache-2.0
//
// A whole handler: memory as a disk. The example of the handler API, held to the same suite as the
// others.
#include <cstring>
#include <vector>

#include <tcmud/handler.hpp>

class Ram {
 public:
  static constexpr const char* subtype = "ram";
  static constexpr const char* description = "memory as a disk; gone when the LUN is closed";
  static constexpr const char* config_help = "ram/";

  static std::optional<tcmud::api::Refusal> check_config(const tcmud::api::Config& config) {
    if (config.options.empty()) {
      return std::nullopt;
    }
    return tcmud::api::Refusal{EINVAL, std::string("ram: unknown option ") + config.options[0].key};
  }

  static tcmud::api::Result<std::unique_ptr<Ram>> open(const tcmud::api::OpenArgs& args) {
    if (auto refusal = check_config(args.config)) {
      return *refusal;
    }
    auto ram = std::make_unique<Ram>();
    ram->bytes_.resize(args.lun_size);
    return ram;
  }

  int32_t submit(tcmud_request& request) {
    if (request.op != TCMUD_OP_READ && request.op != TCMUD_OP_WRITE) {
      return TCMUD_NOT_SUPPORTED;
    }
    char* at = bytes_.data() + request.offset;
    for (uint32_t i = 0; i < request.iovcnt; at += request.iov[i++].iov_len) {
      const iovec& v = request.iov[i];
      std::memcpy(request.op == TCMUD_OP_READ ? v.iov_base : at,
                  request.op == TCMUD_OP_READ ? at : v.iov_base, v.iov_len);
    }
    return TCMUD_OK;
  }

 private:
  std::vector<char> bytes_;
};

TCMUD_REGISTER_HANDLER_CLASS(Ram);
