// SPDX-License-Identifier: Apache-2.0
//
// null/[label][;nofill]: answers at once, on the loop. Measures everything but storage.
//
// Writes vanish. Reads are zeroes: the data area may hold what an earlier command of another
// initiator left, so leaving it alone would hand that out. `nofill` does leave it alone, for
// measuring on a machine where nobody else listens.

#include <cstring>

#include <tcmud/handler.hpp>

namespace {

using tcmud::api::Config;
using tcmud::api::OpenArgs;
using tcmud::api::Refusal;
using tcmud::api::Result;

class NullHandler {
 public:
  static constexpr const char* subtype = "null";
  static constexpr const char* description = "no storage: reads zeroes, forgets writes";
  static constexpr const char* config_help =
      "null/[label][;nofill]: nofill leaves read buffers untouched (benchmarks only: leaks stale "
      "data)";

  static std::optional<Refusal> check_config(const Config& config) {
    for (const tcmud_option& option : config.options) {
      if (std::strcmp(option.key, "nofill") != 0) {
        return Refusal{EINVAL,
                       std::string("null: unknown option \"") + option.key + "\"; known: nofill"};
      }
      if (option.value[0] != '\0') {
        return Refusal{EINVAL, "null: option nofill takes no value"};
      }
    }
    return std::nullopt;
  }

  static Result<std::unique_ptr<NullHandler>> open(const OpenArgs& args) {
    if (auto refusal = check_config(args.config)) {
      return *refusal;
    }
    auto handler = std::make_unique<NullHandler>();
    handler->fill_ = args.config.options.empty();
    handler->lun_size_ = args.lun_size;
    return handler;
  }

  void get_props(tcmud_props& props) const {
    props.lun_size = lun_size_;
    props.model = TCMUD_MODEL_ASYNC;
    props.fua = TCMUD_NATIVE;
    props.flush = TCMUD_NATIVE;
    props.unmap = TCMUD_NATIVE;
    props.write_zeroes = TCMUD_NATIVE;
    props.write_same = TCMUD_NATIVE;
    props.compare_and_write = TCMUD_EMULATE;
    props.unmap_zeroes = 1;
    props.max_unmap_ranges = 256;
  }

  [[nodiscard]] int32_t submit(const tcmud_request& request) const {
    switch (request.op) {
      case TCMUD_OP_READ:
        if (fill_) {
          for (uint32_t i = 0; i < request.iovcnt; ++i) {
            std::memset(request.iov[i].iov_base, 0, request.iov[i].iov_len);
          }
        }
        return TCMUD_OK;
      case TCMUD_OP_WRITE:
      case TCMUD_OP_FLUSH:
      case TCMUD_OP_UNMAP:
      case TCMUD_OP_WRITE_ZEROES:
      case TCMUD_OP_WRITE_SAME:
        return TCMUD_OK;
      default:
        return TCMUD_NOT_SUPPORTED;
    }
  }

  std::optional<Refusal> resize(uint64_t lun_size) {
    lun_size_ = lun_size;
    return std::nullopt;
  }

 private:
  bool fill_ = true;
  uint64_t lun_size_ = 0;  // control thread only
};

}  // namespace

TCMUD_REGISTER_HANDLER_CLASS(NullHandler);
