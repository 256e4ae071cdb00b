// SPDX-License-Identifier: Apache-2.0
// How often a CRF looks whether it is to stop, and that it stops at every look.
#include <cmath>
#include <ostream>
#include <vector>

#include <gtest/gtest.h>

#include "crf_scene.hpp"
#include "mean_field.hpp"
#include "support/watched_call.hpp"

namespace osteon::test {
namespace {

constexpr std::int64_t kGrey = 1, kColor = 3;  // a grid, a lattice

struct Case {
  const char* name;
  std::int64_t channels;
  Labels labels;
  bool region_of_interest;
  Normalization normalization;
  double stop_below;
};
std::ostream& operator<<(std::ostream& out, const Case& one) { return out << one.name; }

class DenseCrfCancellation : public ::testing::TestWithParam<Case> {
 protected:
  static Setting setting() {
    Setting setting;
    setting.kernels.bilateral_sxy = 16;
    setting.kernels.bilateral_srgb = 10;
    setting.kernels.normalization = GetParam().normalization;
    setting.options.iterations = 2;
    setting.options.labels = GetParam().labels;
    setting.options.region_of_interest = GetParam().region_of_interest;
    setting.options.stop_below = GetParam().stop_below;
    return setting;
  }
  // Of a scene's size, without its making, which takes longer than what is measured.
  static Scene scene(std::int64_t height, std::int64_t width, std::int64_t classes) {
    Scene scene(1, 1, GetParam().channels, 1);
    scene.height = height;
    scene.width = width;
    scene.classes = classes;
    sdk::Random random(3, 4);
    scene.image.resize(Scene::index(scene.pixels() * scene.channels));
    for (std::int64_t p = 0; p < scene.pixels(); ++p) {
      const double y = static_cast<double>(p / width) / 150, x = static_cast<double>(p % width) / 200;
      for (std::int64_t c = 0; c < scene.channels; ++c)
        scene.image[Scene::index(p * scene.channels + c)] = static_cast<float>(
            0.5 + 0.4 * std::sin(x + static_cast<double>(c)) * std::cos(y) + 0.02 * random.uniform());
    }
    scene.logits.resize(Scene::index(scene.pixels() * classes));
    for (std::size_t i = 0; i < scene.logits.size(); ++i) scene.logits[i] = static_cast<float>(i % 17) - 12;
    return scene;
  }
  static void work(const Scene& scene, const ImageOf& image, float* logits, const sdk::Call& call) {
    const Tiling tiling(scene.height, scene.width);
    const ImageKernels kernels(call, image.raw, tiling, setting().kernels);
    MeanField(tiling, kernels.kernels(), setting().options).run(call, logits, scene.classes);
  }
  static double gap(const Scene& scene) {
    const ImageOf image(scene);
    std::vector<float> logits[2] = {scene.logits, scene.logits};
    std::size_t round = 0;
    return longest_gap([&](const osteon_call* call) { work(scene, image, logits[round++].data(), sdk::Call(call)); });
  }
};

// At 2048 x 2048: what looks once a row of tiles or of vertices, by a strip of that width with many classes; what looks
// once an image, by half of it.
TEST_P(DenseCrfCancellation, LooksOftenEnough) {
  if (!kTimesCount) GTEST_SKIP() << "a build whose times say nothing";
  constexpr double kPromised = 0.05;  // 0.02 was the longest of all cases
  EXPECT_LT(gap(scene(64, 2048, 29)), kPromised);
  EXPECT_LT(gap(scene(1024, 2048, 1)), kPromised);
}

TEST_P(DenseCrfCancellation, StopsAtEveryLook) {
  const Scene scene(40, 37, GetParam().channels, 2);
  expect_to_stop_at_every_look<sdk::Cancelled>(
      [&](const osteon_call* call) { infer(scene, setting(), sdk::Call(call)); });
}

INSTANTIATE_TEST_SUITE_P(
    All, DenseCrfCancellation,
    ::testing::Values(Case{"GridOverlapping", kGrey, Labels::kOverlapping, true, Normalization::kSymmetric, 0.001},
                      Case{"GridExclusive", kGrey, Labels::kExclusive, true, Normalization::kNone, 0},
                      Case{"LatticeOverlapping", kColor, Labels::kOverlapping, true, Normalization::kSymmetric, 0},
                      Case{"LatticeExclusive", kColor, Labels::kExclusive, true, Normalization::kAfter, 0.001}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace osteon::test
