// SPDX-License-Identifier: Apache-2.0

/// Losses with gradient on 2 x 29 x 512 x 512 logits, as plugins: milliseconds by threads, and `vs_naive`, how many
/// times faster than the same formula written as a plain loop over pixels with the functions of libm, on one thread.
///
///     loss_benchmark [--benchmark_filter=...]
#include <chrono>

#include <benchmark/benchmark.h>
#include <dlfcn.h>

#include "support/loss_fixture.hpp"

namespace {

using namespace osteon::test;

// The build says where the plugins are.
constexpr const char* kBce = OSTEON_BCE_LIBRARY;
constexpr const char* kDice = OSTEON_DICE_LIBRARY;
constexpr const char* kCrossEntropy = OSTEON_CROSS_ENTROPY_LIBRARY;

const osteon_component& component(const char* library) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  const auto entry = reinterpret_cast<osteon_get_plugin_fn>(dlsym(handle, OSTEON_ENTRY_SYMBOL));
  return *entry(OSTEON_ABI_VERSION)->components[0];
}

LossBatch& batch(bool multiclass) {
  static LossBatch multilabel_batch(2, 29, 512, 512, false, false, 1),
      multiclass_batch(2, 29, 512, 512, true, false, 1);
  return multiclass ? multiclass_batch : multilabel_batch;
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

double naive_bce(LossBatch& b) {
  double sum = 0;
  const float scale = 1 / static_cast<float>(b.logits.size());
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t c = 0; c < b.k; ++c)
      for (std::int64_t p = 0; p < b.pixels(); ++p) {
        const float x = b.logits[b.at(i, c, p)], t = static_cast<float>(b.target(i, c, p));
        sum += static_cast<double>(std::max(x, 0.0f) - x * t + std::log1p(std::exp(-std::abs(x))));
        b.grad[b.at(i, c, p)] = scale * (sigmoid(x) - t);
      }
  return sum * static_cast<double>(scale);
}

double naive_dice(LossBatch& b) {
  double value = 0;
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t c = 0; c < b.k; ++c) {
      double overlap = 0, sum = 1;
      for (std::int64_t p = 0; p < b.pixels(); ++p) {
        const double q = static_cast<double>(sigmoid(b.logits[b.at(i, c, p)])), t = b.target(i, c, p);
        overlap += q * t;
        sum += q + t;
      }
      const double above = 2 * overlap + 1, share = 1.0 / static_cast<double>(b.n * b.k);
      value += share * (1 - above / sum);
      for (std::int64_t p = 0; p < b.pixels(); ++p) {
        const float q = sigmoid(b.logits[b.at(i, c, p)]);
        b.grad[b.at(i, c, p)] +=
            static_cast<float>(share * (above / (sum * sum) - 2 * b.target(i, c, p) / sum)) * q * (1 - q);
      }
    }
  return value;
}

double naive_cross_entropy(LossBatch& b) {
  double value = 0;
  const float scale = 1 / static_cast<float>(b.n * b.pixels());
  for (std::int64_t i = 0; i < b.n; ++i)
    for (std::int64_t p = 0; p < b.pixels(); ++p) {
      float top = b.logits[b.at(i, 0, p)], sum = 0;
      for (std::int64_t c = 1; c < b.k; ++c) top = std::max(top, b.logits[b.at(i, c, p)]);
      for (std::int64_t c = 0; c < b.k; ++c) sum += std::exp(b.logits[b.at(i, c, p)] - top);
      for (std::int64_t c = 0; c < b.k; ++c) {
        const float log_p = b.logits[b.at(i, c, p)] - top - std::log(sum), t = static_cast<float>(b.target(i, c, p));
        value -= static_cast<double>(scale * t * log_p);
        b.grad[b.at(i, c, p)] = scale * (std::exp(log_p) - t);
      }
    }
  return value;
}

/// Seconds of the second of two runs of `work`.
template <class Work>
double seconds(Work&& work) {
  work();
  const auto start = std::chrono::steady_clock::now();
  benchmark::DoNotOptimize(work());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Times `work`, on which `naive` seconds are spent without a plugin; 0: there is nothing to compare with.
template <class Work>
void measure(benchmark::State& state, double naive, Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) benchmark::DoNotOptimize(work());
  const double total = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (naive > 0) state.counters["vs_naive"] = naive / (total / static_cast<double>(state.iterations()));
}

void bce(benchmark::State& state) {
  const LossUnderTest loss(component(kBce), false, 29);
  static const double naive = seconds([] { return naive_bce(batch(false)); });
  measure(state, naive, [&] { return batch(false).run(loss, static_cast<int>(state.range(0))); });
}

void dice(benchmark::State& state) {
  const LossUnderTest loss(component(kDice), false, 29);
  static const double naive = seconds([] { return naive_dice(batch(false)); });
  measure(state, naive, [&] { return batch(false).run(loss, static_cast<int>(state.range(0))); });
}

void bce_then_dice(benchmark::State& state) {
  const LossUnderTest first(component(kBce), false, 29), second(component(kDice), false, 29);
  static const double naive = seconds([] { return naive_bce(batch(false)) + naive_dice(batch(false)); });
  measure(state, naive, [&] {
    LossBatch& b = batch(false);
    b.accumulate = false;
    const double value = b.run(first, static_cast<int>(state.range(0)));
    b.accumulate = true;
    const double both = value + b.run(second, static_cast<int>(state.range(0)));
    b.accumulate = false;
    return both;
  });
}

void cross_entropy(benchmark::State& state) {
  const LossUnderTest loss(component(kCrossEntropy), true, 29);
  static const double naive = seconds([] { return naive_cross_entropy(batch(true)); });
  measure(state, naive, [&] { return batch(true).run(loss, static_cast<int>(state.range(0))); });
}

void dice_of_softmax(benchmark::State& state) {
  const LossUnderTest loss(component(kDice), true, 29);
  measure(state, 0, [&] { return batch(true).run(loss, static_cast<int>(state.range(0))); });
}

BENCHMARK(bce)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(dice)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(bce_then_dice)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(cross_entropy)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(dice_of_softmax)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
