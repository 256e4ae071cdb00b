# SPDX-License-Identifier: Apache-2.0
# osteon_add_plugin(): the same function builds the plugins of this tree and those of anybody else.
include_guard(GLOBAL)
set(OSTEON_SDK_CMAKE_DIR ${CMAKE_CURRENT_LIST_DIR})

# The ELF note ".note.osteon" that says what a library is before any of its code runs (osteon/abi/entry.h).
# Valid as C and as C++, for a project may have enabled one language alone.
function(_osteon_write_note file json)
  # Filled up with blanks, so that with its closing NUL it ends on a multiple of four, as notes do.
  string(LENGTH "${json}" length)
  math(EXPR blanks "3 - ${length} % 4")
  string(REPEAT " " ${blanks} blanks)
  string(APPEND json "${blanks}")
  string(LENGTH "${json}" length)
  math(EXPR size "${length} + 1")
  string(REPLACE "\"" "\\\"" escaped "${json}")
  file(CONFIGURE OUTPUT ${file} @ONLY CONTENT [=[
/* Written by osteon_add_plugin. */
#include <stdint.h>
struct osteon_note {
  uint32_t name_size, descriptor_size, type;
  char name[8];
  char descriptor[@size@];
};
__attribute__((section(".note.osteon"), used, aligned(4))) static const struct osteon_note osteon_note = {
    7, @length@, 1, "Osteon", "@escaped@"};
]=])
endfunction()

# The header of LibTorch and the layer over it that a library of these components ("model:unet", ...) begins with.
function(_osteon_torch_header components result)
  set(header osteon/sdk/torch/tensor.hpp)
  if(components MATCHES "(^|;)model:")
    set(header osteon/sdk/torch/model.hpp)
  elseif(components MATCHES "(^|;)loss:")
    set(header osteon/sdk/torch/loss.hpp)
  endif()
  set(${result} ${header} PARENT_SCOPE)
endfunction()

# PRECOMPILE: the header, and what of the model layer does not depend on the author's class (OSTEON_TORCH_LAYER_APART in
# osteon/sdk/torch/model.hpp).
function(_osteon_precompile target components)
  _osteon_torch_header("${components}" header)
  target_precompile_headers(${target} PRIVATE <${header}>)
  if(header STREQUAL osteon/sdk/torch/model.hpp)
    target_compile_definitions(${target} PUBLIC OSTEON_TORCH_LAYER_APART)
    target_sources(${target} PRIVATE ${OSTEON_SDK_CMAKE_DIR}/torch_layer.cpp)
  endif()
endfunction()

