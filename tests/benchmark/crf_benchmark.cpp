// SPDX-License-Identifier: Apache-2.0

/// dense_crf on two threads: ten iterations, sxy 80, srgb 13, weights 10 and 3, on a grey image with 29 bones of a
/// hand. Beside it a lattice as one writes it down (tests/support/plain_lattice_crf.hpp), which does what pydensecrf
/// does, on one thread: its time for one class that overlaps, times 29, which the ratio of classes that exclude each
/// other is to as well.
///
///     crf_benchmark [SIDE...]      sides of the image; 512 1024 2048
///
/// Prints seconds with and without what is kept of the image, the most memory beyond input and output, the share of
/// tiles that was worked on, where decisions are other than the plain lattice's, and the ratio. Last, over 20 crops of
/// 56 px, how far both are from the definition.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include <osteon/sdk/testing.hpp>

#include "../../plugins/postprocessors/dense_crf/image_kernels.hpp"
#include "support/brute_force_crf.hpp"
#include "support/peak_memory.hpp"
#include "support/plain_lattice_crf.hpp"

namespace {

using namespace osteon;
using namespace osteon::dense_crf;

constexpr int kClasses = 29, kIterations = 10, kThreads = 2;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// A bone: an ellipse, in shares of the side.
struct Bone {
  double y, x, half_height, half_width;
};

std::vector<Bone> hand() {
  std::vector<Bone> bones;
  for (int finger = 0; finger < 5; ++finger)
    for (int joint = finger == 0 ? 1 : 0; joint < 4; ++joint)
      bones.push_back({0.14 + 0.11 * joint + 0.05 * std::abs(finger - 2), 0.26 + 0.12 * finger, 0.048, 0.02});
  for (int i = 0; i < 8; ++i) bones.push_back({0.66 + 0.05 * (i / 4), 0.38 + 0.075 * (i % 4), 0.028, 0.038});
  bones.push_back({0.88, 0.44, 0.12, 0.05});
  bones.push_back({0.88, 0.57, 0.12, 0.035});
  return bones;
}

struct Input {
  std::int64_t side;
  std::vector<float> grey;    // [side, side], 0..1
  std::vector<float> logits;  // [kClasses, side, side]
};

/// Bones before soft tissue, with noise; logits of a network that is right but for a border of some pixels.
Input make_input(std::int64_t side) {
  Input in{side, {}, {}};
  const auto s = static_cast<double>(side);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  in.grey.resize(static_cast<std::size_t>(side * side));
  in.logits.reserve(in.grey.size() * kClasses);
  for (std::size_t p = 0; p < in.grey.size(); ++p) {
    const double y = std::floor(static_cast<double>(p) / s) / s - 0.5,
                 x = static_cast<double>(p % static_cast<std::size_t>(side)) / s - 0.5;
    in.grey[p] = static_cast<float>(0.08 + 0.25 * std::exp(-(y * y + x * x) / 0.18)) + 0.015f * normal(random);
  }
  for (const Bone& bone : hand())
    for (std::size_t p = 0; p < in.grey.size(); ++p) {
      const double y = std::floor(static_cast<double>(p) / s) / s,
                   x = static_cast<double>(p % static_cast<std::size_t>(side)) / s;
      const double inside = 1 - std::hypot((y - bone.y) / bone.half_height, (x - bone.x) / bone.half_width);
      const double px = inside * bone.half_width * s;
      if (inside > 0) in.grey[p] += static_cast<float>(std::min(0.25, 0.05 + 0.04 * px));
      const double logit = std::clamp(0.5 * px, -13.0, 9.0);
      in.logits.push_back(static_cast<float>(logit) + (logit > -9 ? 0.7f * normal(random) : 0.0f));
    }
  for (float& v : in.grey) v = std::clamp(v, 0.0f, 1.0f);
  return in;
}

osteon_image image_of(const sdk::BorrowedTensor& pixels) {
  osteon_image image{};
  image.struct_size = sizeof image;
  image.pixels = pixels.view();
  image.to_root[0] = image.to_root[4] = 1;
  return image;
}

struct Measured {
  double kernels = 0, inference = 0;
  long mib = 0;
  MeanFieldReport report;
  sdk::OwnedTensor logits;  // in the same kind of memory as a host's
};

Measured measure(const Input& in, Labels labels, bool region_of_interest) {
  const sdk::testing::TestCall call(kThreads);
  Measured m;
  m.logits = call.get().allocate<float>({kClasses, in.side, in.side});
  std::copy(in.logits.begin(), in.logits.end(), m.logits.data<float>());
  std::vector<float> grey = in.grey;
  const sdk::BorrowedTensor pixels(grey.data(), {in.side, in.side, 1});
  const long before = test::forget_peak();
  const double start = seconds();
  const Tiling tiling(in.side, in.side);
  const ImageKernels kernels(call.get(), image_of(pixels), tiling, {});
  m.kernels = seconds() - start;
  MeanFieldOptions options;
  options.iterations = kIterations;
  options.labels = labels;
  options.region_of_interest = region_of_interest;
  m.report = MeanField(tiling, kernels.kernels(), options).run(call.get(), m.logits.data<float>(), kClasses);
  m.inference = seconds() - start - m.kernels;
  m.mib = test::peak_mib() - before;
  return m;
}

std::vector<float> to_255(const std::vector<float>& grey) {
  std::vector<float> scaled;
  for (const float v : grey) scaled.push_back(255 * v);
  return scaled;
}

/// [pixels, 2] of one class and its absence.
std::vector<float> two_labels(const float* logits, std::size_t pixels) {
  std::vector<float> both;
  for (std::size_t p = 0; p < pixels; ++p) {
    both.push_back(std::clamp(logits[p], -kLogitLimit, kLogitLimit));
    both.push_back(0);
  }
  return both;
}

void compare_speed(std::int64_t side) {
  const Input in = make_input(side);
  const std::size_t pixels = in.grey.size();
  const Measured full = measure(in, Labels::kOverlapping, false), region = measure(in, Labels::kOverlapping, true),
                 exclusive = measure(in, Labels::kExclusive, false);
  std::size_t other = 0;
  const float *of_full = full.logits.data<float>(), *of_region = region.logits.data<float>();
  for (std::size_t i = 0; i < in.logits.size(); ++i) other += (of_full[i] > 0) != (of_region[i] > 0);

  constexpr std::size_t kWatched = 13;
  double start = seconds();
  const test::PlainLatticeCrf plain(side, side, to_255(in.grey), 3, 80, 13);
  const double plain_kernels = seconds() - start;
  start = seconds();
  const std::vector<float> q =
      plain.infer(two_labels(in.logits.data() + kWatched * pixels, pixels), 2, 3, 10, kIterations);
  const double plain_one = seconds() - start;
  std::size_t apart = 0;
  for (std::size_t p = 0; p < pixels; ++p) apart += (q[2 * p] > 0.5f) != (of_full[kWatched * pixels + p] > 0);

  const double plain_all = plain_kernels + kClasses * plain_one;
  const auto line = [&](const char* what, const Measured& m) {
    std::printf("%5ld  %-22s %7.3f s (%6.3f s kept)  %5ld MiB  %5.1f %% worked on  1 : %.0f\n", static_cast<long>(side),
                what, m.kernels + m.inference, m.inference, m.mib, 100 * m.report.worked_share,
                plain_all / (m.kernels + m.inference));
  };
  line("29 overlapping, full", full);
  line("29 overlapping, region", region);
  line("29 exclusive", exclusive);
  std::printf(
      "%5ld  plain lattice: %.2f s + 29 x %.2f s; decisions of a class that differ: %.4f %%; region against full: "
      "%zu\n",
      static_cast<long>(side), plain_kernels, plain_one, 100 * static_cast<double>(apart) / static_cast<double>(pixels),
      other);
}

/// Crops in which something is to be decided.
void compare_accuracy() {
  constexpr std::int64_t kSide = 56, kCrops = 20;
  const Input in = make_input(512);
  double mean[2] = {}, flips[2] = {};
  for (std::int64_t crop = 0; crop < kCrops; ++crop) {
    const std::int64_t y0 = 60 + 84 * (crop / 5), x0 = 110 + 62 * (crop % 5);
    std::vector<float> grey, logits;
    for (std::int64_t y = y0; y < y0 + kSide; ++y)
      for (std::int64_t x = x0; x < x0 + kSide; ++x) {
        const auto p = static_cast<std::size_t>(y * in.side + x);
        grey.push_back(in.grey[p]);
        float logit = -kLogitLimit;  // of any bone
        for (std::size_t c = 0; c < kClasses; ++c) logit = std::max(logit, in.logits[c * in.grey.size() + p]);
        logits.push_back(logit);
      }
    const std::vector<float> scaled = to_255(grey);
    std::vector<float> rgb;
    for (const float v : scaled) rgb.insert(rgb.end(), 3, v);
    const auto expected =
        test::BruteForceCrf(kSide, kSide, rgb, 3, {{3, 0, 3}, {80, 13, 10}}).overlapping(logits, kIterations);
    const sdk::testing::TestCall call(1);
    const sdk::BorrowedTensor pixels(grey.data(), {kSide, kSide, 1});
    const Tiling tiling(kSide, kSide);
    const ImageKernels kernels(call.get(), image_of(pixels), tiling, {});
    MeanFieldOptions options;
    options.iterations = kIterations;
    std::vector<float> ours = logits;
    MeanField(tiling, kernels.kernels(), options).run(call.get(), ours.data(), 1);
    const auto plain = test::PlainLatticeCrf(kSide, kSide, scaled, 3, 80, 13)
                           .infer(two_labels(logits.data(), logits.size()), 2, 3, 10, kIterations);
    for (std::size_t p = 0; p < expected.size(); ++p) {
      const double n = static_cast<double>(expected.size() * kCrops);
      const double q[2] = {1 / (1 + std::exp(-double{ours[p]})), double{plain[2 * p]}};
      for (int i = 0; i < 2; ++i) {
        mean[i] += std::abs(q[i] - expected[p]) / n;
        flips[i] += (q[i] > 0.5) != (expected[p] > 0.5) ? 1 / n : 0;
      }
    }
  }
  std::printf(
      "against the definition, 20 crops of 56 px: mean |dQ| %.5f, decisions %.4f %%; plain lattice %.5f, %.4f %%\n",
      mean[0], 100 * flips[0], mean[1], 100 * flips[1]);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::int64_t> sides;
  for (int i = 1; i < argc; ++i) sides.push_back(std::atol(argv[i]));
  if (sides.empty()) sides = {512, 1024, 2048};
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // it takes a while
  for (const std::int64_t side : sides) compare_speed(side);
  compare_accuracy();
}
