# Every library we stand on, from the distribution (scripts/install-deps brings them).

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
pkg_check_modules(NL REQUIRED IMPORTED_TARGET libnl-3.0 libnl-genl-3.0)
pkg_check_modules(KMOD REQUIRED IMPORTED_TARGET libkmod)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(URING REQUIRED IMPORTED_TARGET liburing)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(rapidcheck REQUIRED)
find_package(tl-expected REQUIRED)

# Ceph's libraries have no pkg-config files. Only the rbd handler links them.
foreach(name rbd rados)
  find_library(TCMUD_${name}_LIBRARY ${name} REQUIRED)
  find_path(TCMUD_${name}_INCLUDE ${name}/lib${name}.h REQUIRED)
  add_library(RBD::${name} UNKNOWN IMPORTED)
  set_target_properties(RBD::${name} PROPERTIES
    IMPORTED_LOCATION ${TCMUD_${name}_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${TCMUD_${name}_INCLUDE})
endforeach()
