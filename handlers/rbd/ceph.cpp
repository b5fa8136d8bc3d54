// SPDX-License-Identifier: Apache-2.0
#include "ceph.h"

namespace tcmud::rbd {

const Ceph& real_ceph() {
  static constexpr Ceph kCeph = {
      .create = ::rados_create2,
      .conf_read_file = ::rados_conf_read_file,
      .conf_set = ::rados_conf_set,
      .conf_get = ::rados_conf_get,
      .connect = ::rados_connect,
      .shutdown = ::rados_shutdown,
      .mon_command = ::rados_mon_command,
      .buffer_free = ::rados_buffer_free,
      .pool_reverse_lookup = ::rados_pool_reverse_lookup,
      .service_register = ::rados_service_register,
      .service_update_status = ::rados_service_update_status,
      .ioctx_create = ::rados_ioctx_create,
      .ioctx_set_namespace = ::rados_ioctx_set_namespace,
      .ioctx_destroy = ::rados_ioctx_destroy,
      .set_pool_full_try = ::rados_set_pool_full_try,
      .open = ::rbd_open,
      .open_read_only = ::rbd_open_read_only,
      .close = ::rbd_close,
      .encryption_load = ::rbd_encryption_load,
      .get_size = ::rbd_get_size,
      .stat = ::rbd_stat,
      .get_features = ::rbd_get_features,
      .get_id = ::rbd_get_id,
      .get_data_pool_id = ::rbd_get_data_pool_id,
      .get_stripe_unit = ::rbd_get_stripe_unit,
      .get_stripe_count = ::rbd_get_stripe_count,
      .config_image_list = ::rbd_config_image_list,
      .config_image_list_cleanup = ::rbd_config_image_list_cleanup,
      .update_watch = ::rbd_update_watch,
      .update_unwatch = ::rbd_update_unwatch,
      .aio_create_completion = ::rbd_aio_create_completion,
      .aio_get_return_value = ::rbd_aio_get_return_value,
      .aio_release = ::rbd_aio_release,
      .aio_readv = ::rbd_aio_readv,
      .aio_writev = ::rbd_aio_writev,
      .aio_flush = ::rbd_aio_flush,
      .aio_write_zeroes = ::rbd_aio_write_zeroes,
      .aio_writesame = ::rbd_aio_writesame,
      .aio_compare_and_write = ::rbd_aio_compare_and_write,
  };
  return kCeph;
}

}  // namespace tcmud::rbd
