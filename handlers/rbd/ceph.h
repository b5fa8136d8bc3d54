// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rados/librados.h>
#include <rbd/librbd.h>

namespace tcmud::rbd {

// The calls of librados and librbd that opening, serving and closing an image take, as a table, so
// that a test can fail the k-th of them.
struct Ceph {
  decltype(&::rados_create2) create;
  decltype(&::rados_conf_read_file) conf_read_file;
  decltype(&::rados_conf_set) conf_set;
  decltype(&::rados_conf_get) conf_get;
  decltype(&::rados_connect) connect;
  decltype(&::rados_shutdown) shutdown;
  decltype(&::rados_mon_command) mon_command;
  decltype(&::rados_buffer_free) buffer_free;
  decltype(&::rados_pool_reverse_lookup) pool_reverse_lookup;
  decltype(&::rados_service_register) service_register;
  decltype(&::rados_service_update_status) service_update_status;
  decltype(&::rados_ioctx_create) ioctx_create;
  decltype(&::rados_ioctx_set_namespace) ioctx_set_namespace;
  decltype(&::rados_ioctx_destroy) ioctx_destroy;
  decltype(&::rados_set_pool_full_try) set_pool_full_try;

  decltype(&::rados_getaddrs) getaddrs;
  decltype(&::rados_get_instance_id) get_instance_id;
  decltype(&::rados_blocklist_add) blocklist_add;
  decltype(&::rados_wait_for_latest_osdmap) wait_for_latest_osdmap;
  decltype(&::rados_watch3) watch3;
  decltype(&::rados_unwatch2) unwatch2;
  decltype(&::rados_watch_flush) watch_flush;
  decltype(&::rados_aio_create_completion2) rados_aio_create_completion;
  decltype(&::rados_aio_get_return_value) rados_aio_get_return_value;
  decltype(&::rados_aio_release) rados_aio_release;
  decltype(&::rados_aio_notify) aio_notify;
  decltype(&::rados_notify_ack) notify_ack;
  decltype(&::rados_decode_notify_response) decode_notify_response;
  decltype(&::rados_free_notify_response) free_notify_response;

  decltype(&::rbd_open) open;
  decltype(&::rbd_open_read_only) open_read_only;
  decltype(&::rbd_close) close;
  decltype(&::rbd_encryption_load) encryption_load;
  decltype(&::rbd_get_size) get_size;
  decltype(&::rbd_stat) stat;
  decltype(&::rbd_get_features) get_features;
  decltype(&::rbd_get_id) get_id;
  decltype(&::rbd_get_data_pool_id) get_data_pool_id;
  decltype(&::rbd_get_stripe_unit) get_stripe_unit;
  decltype(&::rbd_get_stripe_count) get_stripe_count;
  decltype(&::rbd_config_image_list) config_image_list;
  decltype(&::rbd_config_image_list_cleanup) config_image_list_cleanup;
  decltype(&::rbd_update_watch) update_watch;
  decltype(&::rbd_update_unwatch) update_unwatch;

  decltype(&::rbd_is_exclusive_lock_owner) is_exclusive_lock_owner;
  decltype(&::rbd_lock_get_owners) lock_get_owners;
  decltype(&::rbd_lock_get_owners_cleanup) lock_get_owners_cleanup;
  decltype(&::rbd_lock_acquire) lock_acquire;
  decltype(&::rbd_lock_release) lock_release;
  decltype(&::rbd_lock_break) lock_break;
  decltype(&::rbd_metadata_get) metadata_get;
  decltype(&::rbd_metadata_set) metadata_set;

  decltype(&::rbd_aio_create_completion) aio_create_completion;
  decltype(&::rbd_aio_get_return_value) aio_get_return_value;
  decltype(&::rbd_aio_release) aio_release;
  decltype(&::rbd_aio_readv) aio_readv;
  decltype(&::rbd_aio_writev) aio_writev;
  decltype(&::rbd_aio_flush) aio_flush;
  decltype(&::rbd_aio_write_zeroes) aio_write_zeroes;
  decltype(&::rbd_aio_writesame) aio_writesame;
  decltype(&::rbd_aio_compare_and_write) aio_compare_and_write;
};

[[nodiscard]] const Ceph& real_ceph();

}  // namespace tcmud::rbd
