// SPDX-License-Identifier: Apache-2.0
#include "engine/environment.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <malloc.h>
#include <sched.h>

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

int cores_by_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// A container's quota (cgroup v2) may allow less than the mask shows.
int cores_by_quota(int most) {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return most;
  return std::clamp(static_cast<int>(std::stod(quota) / period + 0.5), 1, most);
}

std::string instruction_set() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    return "AVX-512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "AVX2";
  return "baseline";
}

// Where the dynamic linker finds libblas.so.3, the alternatives of Debian resolved.
std::string find_blas() {
  std::vector<fs::path> folders;
  if (const char* paths = std::getenv("LD_LIBRARY_PATH")) {
    std::string text = paths;
    for (std::size_t start = 0; start <= text.size();) {
      const std::size_t end = std::min(text.find(':', start), text.size());
      if (end > start) folders.emplace_back(text.substr(start, end - start));
      start = end + 1;
    }
  }
#ifdef OSTEON_LIBRARY_ARCHITECTURE
  folders.emplace_back("/usr/local/lib/" OSTEON_LIBRARY_ARCHITECTURE);
  folders.emplace_back("/usr/lib/" OSTEON_LIBRARY_ARCHITECTURE);
#endif
  for (const char* folder : {"/usr/local/lib", "/usr/lib64", "/usr/lib"}) folders.emplace_back(folder);
  for (const fs::path& folder : folders) {
    std::error_code none;
    const fs::path found = fs::canonical(folder / "libblas.so.3", none);
    if (!none) return found.string();
  }
  return {};
}

std::string kind_of_blas(const std::string& path) {
  const auto has = [&](const char* part) { return path.find(part) != std::string::npos; };
  if (path.empty()) return "unknown";
  if (has("openblas-openmp")) return "OpenBLAS (openmp)";
  if (has("openblas-pthread")) return "OpenBLAS (pthread)";
  if (has("openblas")) return "OpenBLAS";
  if (has("blis")) return "BLIS";
  if (has("mkl")) return "MKL";
  if (has("atlas")) return "ATLAS";
  if (has("/blas/")) return "reference";
  return "unknown";
}

// A network allocates the same tensors in every forward, and the C library gives freed ones back to the system in
// between: fresh pages then cost a tenth of DeepLabV3+'s time and a quarter of that of a U-Net over EfficientNet-B0
// (measured at 512 px). Blocks over 32 MiB, the C library's own limit, still come and go.
void keep_freed_memory() {
#ifdef __GLIBC__
  constexpr int kLargestKept = 32 << 20, kKept = 1 << 30;
  if (std::getenv("MALLOC_MMAP_THRESHOLD_") == nullptr) mallopt(M_MMAP_THRESHOLD, kLargestKept);
  if (std::getenv("MALLOC_TRIM_THRESHOLD_") == nullptr) mallopt(M_TRIM_THRESHOLD, kKept);
#endif
}

}  // namespace

NumericEnvironment prepare_numeric_environment() {
  NumericEnvironment environment;
  environment.cores = cores_by_quota(cores_by_affinity());
  environment.instruction_set = instruction_set();
  environment.blas = find_blas();
  environment.blas_kind = kind_of_blas(environment.blas);

  environment.threads = environment.cores;
  if (const char* given = std::getenv("OMP_NUM_THREADS"); given != nullptr && std::atoi(given) > 0)
    environment.threads = std::atoi(given);
  else
    setenv("OMP_NUM_THREADS", std::to_string(environment.threads).c_str(), 1);

  // Threads of OpenMP that spin while they wait make everything 30 times slower as soon as another process wants a
  // core.
  setenv("OMP_WAIT_POLICY", "passive", 0);
  keep_freed_memory();

  // OpenBLAS 0.3.21, Debian 12's, does not know processors that are newer than itself and falls back to kernels without
  // AVX. It must be told before it loads.
  const std::string best_core = environment.instruction_set == "AVX-512" ? "SkylakeX"
                                : environment.instruction_set == "AVX2"  ? "Haswell"
                                                                         : "";
  const bool openblas = environment.blas_kind.rfind("OpenBLAS", 0) == 0;
  if (openblas && !best_core.empty()) setenv("OPENBLAS_CORETYPE", best_core.c_str(), 0);
  if (const char* core = std::getenv("OPENBLAS_CORETYPE")) environment.core_type = core;

  if (environment.blas_kind == "reference")
    environment.advice.push_back(
        "The BLAS in use is the reference one, 4 to 15 times slower than OpenBLAS: apt-get install "
        "libopenblas0-openmp");
  if (environment.blas_kind == "OpenBLAS (pthread)" && environment.threads > 1)
    environment.advice.push_back(
        "OpenBLAS's pthread flavour does not scale beside LibTorch's OpenMP: apt-get install "
        "libopenblas0-openmp, and choose it by update-alternatives --config libblas.so.3-"
#ifdef OSTEON_LIBRARY_ARCHITECTURE
        OSTEON_LIBRARY_ARCHITECTURE
#endif
    );
  if (openblas && !best_core.empty() && environment.core_type != best_core)
    environment.advice.push_back("OPENBLAS_CORETYPE is " + environment.core_type + " in the environment, and " +
                                 best_core + " suits this processor: unset it");
  if (environment.threads < environment.cores)
    environment.advice.push_back("OMP_NUM_THREADS is " + std::to_string(environment.threads) + " while " +
                                 std::to_string(environment.cores) + " cores may be used");
  return environment;
}

}  // namespace osteon::engine
