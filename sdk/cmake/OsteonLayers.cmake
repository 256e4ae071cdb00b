# SPDX-License-Identifier: Apache-2.0
# The optional layers of the SDK. Each finds its library when it is asked for, so that a plugin that needs none of them
# depends on none of them. Macros, because find_package sets variables that callers need.
include_guard(GLOBAL)

# osteon::torch: LibTorch 1.13 or newer. OSTEON_TORCH_CUDA becomes whether it has CUDA; headers do not tell, because
# distributions ship those of CUDA beside a library without it.
macro(osteon_layer_torch)
  if(NOT TARGET osteon::torch)
    find_package(Torch 1.13 QUIET)
    if(Torch_FOUND)
      add_library(osteon_layer_torch INTERFACE IMPORTED GLOBAL)
      target_link_libraries(osteon_layer_torch INTERFACE torch)
      # Its headers refuse C++17 since then.
      if(Torch_VERSION VERSION_GREATER_EQUAL 2.14)
        target_compile_features(osteon_layer_torch INTERFACE cxx_std_20)
      endif()
      set(OSTEON_TORCH_CUDA OFF)
      if(TARGET torch_cuda)
        set(OSTEON_TORCH_CUDA ON)
        target_compile_definitions(osteon_layer_torch INTERFACE OSTEON_TORCH_CUDA)
        # CUDA has no nvToolsExt since 12.9, but LibTorch's CMake package may still name it. Nothing here uses it.
        if(TARGET torch::nvtoolsext AND NOT TARGET CUDA::nvToolsExt)
          add_library(CUDA::nvToolsExt INTERFACE IMPORTED GLOBAL)
        endif()
        # The headers of its streams call CUDA's runtime themselves.
        target_link_libraries(osteon_layer_torch INTERFACE c10_cuda torch::cudart)
      endif()
      add_library(osteon::torch ALIAS osteon_layer_torch)
    endif()
  endif()
endmacro()

# osteon::opencv: OpenCV's core and imgproc.
macro(osteon_layer_opencv)
  if(NOT TARGET osteon::opencv)
    find_package(OpenCV 4.5 QUIET COMPONENTS core imgproc)
    if(OpenCV_FOUND)
      add_library(osteon_layer_opencv INTERFACE IMPORTED GLOBAL)
      target_link_libraries(osteon_layer_opencv INTERFACE opencv_core opencv_imgproc)
      add_library(osteon::opencv ALIAS osteon_layer_opencv)
    endif()
  endif()
endmacro()

# osteon::openmp: threads through the compiler's own OpenMP, the one that LibTorch uses too.
macro(osteon_layer_openmp)
  if(NOT TARGET osteon::openmp)
    find_package(OpenMP QUIET COMPONENTS CXX)
    if(OpenMP_CXX_FOUND)
      add_library(osteon_layer_openmp INTERFACE IMPORTED GLOBAL)
      target_link_libraries(osteon_layer_openmp INTERFACE OpenMP::OpenMP_CXX)
      add_library(osteon::openmp ALIAS osteon_layer_openmp)
    endif()
  endif()
endmacro()
