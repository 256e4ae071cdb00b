# SPDX-License-Identifier: Apache-2.0
# What holds for every target of this project.

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# The build tree is laid out like an installation, so that the program finds its libraries and plugins the same way in both.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${CMAKE_INSTALL_BINDIR})
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR})
set(OSTEON_PLUGIN_SUBDIR osteon/plugins)

add_library(osteon_warnings INTERFACE)
target_compile_options(osteon_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow)
if(OSTEON_WARNINGS_AS_ERRORS)
  target_compile_options(osteon_warnings INTERFACE -Werror)
endif()

if(OSTEON_SANITIZE)
  add_compile_options(-fsanitize=${OSTEON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # GCC 12 sees uninitialised reads inside std::regex when it instruments it.
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${OSTEON_SANITIZE})
endif()
if(OSTEON_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()

# Code in which no time is spent: calls into LibTorch, the command line, tests. GCC compiles it in a third to a half less
# time at -O1; what loops over pixels has the full optimisation.
add_library(osteon_glue INTERFACE)
target_compile_options(osteon_glue INTERFACE $<$<CONFIG:Release>:-O1>)
# Tests that compare and drive: not optimising them takes another third off. (Behind a header of LibTorch it takes longer.)
add_library(osteon_unoptimised INTERFACE)
target_compile_options(osteon_unoptimised INTERFACE $<$<CONFIG:Release>:-O0>)

# Lets a program use a precompiled header of LibTorch, that of models with MODEL. They were made with -fPIC, where a program would
# have -fPIE.
function(osteon_share_torch_header target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
  # GCC 12 can crash when it optimises more than the header was made with.
  target_link_libraries(${target} PRIVATE osteon_glue)
  if("MODEL" IN_LIST ARGN)
    target_link_libraries(${target} PRIVATE osteon_torch_layer)
    target_precompile_headers(${target} REUSE_FROM osteon_torch_layer)
  else()
    target_precompile_headers(${target} REUSE_FROM osteon_tensor_pch)
  endif()
endfunction()

option(OSTEON_UNITY "Compile sources in batches, which takes half the time from nothing; OFF rebuilds least after a change" ON)
# Compiles the sources of a target in batches of `size` that lie in one folder: what a file spends on headers, and on the templates
# that GCC instantiates once more behind a precompiled header, is spent once a batch. OSTEON_UNITY=OFF compiles each by itself.
function(osteon_compile_in_batches target size)
  if(NOT OSTEON_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    if(source MATCHES "\\$<")
      continue()
    endif()
    get_filename_component(batch ${source} DIRECTORY)
    string(MAKE_C_IDENTIFIER "in${batch}" batch)
    if(NOT DEFINED ${batch})
      set(${batch} 0)
    endif()
    math(EXPR number "${${batch}} / ${size}")
    math(EXPR ${batch} "${${batch}} + 1")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${batch}_${number})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # Speaks of types in a header's anonymous namespace; a batch includes sources.
  target_compile_options(${target} PRIVATE
    $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-Wno-subobject-linkage>)
endfunction()
