// SPDX-License-Identifier: Apache-2.0
#include "copy/copy_manager.h"

#include <algorithm>

#include "scsi/designator.h"
#include "scsi/extended_copy.h"

namespace tcmud::copy {

void CopyManager::add(std::weak_ptr<Lun> lun) {
  const std::lock_guard lock(mutex_);
  std::erase_if(luns_, [](const auto& known) { return known.expired(); });
  luns_.push_back(std::move(lun));
}

void CopyManager::remove(const std::shared_ptr<Lun>& lun) {
  const std::lock_guard lock(mutex_);
  std::erase_if(luns_,
                [&lun](const auto& known) { return known.expired() || known.lock() == lun; });
}

std::shared_ptr<Lun> CopyManager::find(std::span<const uint8_t> naa) const {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<Lun> found;
  for (const auto& known : luns_) {
    std::shared_ptr<Lun> lun = known.lock();
    if (lun == nullptr) {
      continue;
    }
    const auto own = scsi::naa_of(lun->told()->serial);
    if (!own || !std::equal(own->begin(), own->end(), naa.begin(), naa.end())) {
      continue;
    }
    if (found != nullptr) {
      return nullptr;
    }
    found = std::move(lun);
  }
  return found;
}

Place CopyManager::take_place() {
  return Place::take(at_work_, scsi::kMaxCopies);
}

}  // namespace tcmud::copy
