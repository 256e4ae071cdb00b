// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <osteon/sdk/random.hpp>
#include <osteon/sdk/testing.hpp>

#include "image_kernels.hpp"
#include "support/brute_force_crf.hpp"

namespace osteon::test {

using dense_crf::ImageKernels;
using dense_crf::KernelOptions;
using dense_crf::Labels;
using dense_crf::MeanField;
using dense_crf::MeanFieldOptions;
using dense_crf::MeanFieldReport;
using dense_crf::Normalization;
using dense_crf::Tiling;

inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

/// Discs, brighter than what is around them, with noise; logits are unsure about where they end.
struct Scene {
  std::int64_t height, width, channels, classes;
  std::vector<float> image;   // [height, width, channels], 0..1
  std::vector<float> logits;  // [classes, height, width]

  Scene(std::int64_t h, std::int64_t w, std::int64_t n_channels, std::int64_t n_classes, std::uint64_t seed = 1)
      : height(h), width(w), channels(n_channels), classes(n_classes) {
    sdk::Random random(seed, 2);
    image.assign(index(h * w * channels), 0.0f);
    for (std::int64_t c = 0; c < classes; ++c) {
      const double cy = random.uniform(0.2, 0.8) * static_cast<double>(h),
                   cx = random.uniform(0.2, 0.8) * static_cast<double>(w);
      const double radius = random.uniform(0.1, 0.3) * static_cast<double>(std::min(h, w));
      for (std::int64_t p = 0; p < h * w; ++p) {
        const double inside = radius - std::hypot(static_cast<double>(p / w) - cy, static_cast<double>(p % w) - cx);
        for (std::int64_t k = 0; k < channels; ++k)
          image[index(p * channels + k)] +=
              static_cast<float>(0.25 / (1 + std::exp(-inside))) * static_cast<float>(k + 1);
        logits.push_back(static_cast<float>(std::clamp(0.7 * inside, -12.0, 8.0) + 1.2 * random.normal()));
      }
    }
    for (float& v : image) v = std::clamp(v + static_cast<float>(0.1 + 0.02 * random.normal()), 0.0f, 1.0f);
  }
  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
  std::int64_t pixels() const { return height * width; }
};

struct Setting {
  KernelOptions kernels;
  MeanFieldOptions options;
};

/// What an image is to a plugin.
struct ImageOf {
  explicit ImageOf(const Scene& scene)
      : pixels(scene.image), view(pixels.data(), {scene.height, scene.width, scene.channels}) {
    raw.struct_size = sizeof raw;
    raw.pixels = view.view();
    raw.to_root[0] = raw.to_root[4] = 1;
    raw.root = "image.png";
    raw.digest = digest;
  }
  std::vector<float> pixels;
  sdk::BorrowedTensor view;
  std::uint8_t digest[32] = {1};
  osteon_image raw{};
};

struct Answer {
  std::vector<float> logits;
  MeanFieldReport report;

  float q(std::int64_t i) const { return sigmoid(logits[static_cast<std::size_t>(i)]); }
};

inline Answer infer(const Scene& scene, const Setting& setting, const sdk::Call& call) {
  const ImageOf image(scene);
  const Tiling tiling(scene.height, scene.width);
  const ImageKernels kernels(call, image.raw, tiling, setting.kernels);
  Answer answer{scene.logits, {}};
  answer.report = MeanField(tiling, kernels.kernels(), setting.options).run(call, answer.logits.data(), scene.classes);
  return answer;
}
inline Answer infer(const Scene& scene, const Setting& setting, std::uint32_t threads = 1) {
  const sdk::testing::TestCall call(threads);
  return infer(scene, setting, call.get());
}

inline std::vector<double> reference(const Scene& scene, const Setting& setting) {
  std::vector<float> rgb;  // grey counts as three channels that are the same
  for (std::int64_t p = 0; p < scene.pixels(); ++p)
    for (std::int64_t c = 0; c < 3; ++c)
      rgb.push_back(255 * scene.image[Scene::index(p * scene.channels + (scene.channels == 3 ? c : 0))]);
  const KernelOptions& k = setting.kernels;
  const BruteForceCrf crf(
      scene.height, scene.width, rgb, 3,
      {{k.gaussian_sxy, 0, k.gaussian_compat}, {k.bilateral_sxy, k.bilateral_srgb, k.bilateral_compat}},
      static_cast<BruteForceCrf::Normalization>(k.normalization));
  const auto iterations = static_cast<int>(setting.options.iterations);
  return setting.options.labels == Labels::kExclusive ? crf.exclusive(scene.logits, iterations)
                                                      : crf.overlapping(scene.logits, iterations);
}

}  // namespace osteon::test
