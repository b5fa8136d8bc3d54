// SPDX-License-Identifier: Apache-2.0
#include "support/attributes.h"

#include <fmt/core.h>

#include "support/fake_device.h"

namespace tcmud::test {

AttributeMap initial_attributes(const DeviceSpec& spec) {
  const Geometry& geometry = spec.ring.geometry;
  const auto mib = [](uint64_t bytes) { return std::to_string(bytes >> 20); };
  AttributeMap map{
      {"enable", "1"},
      {"info",
       fmt::format(
           "Status: ACTIVATED  Max Queue Depth: 128  SectorSize: {}  HwMaxSectors: {}\n"
           "        Config: {}  Size: {} MaxDataAreaMB: {} DataPagesPerBlk: {} CmdRingSizeMB: {}",
           spec.block_size, spec.max_sectors, spec.dev_config, spec.bytes,
           mib(geometry.data_area_bytes), geometry.pages_per_block, mib(geometry.ring_bytes))},
      {"attrib/cmd_time_out", std::to_string(spec.ring.command_timeout.count() / 1000)},
      {"attrib/qfull_time_out", std::to_string(spec.ring.queue_full_timeout_s)},
      {"attrib/max_data_area_mb", mib(geometry.data_area_bytes)},
      {"attrib/data_pages_per_blk", std::to_string(geometry.pages_per_block)},
      {"attrib/cmd_ring_size_mb", mib(geometry.ring_bytes)},
      {"attrib/dev_config", spec.dev_config},
      {"attrib/dev_size", std::to_string(spec.bytes)},
      {"attrib/emulate_write_cache", "0"},
      {"attrib/tmr_notification", spec.ring.tmr_notification ? "1" : "0"},
      {"attrib/nl_reply_supported", "1"},
      {"attrib/hw_pi_prot_type", "0"},
      {"attrib/hw_block_size", std::to_string(spec.block_size)},
      {"attrib/hw_max_sectors", std::to_string(spec.max_sectors)},
      {"attrib/hw_queue_depth", "128"},
      {"attrib/emulate_pr", "1"},
      {"attrib/alua_support", "1"},
      {"attrib/pgr_support", "1"},
      {"attrib/enforce_pr_isids", "1"},
      {"attrib/force_pr_aptpl", "0"},
      {"wwn/vendor_id", "LIO-ORG"},
      {"wwn/product_id", ""},
      {"wwn/revision", ""},
      {"wwn/company_id", "0x001405"},
      {"wwn/vpd_unit_serial", "T10 VPD Unit Serial Number: " + spec.serial},
      {"action/block_dev", "0"},
  };
  for (const auto& [file, value] : initial_port_group(0)) {
    map["alua/default_tg_pt_gp/" + file] = value;
  }
  return map;
}

AttributeMap initial_port_group(uint16_t id) {
  return {
      {"alua_access_state", "0"},
      {"alua_access_status", "None"},
      {"alua_access_type", "Implicit and Explicit"},
      {"alua_support_transitioning", "1"},
      {"alua_support_offline", "1"},
      {"alua_support_lba_dependent", "0"},
      {"alua_support_unavailable", "1"},
      {"alua_support_standby", "1"},
      {"alua_support_active_optimized", "1"},
      {"alua_support_active_nonoptimized", "1"},
      {"alua_write_metadata", "0"},
      {"nonop_delay_msecs", "100"},
      {"trans_delay_msecs", "0"},
      {"implicit_trans_secs", "0"},
      {"preferred", "0"},
      {"tg_pt_gp_id", std::to_string(id)},
      {"members", ""},
  };
}

}  // namespace tcmud::test
