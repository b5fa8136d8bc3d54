# The few kinds of thing this tree builds.

# tcmud_room(<name> SOURCES ... [LINK ...]): a static library tcmud_<name> of one room of the daemon.
function(tcmud_room name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(tcmud_${name} STATIC ${ARG_SOURCES})
  target_include_directories(tcmud_${name} PUBLIC ${PROJECT_SOURCE_DIR}/daemon ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(tcmud_${name} PUBLIC ${ARG_LINK} Threads::Threads)
  target_compile_options(tcmud_${name} PRIVATE ${TCMUD_LTO})
endfunction()

# tcmud_handler(<name> SOURCES ... [LINK ...]): a loadable handler, lib/tcmud/handler_<name>.so.
function(tcmud_handler name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(handler_${name} MODULE ${ARG_SOURCES})
  target_include_directories(handler_${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
  target_link_libraries(handler_${name} PRIVATE ${ARG_LINK} Threads::Threads)
  target_compile_options(handler_${name} PRIVATE ${TCMUD_LTO})
  target_link_options(handler_${name} PRIVATE ${TCMUD_LTO})
  set_target_properties(handler_${name} PROPERTIES
    PREFIX "" C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/tcmud)
  install(TARGETS handler_${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/tcmud)
endfunction()

# tcmud_compile_as_test(<name>)
function(tcmud_compile_as_test name)
  target_compile_options(${name} PRIVATE -O0) # half the time to compile; what is tested stays as it is
  if(TCMUD_FUZZ)
    target_compile_options(${name} PRIVATE -fno-sanitize=fuzzer-no-link) # no fuzzer finds its way through a test
  endif()
  target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest_main)
endfunction()

# tcmud_test(<name> SOURCES ... [LINK ...] [TIMEOUT s] [LABELS ...] [SINGLE_THREADED]): one GoogleTest binary, one ctest entry.
# SINGLE_THREADED says that nothing in it starts a thread: ThreadSanitizer has nothing to find there.
function(tcmud_test name)
  cmake_parse_arguments(ARG "SINGLE_THREADED" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  if(ARG_SINGLE_THREADED AND TCMUD_SANITIZE MATCHES "thread")
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(TCMUD_SANITIZE) # several times as slow, beside a virtual machine more so
    math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * 5")
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/daemon ${PROJECT_SOURCE_DIR}/include)
  tcmud_compile_as_test(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} Threads::Threads)
  if(TARGET tcmud_test_headers)
    target_precompile_headers(${name} REUSE_FROM tcmud_test_headers)
  endif()
  target_link_options(${name} PRIVATE ${TCMUD_LTO_OFF})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} --gtest_brief=1)
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()

# tcmud_fuzz_target(<name> SOURCES ... [LINK ...] [SECONDS s]): one libFuzzer target, which runs for a minute unless SECONDS
# says otherwise; a corpus of seeds in tests/fuzz/corpus/<name>.
function(tcmud_fuzz_target name)
  cmake_parse_arguments(ARG "" "SECONDS" "SOURCES;LINK" ${ARGN})
  if(NOT TCMUD_FUZZ)
    return()
  endif()
  if(NOT ARG_SECONDS)
    set(ARG_SECONDS 60)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/daemon)
  target_link_libraries(${name} PRIVATE ${ARG_LINK} Threads::Threads)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/fuzz/run $<TARGET_FILE:${name}> ${ARG_SECONDS})
  set_tests_properties(${name} PROPERTIES TIMEOUT 7200 LABELS fuzz)
endfunction()
