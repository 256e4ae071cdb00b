// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace osteon::engine {

/// How the numeric libraries are told to behave, decided before any of them loads.
struct NumericEnvironment {
  int cores = 1;                    ///< that this process may use (affinity mask and cgroup quota)
  int threads = 1;                  ///< that will be used: OMP_NUM_THREADS when set, else `cores`
  std::string blas;                 ///< what libblas.so.3 leads to, resolved: ".../openblas-openmp/libblas.so.3"
  std::string blas_kind;            ///< "OpenBLAS (openmp)", "OpenBLAS (pthread)", "BLIS", "reference", "unknown", ...
  std::string core_type;            ///< OPENBLAS_CORETYPE in force; empty: OpenBLAS detects
  std::string instruction_set;      ///< "AVX-512", "AVX2" or "baseline"
  std::vector<std::string> advice;  ///< what to change to be faster; empty when all is well
};

/// Looks at the machine and sets what is not set: OMP_NUM_THREADS, OMP_WAIT_POLICY (passive), and OPENBLAS_CORETYPE
/// where OpenBLAS is known to take the processor for an older one. Has the C library keep up to 1 GiB of freed memory,
/// as its own MALLOC_TRIM_THRESHOLD_ and MALLOC_MMAP_THRESHOLD_ would. Variables that the user set win. Idempotent.
NumericEnvironment prepare_numeric_environment();

}  // namespace osteon::engine
