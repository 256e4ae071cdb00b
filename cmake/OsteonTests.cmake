# SPDX-License-Identifier: Apache-2.0
# One program per room or plugin.
find_package(GTest REQUIRED)
find_package(nlohmann_json REQUIRED)
set(OSTEON_TEST_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
# Where there is gold, it links what needs LibTorch in a tenth of a second where bfd takes most of one.
include(CheckLinkerFlag)
check_linker_flag(CXX -fuse-ld=gold OSTEON_HAS_GOLD)

# One precompiled header for all tests that need nothing of LibTorch, and one for those of plugins, which are optimised: a header is bound
# to how it was made.
# LibTorch's CMake package defines this for all that links the engine.
set(OSTEON_TEST_DEFINITION _GLIBCXX_USE_CXX11_ABI=1)
foreach(pch osteon_test_pch osteon_plugin_test_pch)
  add_library(${pch} OBJECT ${CMAKE_BINARY_DIR}/${pch}.cpp)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/${pch}.cpp CONTENT "// The home of the precompiled header.\n")
  target_link_libraries(${pch} PRIVATE osteon::sdk GTest::gmock nlohmann_json::nlohmann_json osteon_warnings osteon_glue)
  target_compile_definitions(${pch} PRIVATE ${OSTEON_TEST_DEFINITION})
  target_precompile_headers(${pch} PRIVATE <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp>)
endforeach()
target_link_libraries(osteon_test_pch PRIVATE osteon_unoptimised)

# Its flags are those of a library in C++ without OpenMP.
function(osteon_share_test_header target pch)
  get_target_property(sources ${target} SOURCES)
  if(sources MATCHES "\\.c(;|$)")
    return()
  endif()
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_compile_definitions(${target} PRIVATE ${OSTEON_TEST_DEFINITION})
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

# Tiers. `./run test` runs the short one, `./run test all` both. Of the long one (ctest's label `long`) are programs with LONG, and
# of every other program the cases whose full name begins with "Long": TEST(LongThing, ...), INSTANTIATE_TEST_SUITE_P(Long, ...).
# Programs with NUMERIC, and every plugin's, have the label `numeric`: their verdict hangs on arithmetic, so that the long tier runs
# their short cases again under other instruction sets and on a busy machine (tests/tiers/numeric.sh).

# A test that runs the program, with what is given in its environment. It has a cache of its own, so that it neither sees nor
# changes the user's. Its threads wait as the program's do, without keeping a core busy that another test could use. Some tests ask for more memory than there is, which the address sanitizer would not let pass as a
# failed allocation.
function(_osteon_add_ctest name program labels)
  add_test(NAME ${name} COMMAND ${program})
  set_tests_properties(${name} PROPERTIES TIMEOUT 1500 LABELS "${labels}")
  set_property(TEST ${name} PROPERTY ENVIRONMENT
    OSTEON_CACHE_DIR=${CMAKE_BINARY_DIR}/test_cache OMP_WAIT_POLICY=passive
    ASAN_OPTIONS=allocator_may_return_null=1 ${ARGN})
endfunction()

# The cases that `filter` picks, in as many tests as there are shards.
function(_osteon_add_cases name program labels shards filter)
  if(shards EQUAL 1)
    _osteon_add_ctest(${name} ${program} "${labels}" GTEST_FILTER=${filter})
    return()
  endif()
  foreach(shard RANGE 1 ${shards})
    math(EXPR index "${shard} - 1")
    _osteon_add_ctest(${name}_${shard}_of_${shards} ${program} "${labels}"
      GTEST_FILTER=${filter} GTEST_TOTAL_SHARDS=${shards} GTEST_SHARD_INDEX=${index})
  endforeach()
endfunction()

