// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite's cases for images of a real cluster.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "cluster/ceph_tools.h"
#include "conformance/cases.h"

namespace tcmud::conformance {
namespace {

using test::must;

constexpr uint64_t kSize = 4u << 20;

class RbdImages final : public ImageMaker {
 public:
  std::string make(const std::string& kind) override {
    const std::string pool = kind == "namespace" ? "rbd/" + name_space() : "rbd";
    const std::string image = pool + "/" + test::unique_name(kind);
    if (kind == "clone") {
      must("rbd clone " + parent() + "@base " + image);
    } else if (kind == "striped") {
      must("rbd create " + image + " -s 4M --object-size 64K --stripe-unit 16K --stripe-count 3");
    } else {
      must("rbd create " + image + " -s 4M");
    }
    return image;
  }

  void remove(const std::string& image) override { must("rbd rm --no-progress " + image); }

 private:
  static const std::string& name_space() {
    static const std::string kName = [] {
      const std::string name = test::unique_name("tenant");
      must("rbd namespace create rbd/" + name);
      return name;
    }();
    return kName;
  }

  // All of it is written, with zeroes, so that a clone has a parent for each of its blocks and
  // reads as a new LUN does.
  static const std::string& parent() {
    static const std::string kName = [] {
      std::string name = "rbd/" + test::unique_name("parent");
      must("rbd create " + name + " -s 4M");
      std::string why;
      const auto lun =
          Lun::open("rbd/" + name + ";nolock;conf=" + test::ceph_conf(), kSize, 512, why);
      if (lun == nullptr ||
          lun->run(*Request::write(0, std::vector<uint8_t>(kSize, 0))) != TCMUD_OK) {
        std::fprintf(stderr, "the parent of clones: %s\n", why.c_str());
        std::abort();
      }
      must("rbd snap create --no-progress " + name + "@base; rbd snap protect " + name + "@base");
      return name;
    }();
    return kName;
  }
};

}  // namespace

ImageMaker* image_maker() {
  static RbdImages images;
  return &images;
}

std::vector<Case> cases() {
  const std::string rbd = "rbd/{image:";
  const std::string conf = "};nolock;conf=" + test::ceph_conf();
  return {
      {"rbd", rbd + "plain" + conf, kSize, 512, true, true},
      {"rbd_locked", rbd + "plain};conf=" + test::ceph_conf(), kSize, 512, true, true},
      {"rbd_4096", rbd + "plain" + conf, kSize, 4096, true, true},
      {"rbd_namespace", rbd + "namespace" + conf, kSize, 512, true, true},
      {"rbd_striped", rbd + "striped" + conf, kSize, 512, true, true},
      {"rbd_clone", rbd + "clone" + conf, kSize, 512, true, true},
      {"rbd_cache", rbd + "plain" + conf + ";cache", kSize, 512, true, true},
  };
}

}  // namespace tcmud::conformance
