// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

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

/// Runs matrix products and convolutions in `precision` (OSTEON_PRECISION_*) on `device`: half precisions as
/// torch.autocast does, TF32 where the device has it; nothing for float32. Throws Unsupported for what the device does
/// not have.
class PrecisionGuard {
 public:
  PrecisionGuard(at::Device device, std::uint32_t precision) {
    switch (precision) {
      case OSTEON_PRECISION_FLOAT32:
        return;
      case OSTEON_PRECISION_TF32:
        if (device.is_cuda()) tf32_.emplace();
        return;
      case OSTEON_PRECISION_FLOAT16:
        if (device.is_cpu()) throw Unsupported("float16 on the CPU; use float32 or bfloat16 there");
        autocast_.emplace(device.type(), at::kHalf);
        return;
      case OSTEON_PRECISION_BFLOAT16:
        autocast_.emplace(device.type(), at::kBFloat16);
        return;
      default:
        throw Unsupported("precision " + std::to_string(precision) + " is unknown");
    }
  }

 private:
  std::optional<compat::AutocastGuard> autocast_;
  std::optional<compat::Tf32Guard> tf32_;
};

/// What the way back of a forward in `precision` runs under: the gradients of what autocast ran have its types already,
/// and TF32 is allowed to both.
inline std::uint32_t backward_precision(std::uint32_t precision) {
  return precision == OSTEON_PRECISION_TF32 ? precision : std::uint32_t{OSTEON_PRECISION_FLOAT32};
}

}  // namespace osteon::sdk
