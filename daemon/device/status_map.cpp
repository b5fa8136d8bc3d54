// SPDX-License-Identifier: Apache-2.0
#include "device/status_map.h"

#include <tcmud/handler.h>

namespace tcmud::device {

using scsi::Sense;
using scsi::SenseKey;
using scsi::Status;
namespace asc = scsi::asc;

kernel::Completion make_completion(Status status, const Sense& sense) {
  kernel::Completion completion;
  completion.status = static_cast<uint8_t>(status);
  if (status == Status::kCheckCondition) {
    completion.sense_length = static_cast<uint8_t>(scsi::encode_sense(sense, completion.sense));
  }
  return completion;
}

Verdict verdict_of_status(int32_t status, uint64_t info, uint32_t block_size) {
  const auto check = [](SenseKey key, scsi::AdditionalSense code) {
    return Verdict{Status::kCheckCondition, {.key = key, .code = code}};
  };
  switch (status) {
    case TCMUD_BUSY:
    case TCMUD_TIMEOUT:
      return {Status::kBusy};
    case TCMUD_NO_RESOURCE:
      return {Status::kTaskSetFull};
    case TCMUD_NOT_SUPPORTED:
      return check(SenseKey::kIllegalRequest, asc::kInvalidOperationCode);
    case TCMUD_OUT_OF_RANGE:
      return check(SenseKey::kIllegalRequest, asc::kLbaOutOfRange);
    case TCMUD_READ_ERROR: {
      Verdict verdict = check(SenseKey::kMediumError, asc::kUnrecoveredReadError);
      if (info != TCMUD_NO_INFO) {
        verdict.sense.information = info / block_size;
      }
      return verdict;
    }
    case TCMUD_WRITE_ERROR:
      return check(SenseKey::kMediumError, asc::kWriteError);
    case TCMUD_MISCOMPARE: {
      Verdict verdict = check(SenseKey::kMiscompare, asc::kMiscompareDuringVerify);
      if (info != TCMUD_NO_INFO) {
        verdict.sense.information = info;
      }
      return verdict;
    }
    case TCMUD_NO_SPACE:
      return check(SenseKey::kDataProtect, asc::kSpaceAllocationFailed);
    case TCMUD_WRITE_PROTECTED:
      return check(SenseKey::kDataProtect, asc::kWriteProtected);
    case TCMUD_NOT_READY:
      return check(SenseKey::kNotReady, asc::kBecomingReady);
    case TCMUD_LOCK_LOST:
      return check(SenseKey::kNotReady, asc::kTargetPortInStandbyState);
    case TCMUD_ABORTED:
      return check(SenseKey::kAbortedCommand, asc::kNone);
    default:
      return check(SenseKey::kHardwareError, asc::kInternalTargetFailure);
  }
}

}  // namespace tcmud::device