function(_osteon_register_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "LONG;NUMERIC" "SHARDS" "SOURCES")
  target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest_main osteon_warnings osteon_glue)
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${OSTEON_TEST_OUTPUT_DIRECTORY})
  target_compile_definitions(${target} PRIVATE OSTEON_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(OSTEON_HAS_GOLD)
    target_link_options(${target} PRIVATE -fuse-ld=gold)
  endif()
  set(shards 1)
  if(arg_SHARDS)
    set(shards ${arg_SHARDS})
  endif()
  set(numeric "")
  if(arg_NUMERIC)
    set(numeric numeric)
  endif()
  if(arg_LONG)
    _osteon_add_cases(${target} ${target} long ${shards} *)
    return()
  endif()
  _osteon_add_cases(${target} ${target} "${numeric}" 1 -Long*)
  set(long "")
  foreach(source IN LISTS arg_SOURCES)
    if(NOT source MATCHES "\\$<")
      get_filename_component(source ${source} ABSOLUTE)
      file(STRINGS ${source} found REGEX "^(TEST(_[FP])?|INSTANTIATE_TEST_SUITE_P)\\(Long")
      list(APPEND long ${found})
    endif()
  endforeach()
  if(long)
    _osteon_add_cases(${target}_long ${target} long ${shards} Long*)
  endif()
endfunction()

# osteon_add_test(NAME SOURCES file... [LINK target...] [TORCH | MODEL] [LONG] [NUMERIC] [SHARDS n]): a GoogleTest program; TORCH
# shares LibTorch's precompiled header and MODEL that of models, SHARDS makes n tests of its long cases, which share them.
function(osteon_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH;MODEL;LONG;NUMERIC" "SHARDS" "SOURCES;LINK")
  set(optimisation "")
  add_executable(${name} ${arg_SOURCES})
  set(batch 6)
  if(arg_MODEL)
    set(batch 8)  # behind the header of models each costs 4 s before it begins
  endif()
  osteon_compile_in_batches(${name} ${batch})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  if(arg_MODEL)
    target_link_libraries(${name} PRIVATE osteon::torch)
    osteon_share_torch_header(${name} MODEL)
  elseif(arg_TORCH)
    target_link_libraries(${name} PRIVATE osteon::torch)
    osteon_share_torch_header(${name})
  elseif(NOT "osteon::openmp" IN_LIST arg_LINK)
    osteon_share_test_header(${name} osteon_test_pch)
    set(optimisation osteon_unoptimised)
  endif()
  set(tier "")
  foreach(keyword LONG NUMERIC)
    if(arg_${keyword})
      list(APPEND tier ${keyword})
    endif()
  endforeach()
  _osteon_register_test(${name} ${tier} SHARDS ${arg_SHARDS} SOURCES ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${optimisation})
endfunction()

# osteon_add_expression_test(LOSS): the LibTorch expression of a loss against its kernel, and that against the loss as one
# writes it. One program for all of them, which opens the plugins as a host does: LibTorch's headers are read once.
function(osteon_add_expression_test loss)
  set_property(GLOBAL APPEND PROPERTY OSTEON_EXPRESSION_TESTS ${loss})
endfunction()

function(osteon_build_expression_tests)
  get_property(losses GLOBAL PROPERTY OSTEON_EXPRESSION_TESTS)
  if(NOT losses)
    return()
  endif()
  set(file ${CMAKE_BINARY_DIR}/loss_expressions_test.cpp)
  list(TRANSFORM losses REPLACE "(.+)" "#include \"${PROJECT_SOURCE_DIR}/plugins/losses/\\1/\\1_expression_test.cpp\"\n" OUTPUT_VARIABLE includes)
  list(JOIN includes "" includes)
  file(CONFIGURE OUTPUT ${file} CONTENT "// Written by osteon_build_expression_tests.\n${includes}")
  osteon_add_test(loss_expressions_test SOURCES ${file} LINK osteon_host TORCH NUMERIC)
  target_include_directories(loss_expressions_test PRIVATE ${PROJECT_SOURCE_DIR}/plugins/losses)
  target_compile_definitions(loss_expressions_test PRIVATE
    OSTEON_PLUGIN_FOLDER="${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/${OSTEON_PLUGIN_SUBDIR}")
  list(TRANSFORM losses PREPEND osteon_loss_)
  add_dependencies(loss_expressions_test ${losses})
endfunction()

# Called by osteon_add_plugin: the plugin's own tests, linked with its objects and the host.
function(osteon_add_plugin_test plugin)
  set(target ${plugin}_test)
  add_executable(${target} ${ARGN})
  osteon_compile_in_batches(${target} 6)
  target_link_libraries(${target} PRIVATE ${plugin}_objects osteon_host)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  get_target_property(links ${plugin}_objects LINK_LIBRARIES)
  if("osteon::torch" IN_LIST links AND NOT "osteon::openmp" IN_LIST links)
    osteon_share_torch_header(${target} MODEL)
  elseif(NOT "osteon::openmp" IN_LIST links)
    osteon_share_test_header(${target} osteon_plugin_test_pch)
  endif()
  _osteon_register_test(${target} NUMERIC SOURCES ${ARGN})
endfunction()
