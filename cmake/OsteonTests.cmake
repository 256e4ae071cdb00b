# SPDX-License-Identifier: Apache-2.0
# One program per test file: a change rebuilds little, a crash stops one of them only.
find_package(GTest REQUIRED)
set(OSTEON_TEST_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

function(_osteon_register_test target)
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main osteon_warnings)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${OSTEON_TEST_OUTPUT_DIRECTORY})
  target_compile_definitions(${target} PRIVATE OSTEON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${target} COMMAND ${target})
  # A cache of its own, so that a test neither sees nor changes the user's. Some tests ask for more memory than there is,
  # which the address sanitizer would not let pass as a failed allocation.
  set_tests_properties(${target} PROPERTIES TIMEOUT 300
    ENVIRONMENT "OSTEON_CACHE_DIR=${CMAKE_BINARY_DIR}/test_cache;ASAN_OPTIONS=allocator_may_return_null=1")
endfunction()

# osteon_add_test(NAME SOURCES file... [LINK target...] [TORCH]): a GoogleTest program; TORCH shares the precompiled header.
function(osteon_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH" "" "SOURCES;LINK")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  if(arg_TORCH)
    target_link_libraries(${name} PRIVATE osteon::torch)
    osteon_share_torch_header(${name})
  endif()
  _osteon_register_test(${name})
endfunction()

# Called by osteon_add_plugin: the plugin's own tests, linked with its objects and the host.
function(osteon_add_plugin_test plugin)
  set(target ${plugin}_test)
  add_executable(${target} ${ARGN})
  target_link_libraries(${target} PRIVATE ${plugin}_objects osteon_host)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  get_target_property(links ${plugin}_objects LINK_LIBRARIES)
  if("osteon::torch" IN_LIST links AND NOT "osteon::openmp" IN_LIST links)
    osteon_share_torch_header(${target})
  endif()
  _osteon_register_test(${target})
endfunction()
