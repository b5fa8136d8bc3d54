# Warnings, sanitizers and optimisation for everything built here.

set(TCMUD_SANITIZE "" CACHE STRING "Sanitizers, comma separated: address,undefined or thread")

add_compile_options(-Wall -Wextra -Werror -Wpointer-arith -fno-omit-frame-pointer)
add_compile_definitions(_GNU_SOURCE)

if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  # Assertions stay on in what we ship: a broken invariant in a storage daemon must stop one LUN's
  # thread loudly rather than go on and write.
  string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-D_GLIBCXX_ASSERTIONS> -fstack-protector-strong)
endif()

if(TCMUD_SANITIZE)
  add_compile_options(-fsanitize=${TCMUD_SANITIZE} -fno-sanitize-recover=all -O1)
  add_link_options(-fsanitize=${TCMUD_SANITIZE})
endif()

if(TCMUD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# The way of a command crosses rooms in many small functions. Behind a system call each call and return is a misprediction, so
# that inlining across rooms is worth a twentieth of a small READ. Objects are fat: tests link them as they are, which is
# quicker.
set(TCMUD_LTO "")
set(TCMUD_LTO_OFF "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT TCMUD_SANITIZE)
  set(TCMUD_LTO -flto=auto -ffat-lto-objects)
  set(TCMUD_LTO_OFF -fno-lto)
endif()

# Debug information and messages name files as they lie in the tree, wherever that is; so does ccache, which then knows them
# again in another clone.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
find_program(TCMUD_CCACHE ccache)
if(TCMUD_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/scripts/lib/compiler-cache)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/scripts/lib/compiler-cache)
endif()
