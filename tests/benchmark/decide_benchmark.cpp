// SPDX-License-Identifier: Apache-2.0

/// Masks of a 2048 x 2048 image from logits [29, 512, 512]: osteon::predict::decide, which goes by rows and makes no
/// full-size float image, against what else one would write, turn by turn in one run:
///  - vs_libtorch: LibTorch's upsample_bilinear2d and `> 0`; no packing, which decide does too;
///  - vs_opencv: cv::resize and `> 0` class by class, packed.
/// On blobs that cover what bones cover, and on noise, where nothing can be left out. The argument is threads.
///
///     decide_benchmark [--benchmark_filter=...]
#include <chrono>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <opencv2/imgproc.hpp>

#include "plugin/call.hpp"
#include "predict/decide.hpp"
#include "predict/grid.hpp"

namespace {

using namespace osteon;

constexpr int kClasses = 29, kGrid = 512, kImage = 2048;

enum Content { kBones, kNoise };

/// Logits of discs, each over about 2 % of the image, or of noise.
std::vector<float> make_logits(Content content) {
  std::vector<float> logits(std::size_t{kClasses} * kGrid * kGrid);
  cv::RNG random(5);
  for (int c = 0; c < kClasses; ++c) {
    const int cx = random.uniform(60, kGrid - 60), cy = random.uniform(60, kGrid - 60);
    for (int y = 0; y < kGrid; ++y)
      for (int x = 0; x < kGrid; ++x) {
        const double distance = std::hypot(x - cx, y - cy);
        logits[(static_cast<std::size_t>(c) * kGrid + static_cast<std::size_t>(y)) * kGrid +
               static_cast<std::size_t>(x)] =
            content == kBones ? static_cast<float>(40 - distance) / 4 : static_cast<float>(random.gaussian(2));
      }
  }
  return logits;
}

osteon_prediction prediction_of(std::vector<float>& logits, const sdk::BorrowedTensor& view) {
  osteon_prediction prediction{};
  prediction.struct_size = sizeof prediction;
  prediction.form = OSTEON_FORM_LOGITS;
  prediction.values.view = view.view();
  prediction.values.view.data = logits.data();
  const predict::AxisMap map = predict::covering(kGrid, kImage, false);
  prediction.to_image[0] = prediction.to_image[4] = map.scale;
  prediction.to_image[2] = prediction.to_image[5] = map.offset;
  return prediction;
}

void by_opencv(std::vector<float>& logits) {
  data::Labels labels(kClasses, cv::Size(kImage, kImage));
  for (int c = 0; c < kClasses; ++c) {
    const cv::Mat plane(kGrid, kGrid, CV_32F, logits.data() + std::size_t{kGrid} * kGrid * static_cast<std::size_t>(c));
    cv::Mat resized;
    cv::resize(plane, resized, cv::Size(kImage, kImage), 0, 0, cv::INTER_LINEAR);
    labels.add(c, resized > 0);
  }
  benchmark::DoNotOptimize(labels);
}

void by_libtorch(std::vector<float>& logits) {
  const at::Tensor small = at::from_blob(logits.data(), {1, kClasses, kGrid, kGrid});
  benchmark::DoNotOptimize(at::upsample_bilinear2d(small, at::IntArrayRef({kImage, kImage}), false).gt(0));
}

template <class Work>
double seconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void decide(benchmark::State& state, Content content, bool multiclass) {
  const int threads = static_cast<int>(state.range(0));
  std::vector<float> logits = make_logits(content);
  const sdk::BorrowedTensor view(logits.data(), {kClasses, kGrid, kGrid});
  const osteon_prediction prediction = prediction_of(logits, view);
  plugin::CallOptions options;
  options.threads = threads;
  const plugin::Call call(options);
  const predict::Decision decision{multiclass, std::vector<double>(kClasses, 0.5)};
  cv::setNumThreads(threads);
  at::set_num_threads(threads);
  double own = 0, opencv = 0, libtorch = 0;
  for (auto _ : state) {
    const double once = seconds(
        [&] { benchmark::DoNotOptimize(predict::decide(call.raw(), prediction, kClasses, kImage, kImage, decision)); });
    own += once;
    state.SetIterationTime(once);
    opencv += seconds([&] { by_opencv(logits); });
    libtorch += seconds([&] { by_libtorch(logits); });
  }
  state.counters["vs_opencv"] = opencv / own;
  state.counters["vs_libtorch"] = libtorch / own;
}

BENCHMARK_CAPTURE(decide, bones, kBones, false)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseManualTime();
BENCHMARK_CAPTURE(decide, noise, kNoise, false)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseManualTime();
BENCHMARK_CAPTURE(decide, multiclass_bones, kBones, true)
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime();
BENCHMARK_CAPTURE(decide, multiclass_noise, kNoise, true)
    ->Arg(1)
    ->Arg(2)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime();

}  // namespace

BENCHMARK_MAIN();
