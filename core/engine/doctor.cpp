// SPDX-License-Identifier: Apache-2.0
#include "engine/doctor.hpp"

#include <chrono>

#include <ATen/Parallel.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <dlfcn.h>
#include <torch/cuda.h>
#include <torch/version.h>
#include <opencv2/core/utility.hpp>

namespace osteon::engine {
namespace {

// OpenBLAS tells by itself which kernels it chose; other libraries have no such function.
std::string openblas_core() {
  using CoreName = char* (*)();
  const auto core_name = reinterpret_cast<CoreName>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  if (core_name != nullptr) return core_name();
  void* blas = dlopen("libblas.so.3", RTLD_NOW | RTLD_NOLOAD);
  if (blas == nullptr) return {};
  const auto found = reinterpret_cast<CoreName>(dlsym(blas, "openblas_get_corename"));
  return found != nullptr ? found() : "";
}

}  // namespace

double measure_matmul() {
  constexpr int kSize = 768;
  const at::Tensor a = at::ones({kSize, kSize}), b = at::ones({kSize, kSize});
  at::matmul(a, b);
  const auto start = std::chrono::steady_clock::now();
  int runs = 0;
  double seconds = 0;
  do {
    at::matmul(a, b);
    ++runs;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  } while (seconds < 0.15);
  return 2.0 * kSize * kSize * kSize * runs / seconds * 1e-9;
}

nlohmann::json describe_libraries() {
  nlohmann::json result;
  result["libtorch"] = TORCH_VERSION;
  result["opencv"] = cv::getVersionString();
  result["threads"] = at::get_num_threads();
  result["openblas_core"] = openblas_core();
  result["cuda"] = {{"available", torch::cuda::is_available()},
                    {"devices", torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0}};
  return result;
}

}  // namespace osteon::engine
