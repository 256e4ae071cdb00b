// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <vector>

#include <osteon/sdk/call.hpp>

#ifdef _OPENMP
#include <omp.h>
#endif

namespace osteon::sdk {

/// Runs `body(index, thread)` for every index of 0 .. count - 1 on the threads that the call grants; `thread` is below
/// call.threads(). Indices go to threads in contiguous shares, the same in every call with the same count. Rethrows the
/// first exception; throws Cancelled when the caller wants to stop. Serial where OpenMP is not enabled.
template <class Body>
void parallel_for(const Call& call, std::int64_t count, Body&& body) {
  std::atomic<bool> stop{false};
  std::exception_ptr failure;
  // An exception must not leave a parallel region.
  const auto run = [&](std::int64_t index, int thread) noexcept {
    if (stop.load(std::memory_order_relaxed)) return;
    try {
      call.stop_if_cancelled();
      body(index, thread);
    } catch (...) {
      if (!stop.exchange(true)) failure = std::current_exception();
    }
  };
#ifdef _OPENMP
  const int threads = static_cast<int>(count < call.threads() ? (count > 1 ? count : 1) : call.threads());
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
  for (std::int64_t i = 0; i < count; ++i) run(i, omp_get_thread_num());
#else
  for (std::int64_t i = 0; i < count; ++i) run(i, 0);
#endif
  if (failure) std::rethrow_exception(failure);
}

/// The sum of `body(index, thread)`, added up in the order of indices, so that the number of threads does not change
/// it.
template <class Body>
double parallel_sum(const Call& call, std::int64_t count, Body&& body) {
  std::vector<double> parts(static_cast<std::size_t>(count));
  parallel_for(call, count, [&](std::int64_t i, int thread) { parts[static_cast<std::size_t>(i)] = body(i, thread); });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

}  // namespace osteon::sdk
