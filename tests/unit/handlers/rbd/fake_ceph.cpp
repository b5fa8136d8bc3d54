// SPDX-License-Identifier: Apache-2.0
#include "fake_ceph.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <gtest/gtest.h>

namespace tcmud::rbd::test {
namespace {

FakeCeph* the_one = nullptr;
int a_handle;

std::string join(const iovec* iov, int count) {
  std::string data;
  for (int i = 0; i < count; ++i) {
    data.append(static_cast<const char*>(iov[i].iov_base), iov[i].iov_len);
  }
  return data;
}

uint64_t sum(const iovec* iov, int count) {
  uint64_t bytes = 0;
  for (int i = 0; i < count; ++i) {
    bytes += iov[i].iov_len;
  }
  return bytes;
}

// "key\0value\0...\0\0" as text.
std::string unpack(const char* packed) {
  std::string text;
  while (*packed != '\0') {
    const std::string key = packed;
    packed += key.size() + 1;
    const std::string value = packed;
    packed += value.size() + 1;
    text += key + "=" + value + "\n";
  }
  return text;
}

}  // namespace

FakeCeph::FakeCeph() {
  the_one = this;
  conf_ = {{"osd_heartbeat_grace", "20"},
           {"osd_heartbeat_interval", "6"},
           {"rados_osd_op_timeout", "0"},
           {"ms_async_op_threads", "3"},
           {"librados_thread_count", "2"}};
}

FakeCeph::~FakeCeph() {
  EXPECT_EQ(open_, 0) << "left open";
  EXPECT_TRUE(operations_.empty());
  the_one = nullptr;
}

std::string FakeCeph::service_status() {
  const std::lock_guard lock(mutex_);
  return service_status_;
}

void FakeCeph::tell_service_status(std::string status) {
  const std::lock_guard lock(mutex_);
  service_status_ = std::move(status);
}

void FakeCeph::fail_call(uint64_t k, int error) {
  const std::lock_guard lock(mutex_);
  calls_ = 0;
  fail_at_ = k;
  error_ = error;
  failed_.clear();
}

void FakeCeph::fail_all(const std::string& name, int error) {
  const std::lock_guard lock(mutex_);
  failing_[name] = error;
}

uint64_t FakeCeph::calls() {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::string FakeCeph::failed() {
  const std::lock_guard lock(mutex_);
  return failed_;
}

std::string FakeCeph::conf(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return conf_[key];
}

void FakeCeph::set_conf(const std::string& key, const std::string& value) {
  const std::lock_guard lock(mutex_);
  conf_[key] = value;
}

int FakeCeph::step(const char* name) {
  const std::lock_guard lock(mutex_);
  if (++calls_ == fail_at_) {
    failed_ = name;
    return error_;
  }
  const auto it = failing_.find(name);
  return it == failing_.end() ? 0 : it->second;
}

int FakeCeph::submit(rbd_completion_t completion, Operation operation) {
  if (const int r = step(operation.name.c_str()); r < 0) {
    return r;
  }
  auto* mine = static_cast<Operation*>(completion);
  operation.callback = mine->callback;
  operation.arg = mine->arg;
  *mine = std::move(operation);
  const std::lock_guard lock(mutex_);
  operations_.push_back(mine);
  return 0;
}

void FakeCeph::end(int64_t result) {
  Operation* operation = nullptr;
  {
    const std::lock_guard lock(mutex_);
    ASSERT_FALSE(operations_.empty());
    operation = operations_.front();
    operations_.pop_front();
  }
  operation->result =
      result == 0 && operation->name == "readv" ? static_cast<int64_t>(operation->length) : result;
  operation->callback(operation, operation->arg);
}

void FakeCeph::end_all(int64_t result) {
  while (!operations().empty()) {
    end(result);
  }
}

std::vector<FakeCeph::Operation> FakeCeph::operations() {
  const std::lock_guard lock(mutex_);
  std::vector<Operation> copies;
  for (const Operation* operation : operations_) {
    copies.push_back(*operation);
  }
  return copies;
}

void FakeCeph::change_header() {
  rbd_update_callback_t callback = nullptr;
  {
    const std::lock_guard lock(mutex_);
    callback = header_callback_;
  }
  ASSERT_NE(callback, nullptr);
  callback(header_arg_);
}

struct FakeCalls {
  static FakeCeph& f() { return *the_one; }

  template <class T>
  static int open(const char* name, T* handle) {
    const int r = f().step(name);
    if (r >= 0) {
      *handle = &a_handle;
      ++f().open_;
    }
    return r;
  }
  static int create(rados_t* rados, const char*, const char*, uint64_t) {
    return open("create", rados);
  }
  static int conf_read_file(rados_t, const char*) { return f().step("conf_read_file"); }
  static int conf_set(rados_t, const char* key, const char* value) {
    f().set_conf(key, value);
    return 0;
  }
  static int conf_get(rados_t, const char* key, char* buffer, size_t size) {
    const std::string value = f().conf(key);
    std::snprintf(buffer, size, "%s", value.c_str());
    return 0;
  }
  static int connect(rados_t) {
    ++f().connects;
    return f().step("connect");
  }
  static void shutdown(rados_t) { --f().open_; }
  static int mon_command(rados_t, const char** commands, size_t, const char*, size_t, char** out,
                         size_t* out_size, char** status, size_t* status_size) {
    *status = ::strdup("status");
    *status_size = 6;
    if (const int r = f().step("mon_command"); r < 0) {
      return r;
    }
    for (const auto& [word, answer] : f().monitors) {
      if (std::strstr(commands[0], word.c_str()) != nullptr) {
        *out = ::strdup(answer.c_str());
        *out_size = answer.size();
        return 0;
      }
    }
    return -ENOENT;
  }
  static void buffer_free(char* buffer) { std::free(buffer); }
  static int pool_reverse_lookup(rados_t, int64_t, char* buffer, size_t size) {
    std::snprintf(buffer, size, "data");
    return f().step("pool_reverse_lookup");
  }
  static int service_register(rados_t, const char* service, const char* daemon,
                              const char* metadata) {
    f().service_daemon = std::string(service) + " " + daemon;
    f().service_metadata = unpack(metadata);
    return f().step("service_register");
  }
  static int service_update_status(rados_t, const char* status) {
    f().tell_service_status(unpack(status));
    return f().step("service_update_status");
  }
  static uint64_t get_instance_id(rados_t) { return 4711; }
  static int getaddrs(rados_t, char** addresses) {
    *addresses = nullptr;
    return -EIO;
  }
  static int ioctx_create(rados_t, const char*, rados_ioctx_t* pool) {
    return open("ioctx_create", pool);
  }
  static void ioctx_set_namespace(rados_ioctx_t, const char*) {}
  static void ioctx_destroy(rados_ioctx_t) { --f().open_; }
  static void set_pool_full_try(rados_ioctx_t) {}
  static int open_image(rados_ioctx_t, const char*, rbd_image_t* image, const char*) {
    return open("open", image);
  }
  static int close(rbd_image_t) {
    --f().open_;
    return f().step("close");
  }
  static int encryption_load(rbd_image_t, rbd_encryption_format_t, rbd_encryption_options_t,
                             size_t) {
    return f().step("encryption_load");
  }
  static int get_size(rbd_image_t, uint64_t* size) {
    *size = f().size;
    return f().step("get_size");
  }
  static int stat(rbd_image_t, rbd_image_info_t* info, size_t) {
    info->obj_size = 4u << 20;
    return f().step("stat");
  }
  static int get_features(rbd_image_t, uint64_t* features) {
    *features = f().features;
    return f().step("get_features");
  }
  static int get_id(rbd_image_t, char* id, size_t size) {
    std::snprintf(id, size, "4711");
    return f().step("get_id");
  }
  static int64_t get_data_pool_id(rbd_image_t) { return f().step("get_data_pool_id"); }
  static int get_stripe(rbd_image_t, uint64_t* value) {
    *value = 4u << 20;
    return f().step("get_stripe_unit");
  }
  static int get_stripe_count(rbd_image_t, uint64_t* value) {
    *value = 1;
    return f().step("get_stripe_count");
  }
  static int config_image_list(rbd_image_t, rbd_config_option_t* options, int* count) {
    const int has = static_cast<int>(f().image_config.size());
    if (const int r = f().step("config_image_list"); r < 0) {
      return r;
    }
    if (*count < has) {
      *count = has;
      return -ERANGE;
    }
    *count = has;
    for (const auto& [key, value] : f().image_config) {
      options->name = ::strdup(key.c_str());
      options->value = ::strdup(value.c_str());
      ++options;
    }
    return 0;
  }
  static void config_image_list_cleanup(rbd_config_option_t* options, int count) {
    for (int i = 0; i < count; ++i) {
      std::free(options[i].name);
      std::free(options[i].value);
    }
  }
  static int update_watch(rbd_image_t, uint64_t* handle, rbd_update_callback_t callback,
                          void* arg) {
    const int r = f().step("update_watch");
    if (r >= 0) {
      *handle = 1;
      ++f().open_;
      const std::lock_guard lock(f().mutex_);
      f().header_callback_ = callback;
      f().header_arg_ = arg;
    }
    if (r >= 0 && f().tells_at_once) {
      callback(arg);
    }
    return r;
  }
  static int update_unwatch(rbd_image_t, uint64_t) {
    --f().open_;
    return f().step("update_unwatch");
  }
  static int aio_create_completion(void* arg, rbd_callback_t callback, rbd_completion_t* out) {
    const int r = f().step("aio_create_completion");
    if (r >= 0) {
      auto* operation = new FakeCeph::Operation{};
      operation->callback = callback;
      operation->arg = arg;
      *out = operation;
      ++f().open_;
    }
    return r;
  }
  static ssize_t aio_get_return_value(rbd_completion_t completion) {
    return static_cast<ssize_t>(static_cast<FakeCeph::Operation*>(completion)->result);
  }
  static void aio_release(rbd_completion_t completion) {
    delete static_cast<FakeCeph::Operation*>(completion);
    --f().open_;
  }
  static int aio_readv(rbd_image_t, const iovec* iov, int count, uint64_t offset,
                       rbd_completion_t c) {
    return f().submit(c, {"readv", offset, sum(iov, count), 0, "", nullptr, nullptr, 0, nullptr});
  }
  static int aio_writev(rbd_image_t, const iovec* iov, int count, uint64_t offset,
                        rbd_completion_t c) {
    return f().submit(
        c, {"writev", offset, sum(iov, count), 0, join(iov, count), nullptr, nullptr, 0, nullptr});
  }
  static int aio_flush(rbd_image_t, rbd_completion_t c) {
    return f().submit(c, {"flush", 0, 0, 0, "", nullptr, nullptr, 0, nullptr});
  }
  static int aio_write_zeroes(rbd_image_t, uint64_t offset, size_t length, rbd_completion_t c,
                              int flags, int) {
    return f().submit(c, {"write_zeroes", offset, length, flags, "", nullptr, nullptr, 0, nullptr});
  }
  static int aio_writesame(rbd_image_t, uint64_t offset, size_t length, const char* data,
                           size_t size, rbd_completion_t c, int) {
    return f().submit(
        c, {"writesame", offset, length, 0, std::string(data, size), nullptr, nullptr, 0, nullptr});
  }
  static ssize_t aio_compare_and_write(rbd_image_t, uint64_t offset, size_t length,
                                       const char* expected, const char* data, rbd_completion_t c,
                                       uint64_t* mismatch, int) {
    return f().submit(c, {"compare_and_write", offset, length, 0,
                          std::string(expected, length) + std::string(data, length), nullptr,
                          nullptr, 0, mismatch});
  }
};

const Ceph& FakeCeph::table() {
  static const Ceph kTable = [] {
    Ceph t{};
    using F = FakeCalls;
    t.create = F::create;
    t.conf_read_file = F::conf_read_file;
    t.conf_set = F::conf_set;
    t.conf_get = F::conf_get;
    t.connect = F::connect;
    t.shutdown = F::shutdown;
    t.mon_command = F::mon_command;
    t.buffer_free = F::buffer_free;
    t.pool_reverse_lookup = F::pool_reverse_lookup;
    t.service_register = F::service_register;
    t.service_update_status = F::service_update_status;
    t.getaddrs = F::getaddrs;
    t.get_instance_id = F::get_instance_id;
    t.ioctx_create = F::ioctx_create;
    t.ioctx_set_namespace = F::ioctx_set_namespace;
    t.ioctx_destroy = F::ioctx_destroy;
    t.set_pool_full_try = F::set_pool_full_try;
    t.open = F::open_image;
    t.open_read_only = F::open_image;
    t.close = F::close;
    t.encryption_load = F::encryption_load;
    t.get_size = F::get_size;
    t.stat = F::stat;
    t.get_features = F::get_features;
    t.get_id = F::get_id;
    t.get_data_pool_id = F::get_data_pool_id;
    t.get_stripe_unit = F::get_stripe;
    t.get_stripe_count = F::get_stripe_count;
    t.config_image_list = F::config_image_list;
    t.config_image_list_cleanup = F::config_image_list_cleanup;
    t.update_watch = F::update_watch;
    t.update_unwatch = F::update_unwatch;
    t.aio_create_completion = F::aio_create_completion;
    t.aio_get_return_value = F::aio_get_return_value;
    t.aio_release = F::aio_release;
    t.aio_readv = F::aio_readv;
    t.aio_writev = F::aio_writev;
    t.aio_flush = F::aio_flush;
    t.aio_write_zeroes = F::aio_write_zeroes;
    t.aio_writesame = F::aio_writesame;
    t.aio_compare_and_write = F::aio_compare_and_write;
    return t;
  }();
  return kTable;
}

}  // namespace tcmud::rbd::test
