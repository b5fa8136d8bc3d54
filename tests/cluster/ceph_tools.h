// SPDX-License-Identifier: Apache-2.0
//
// The Ceph cluster that a test runs against, as an administrator handles it.
#pragma once

#include <string>

namespace tcmud::test {

struct Ran {
  int status;       // of the shell; 0 = well
  std::string out;  // both of its outputs
};

// A line for the shell, with CEPH_CONF set, so that `ceph` and `rbd` mean this cluster. Program
// names and words of the caller's own only.
Ran shell(const std::string& line);
// The same; the test program ends if it fails.
std::string must(const std::string& line);
// scripts/ceph-cluster VERB DIR WORDS; the test program ends if it fails.
void cluster(const std::string& verb, const std::string& words);

// Of TCMUD_CEPH_CLUSTER, which tests/cluster/CMakeLists.txt sets: its configuration file. The test
// program ends if there is no cluster.
const std::string& ceph_conf();

// A name that no other test has.
std::string unique_name(const std::string& what);

}  // namespace tcmud::test
