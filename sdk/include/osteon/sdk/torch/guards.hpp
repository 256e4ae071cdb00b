// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <osteon/abi/model.h>
#include <osteon/sdk/error.hpp>
#include <osteon/sdk/torch/compat.hpp>

/// What a call brings and LibTorch keeps as state of the thread or process; each is put back when the scope ends.
namespace osteon::sdk {

/// Lets LibTorch use `threads` threads for work that this thread starts.
///
/// LibTorch has one setting for the process on paper; with OpenMP, which distributions build it with, the number that
/// counts belongs to the calling thread, so calls with different budgets do not disturb each other.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int threads) : before_(at::get_num_threads()), changed_(threads != before_) {
    if (changed_) at::set_num_threads(threads);
  }
  ~ThreadsGuard() {
    if (changed_) at::set_num_threads(before_);
  }
  ThreadsGuard(const ThreadsGuard&) = delete;
  ThreadsGuard& operator=(const ThreadsGuard&) = delete;

 private:
  int before_;
  bool changed_;
};

/// Makes what draws from LibTorch's default generator (initialisation, dropout) draw from `seed`, and puts the
/// generator's state back, so that nobody else's draws move.
///
/// LibTorch's own layers cannot be told another generator, and it is one for the process. So two of these scopes
/// exclude each other within a plugin library; draws that somebody else makes at the same time would still mix with
/// ours.
class SeedGuard {
 public:
  SeedGuard(at::Device device, std::uint64_t seed) : SeedGuard(device) {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    generator_.set_current_seed(seed);
  }
  /// Draws again what a generator with this state (of Generator::get_state) would draw.
  SeedGuard(at::Device device, const at::Tensor& state) : SeedGuard(device) {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    generator_.set_state(state);
  }
  ~SeedGuard() {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    generator_.set_state(state_);
  }
  SeedGuard(const SeedGuard&) = delete;
  SeedGuard& operator=(const SeedGuard&) = delete;

 private:
  explicit SeedGuard(at::Device device)
      : exclusive_(mutex()), generator_(at::globalContext().defaultGenerator(device)) {
    const std::lock_guard<std::mutex> lock(generator_.mutex());
    state_ = generator_.get_state();
  }

  static std::mutex& mutex() {
    static std::mutex one;
    return one;
  }
  std::lock_guard<std::mutex> exclusive_;
  at::Generator generator_;
  at::Tensor state_;
};

/// Runs matrix products and convolutions in `precision` (OSTEON_PRECISION_*) on `device`, as torch.autocast does;
/// nothing for float32. Throws Unsupported for what the device does not have.
class PrecisionGuard {
 public:
  PrecisionGuard(at::Device device, std::uint32_t precision) {
    if (precision == OSTEON_PRECISION_FLOAT32) return;
    if (precision != OSTEON_PRECISION_FLOAT16 && precision != OSTEON_PRECISION_BFLOAT16)
      throw Unsupported("precision " + std::to_string(precision) + " is unknown");
    if (device.is_cpu() && precision == OSTEON_PRECISION_FLOAT16)
      throw Unsupported("float16 on the CPU; use float32 or bfloat16 there");
    guard_.emplace(device.type(), precision == OSTEON_PRECISION_FLOAT16 ? at::kHalf : at::kBFloat16);
  }

 private:
  std::optional<compat::AutocastGuard> guard_;
};

}  // namespace osteon::sdk