# TESTS outside Osteon's own tree: a program with a main of its own. It shares the precompiled header, which wants the same
# flags.
function(_osteon_add_own_test name target precompiled)
  add_executable(${target}_test ${ARGN})
  target_link_libraries(${target}_test PRIVATE ${target}_objects)
  if(precompiled)
    set_target_properties(${target}_test PROPERTIES POSITION_INDEPENDENT_CODE OFF
      CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    target_compile_options(${target}_test PRIVATE -fPIC $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
    target_precompile_headers(${target}_test REUSE_FROM ${target}_objects)
  endif()
  add_test(NAME ${name} COMMAND ${target}_test)
endfunction()

# osteon_add_plugin(NAME name KIND model|loss|augmentation|postprocessor|ensembler
#   SOURCES file...        its sources
#   [VERSION x.y.z]        of the library; 1.0.0
#   [COMPONENTS k:n ...]   when the library holds others than KIND:NAME alone
#   [LINK target...]       osteon::torch, osteon::opencv, osteon::openmp, or libraries of your own
#   [TESTS file...]        a program that ctest runs, linked with the plugin's own objects; Osteon's own tree adds GoogleTest
#                          and the host to it
#   [OUTPUT_DIRECTORY dir] where the library is built
#   [PRECOMPILE]           for what LINKs osteon::torch: compiles once what a change in a file leaves as it is, LibTorch's
#                          headers and of a model the layer behind them
#   [NO_INSTALL])
#
# Makes a module of which only the entry is visible, with a note that says what it is, and an option
# OSTEON_PLUGIN_<KIND>_<NAME> that leaves it out.
function(osteon_add_plugin)
  cmake_parse_arguments(PARSE_ARGV 0 arg "NO_INSTALL;PRECOMPILE" "NAME;KIND;VERSION;OUTPUT_DIRECTORY" "SOURCES;COMPONENTS;LINK;TESTS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "osteon_add_plugin: unknown argument ${arg_UNPARSED_ARGUMENTS}")
  endif()
  foreach(required NAME KIND SOURCES)
    if(NOT arg_${required})
      message(FATAL_ERROR "osteon_add_plugin: ${required} is missing")
    endif()
  endforeach()
  if(NOT arg_KIND MATCHES "^(model|loss|augmentation|postprocessor|ensembler)$")
    message(FATAL_ERROR "osteon_add_plugin: KIND '${arg_KIND}' is none of model, loss, augmentation, postprocessor, ensembler")
  endif()
  if(NOT arg_VERSION)
    set(arg_VERSION 1.0.0)
  endif()
  if(NOT arg_COMPONENTS)
    set(arg_COMPONENTS ${arg_KIND}:${arg_NAME})
  endif()

  string(TOUPPER "OSTEON_PLUGIN_${arg_KIND}_${arg_NAME}" option_name)
  option(${option_name} "Build the ${arg_KIND} plugin ${arg_NAME}" ON)
  if(NOT ${option_name})
    return()
  endif()

  set(libtorch "")
  if("osteon::torch" IN_LIST arg_LINK)
    if(NOT TARGET osteon::torch)
      message(FATAL_ERROR "osteon_add_plugin(${arg_NAME}): needs LibTorch; ask for it with find_package(OsteonSDK COMPONENTS torch)")
    endif()
    set(libtorch ${Torch_VERSION})
  elseif(arg_PRECOMPILE)
    message(FATAL_ERROR "osteon_add_plugin(${arg_NAME}): PRECOMPILE is for LibTorch's headers, and osteon::torch is not in LINK")
  endif()
  set(components "")
  foreach(component IN LISTS arg_COMPONENTS)
    string(REPLACE ":" ";" parts ${component})
    list(GET parts 0 kind)
    list(GET parts 1 name)
    list(APPEND components "{\"kind\": \"${kind}\", \"name\": \"${name}\"}")
  endforeach()
  list(JOIN components ", " components)
  set(json "{\"abi\": [${OSTEON_ABI_MAJOR}, ${OSTEON_ABI_MINOR}], \"name\": \"${arg_NAME}\", \"version\": \"${arg_VERSION}\",")
  string(APPEND json " \"components\": [${components}], \"libtorch\": \"${libtorch}\", \"stdlib_abi\": \"cxx11\"}")

  set(target osteon_${arg_KIND}_${arg_NAME})
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  set(note_extension cpp)
  if("C" IN_LIST languages)
    set(note_extension c)
  endif()
  set(note ${CMAKE_CURRENT_BINARY_DIR}/${target}_note.${note_extension})
  _osteon_write_note(${note} "${json}")

  add_library(${target}_objects OBJECT ${arg_SOURCES})
  target_link_libraries(${target}_objects PUBLIC osteon::sdk ${arg_LINK})
  target_compile_features(${target}_objects PUBLIC c_std_11 cxx_std_17)
  set_target_properties(${target}_objects PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  # Unique symbols would tie two plugins that use one template together, in spite of RTLD_LOCAL.
  target_compile_options(${target}_objects PRIVATE $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fno-gnu-unique>)
  if(TARGET osteon_warnings)
    target_link_libraries(${target}_objects PRIVATE osteon_warnings)
  endif()
  if(COMMAND osteon_compile_in_batches)
    osteon_compile_in_batches(${target}_objects 8)
  endif()
  # In this tree, what calls LibTorch; its loops are elsewhere, unless it has threads of its own.
  if(libtorch AND TARGET osteon_glue AND NOT "osteon::openmp" IN_LIST arg_LINK)
    target_link_libraries(${target}_objects PRIVATE osteon_glue)
  endif()
  # OpenMP changes a flag that a precompiled header is bound to.
  if(libtorch AND TARGET osteon_torch_layer AND NOT "osteon::openmp" IN_LIST arg_LINK)
    target_precompile_headers(${target}_objects REUSE_FROM osteon_torch_layer)
    target_link_libraries(${target}_objects PUBLIC osteon_torch_layer)
  elseif(arg_PRECOMPILE)
    _osteon_precompile(${target}_objects "${arg_COMPONENTS}")
  endif()

  add_library(${target} MODULE ${note})
  target_link_libraries(${target} PRIVATE ${target}_objects ${arg_LINK})
  # A LibTorch that is not among the system's libraries, as in a Python environment, is found where it was linked from.
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${arg_KIND}-${arg_NAME}
    BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH_USE_LINK_PATH ON)
  target_link_options(${target} PRIVATE
    -Wl,--version-script=${OSTEON_SDK_CMAKE_DIR}/plugin.map -Wl,-z,defs -Wl,--as-needed)
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${OSTEON_SDK_CMAKE_DIR}/plugin.map)
  if(OSTEON_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,undefs)
  endif()

  if(arg_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${arg_OUTPUT_DIRECTORY})
  elseif(OSTEON_PLUGIN_SUBDIR)
    set_target_properties(${target} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/${OSTEON_PLUGIN_SUBDIR})
    set_property(GLOBAL APPEND PROPERTY OSTEON_PLUGIN_TARGETS ${target})
    if(NOT arg_NO_INSTALL)
      install(TARGETS ${target} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/${OSTEON_PLUGIN_SUBDIR})
    endif()
  endif()

  if(arg_TESTS AND COMMAND osteon_add_plugin_test AND OSTEON_BUILD_TESTS)
    osteon_add_plugin_test(${target} ${arg_TESTS})
  elseif(arg_TESTS AND NOT TARGET osteon_sdk)
    _osteon_add_own_test(${arg_NAME} ${target} ${arg_PRECOMPILE} ${arg_TESTS})
  endif()
endfunction()
