// SPDX-License-Identifier: Apache-2.0
// Compared with the definition, over all pairs of pixels (support/brute_force_crf.hpp), on images of some hundred
// pixels.
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include <gtest/gtest.h>

#include "crf_scene.hpp"

namespace osteon::test {
namespace {

struct Apart {
  double mean = 0, decisions = 0;  ///< of probabilities; share of decisions that differ
};
Apart compare(const Answer& answer, const std::vector<double>& expected, bool exclusive = false) {
  Apart apart;
  const double n = static_cast<double>(expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto q = static_cast<double>(exclusive ? std::exp(answer.logits[i]) : sigmoid(answer.logits[i]));
    apart.mean += std::abs(q - expected[i]) / n;
    apart.decisions += (q > 0.5) != (expected[i] > 0.5) ? 1 / n : 0;
  }
  return apart;
}

// The goals of the grid, which no lattice comes near.
TEST(MeanField, IsTheDefinitionOnGreyImages) {
  for (const auto& [sxy, srgb, compat, gaussian] : {std::tuple{80.0, 13.0, 10.0, 3.0}, {15.0, 10.0, 4.0, 2.0}}) {
    const Scene scene(44, 40, 1, 2);
    Setting setting;
    setting.options.iterations = 10;
    setting.kernels.bilateral_sxy = sxy;
    setting.kernels.bilateral_srgb = srgb;
    setting.kernels.bilateral_compat = compat;
    setting.kernels.gaussian_compat = gaussian;
    const Apart apart = compare(infer(scene, setting), reference(scene, setting));
    EXPECT_LE(apart.mean, 5e-4) << sxy;
    EXPECT_LE(apart.decisions, 5e-4) << sxy;
  }
}

TEST(MeanField, IsNearTheDefinitionOnColourImages) {
  const Scene scene(36, 40, 3, 2);
  Setting setting;
  setting.kernels.bilateral_srgb = 20;
  const Apart apart = compare(infer(scene, setting), reference(scene, setting));
  EXPECT_LE(apart.mean, 6e-3);
  EXPECT_LE(apart.decisions, 6e-3);
}

TEST(MeanField, NormalizesInEachOfItsWays) {
  const Scene scene(24, 20, 1, 1);
  std::vector<double> means;
  for (const Normalization normalization :
       {Normalization::kNone, Normalization::kBefore, Normalization::kAfter, Normalization::kSymmetric}) {
    Setting setting;
    setting.kernels.normalization = normalization;
    const Apart apart = compare(infer(scene, setting), reference(scene, setting));
    EXPECT_LE(apart.mean, 2e-3) << static_cast<int>(normalization);
    EXPECT_LE(apart.decisions, 3e-3) << static_cast<int>(normalization);
  }
}

TEST(MeanField, LetsExclusiveClassesCompete) {
  const Scene scene(24, 28, 1, 19);  // more than one group of sixteen
  Setting setting;
  setting.options.labels = Labels::kExclusive;
  const Answer answer = infer(scene, setting);
  const Apart apart = compare(answer, reference(scene, setting), true);
  EXPECT_LE(apart.mean, 1e-3);
  EXPECT_LE(apart.decisions, 1e-3);
  for (std::int64_t p = 0; p < scene.pixels(); ++p) {
    double sum = 0;
    for (std::int64_t c = 0; c < scene.classes; ++c)
      sum += std::exp(double{answer.logits[Scene::index(c * scene.pixels() + p)]});
    ASSERT_NEAR(sum, 1, 1e-5);
  }
}

// A class against its absence is a softmax of two.
TEST(MeanField, IsTheExclusiveProblemOfTwoLabels) {
  Scene scene(40, 37, 1, 1);
  Setting setting;
  const Answer one = infer(scene, setting);
  scene.classes = 2;
  scene.logits.resize(2 * scene.logits.size(), 0.0f);
  setting.options.labels = Labels::kExclusive;
  const Answer two = infer(scene, setting);
  for (std::int64_t p = 0; p < scene.pixels(); ++p) ASSERT_NEAR(one.q(p), std::exp(two.logits[Scene::index(p)]), 2e-3);
}

// Without edges, place alone is left: the kernels are one and the same, on grids that are not.
TEST(MeanField, BlursByPlaceAloneWhereTheImageIsUniform) {
  Scene scene(50, 41, 1, 1);
  scene.image.assign(scene.image.size(), 0.5f);
  Setting both, place;
  both.kernels.gaussian_compat = 0;
  both.kernels.bilateral_sxy = 4;
  place.kernels.bilateral_compat = 0;
  place.kernels.gaussian_sxy = 4;
  place.kernels.gaussian_compat = both.kernels.bilateral_compat;
  const Answer a = infer(scene, both), b = infer(scene, place);
  double apart = 0;
  for (std::int64_t p = 0; p < scene.pixels(); ++p) apart += static_cast<double>(std::abs(a.q(p) - b.q(p)));
  EXPECT_LE(apart / static_cast<double>(scene.pixels()), 1e-3);
  EXPECT_LE(compare(a, reference(scene, both)).mean, 2e-3);
  EXPECT_LE(compare(b, reference(scene, place)).mean, 2e-3);
}

TEST(MeanField, FollowsTheEdgesOfTheImage) {
  Scene scene(40, 40, 1, 1);
  for (std::int64_t p = 0; p < scene.pixels(); ++p) {
    scene.image[Scene::index(p)] = p % 40 < 20 ? 0.7f : 0.3f;
    scene.logits[Scene::index(p)] = p % 40 < 24 ? 1.0f : -1.0f;  // 4 px beyond the edge
  }
  const Answer answer = infer(scene, {});
  for (std::int64_t p = 0; p < scene.pixels(); ++p) ASSERT_EQ(answer.q(p) > 0.5f, p % 40 < 20) << p;
}

TEST(MeanField, KeepsAThinBone) {
  Scene scene(60, 60, 1, 1);
  for (std::int64_t p = 0; p < scene.pixels(); ++p) {
    const bool bone = p % 60 >= 30 && p % 60 < 33 && p / 60 >= 10 && p / 60 < 50;
    scene.image[Scene::index(p)] = bone ? 0.6f : 0.3f;
    scene.logits[Scene::index(p)] = bone ? 2.0f : -3.0f;
  }
  const Answer answer = infer(scene, {});
  for (std::int64_t p = 0; p < scene.pixels(); ++p)
    ASSERT_EQ(answer.q(p) > 0.5f, scene.logits[Scene::index(p)] > 0) << p;
}

TEST(MeanField, TakesAnySize) {
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {1, 37}, {33, 1}, {2, 3}, {31, 33}})
    for (const std::int64_t channels : {1, 3}) {
      const Scene scene(height, width, channels, 1);
      Setting setting;
      setting.kernels.bilateral_sxy = 10;
      const Apart apart = compare(infer(scene, setting), reference(scene, setting));
      EXPECT_LE(apart.mean, channels == 1 ? 2e-3 : 3e-2) << height << " x " << width << " x " << channels;
    }
}

// Neither memory nor keys run over, and what is left is right: a kernel that reaches nowhere, or everywhere.
TEST(MeanField, TakesExtremeSigmas) {
  for (const double sxy : {0.01, 1.2, 1e6})
    for (const double srgb : {0.01, 1e6})
      for (const std::int64_t channels : {1, 3}) {
        const Scene scene(18, 40, channels, 1);
        Setting setting;
        setting.kernels.bilateral_sxy = setting.kernels.gaussian_sxy = sxy;
        setting.kernels.bilateral_srgb = srgb;
        const Apart apart = compare(infer(scene, setting), reference(scene, setting));
        EXPECT_LE(apart.mean, channels == 1 ? 2e-2 : 5e-2) << sxy << " " << srgb << " " << channels;
      }
}

// Where nothing is worked on nothing would have happened.
TEST(MeanField, LeavesOutOnlyWhatCannotMatter) {
  Scene scene(200, 230, 1, 20);
  for (float& logit : scene.logits) logit = std::max(logit * 1.2f, -12.5f);
  Setting setting;
  const Answer region = infer(scene, setting);
  setting.options.region_of_interest = false;
  const Answer full = infer(scene, setting);
  EXPECT_EQ(full.report.worked_share, 1);
  EXPECT_LT(region.report.worked_share, 0.8);
  EXPECT_LE(region.report.left_out, 1e-5);
  for (std::size_t i = 0; i < full.logits.size(); ++i) {
    ASSERT_NEAR(sigmoid(region.logits[i]), sigmoid(full.logits[i]), 1e-3) << i;
    ASSERT_EQ(region.logits[i] > 0, full.logits[i] > 0) << i;
  }
}

TEST(MeanField, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const std::int64_t channels : {1, 3})
    for (const Labels labels : {Labels::kOverlapping, Labels::kExclusive}) {
      const Scene scene(150, 90, channels, 18);
      Setting setting;
      setting.options.labels = labels;
      EXPECT_EQ(infer(scene, setting, 1).logits, infer(scene, setting, 2).logits);
    }
}

TEST(MeanField, EndsEarlyWhereNothingChanges) {
  const Scene scene(70, 70, 1, 3);
  Setting setting;
  setting.options.iterations = 200;
  setting.options.stop_below = 1e-4;
  const Answer early = infer(scene, setting);
  EXPECT_GT(early.report.iterations, 2);
  EXPECT_LT(early.report.iterations, 200);
  setting.options.stop_below = 0;
  const Answer late = infer(scene, setting);
  EXPECT_EQ(late.report.iterations, 200);
  std::size_t other = 0;
  for (std::size_t i = 0; i < late.logits.size(); ++i) other += (early.logits[i] > 0) != (late.logits[i] > 0);
  EXPECT_LE(other, late.logits.size() / 500);
}

TEST(MeanField, StopsWhereItIsCancelled) {
  sdk::testing::TestCall call;
  call.cancel = true;
  EXPECT_THROW(infer(Scene(40, 40, 1, 1), {}, call.get()), sdk::Cancelled);
}

/// Keeps everything, and counts.
struct KeepingCache {
  KeepingCache() {
    service.struct_size = sizeof service;
    service.find = [](const osteon_call* call, const char*, const void* key, std::uint64_t size, osteon_tensor* out,
                      osteon_error*) -> osteon_status {
      const auto found = of(call).kept.find(std::string(static_cast<const char*>(key), size));
      if (found != of(call).kept.end()) sdk::detail::reference_to(found->second).move_to(out);
      return OSTEON_OK;
    };
    service.keep = [](const osteon_call* call, const char*, const void* key, std::uint64_t size, osteon_tensor* given,
                      osteon_error*) -> osteon_status {
      ++of(call).made;
      of(call).kept[std::string(static_cast<const char*>(key), size)] = std::make_shared<sdk::OwnedTensor>(*given);
      *given = {};
      return OSTEON_OK;
    };
  }
  static KeepingCache& of(const osteon_call* call) {
    const auto* service = static_cast<const osteon_cache_service*>(call->service(call, OSTEON_SERVICE_CACHE));
    return *reinterpret_cast<KeepingCache*>(const_cast<osteon_cache_service*>(service));
  }
  osteon_cache_service service{};  // first: its address is this object's
  std::map<std::string, std::shared_ptr<sdk::OwnedTensor>> kept;
  int made = 0;
};

TEST(MeanField, MakesOnceWhatBelongsToTheImage) {
  for (const std::int64_t channels : {1, 3}) {
    KeepingCache cache;
    sdk::testing::TestCall call;
    call.services[OSTEON_SERVICE_CACHE] = &cache.service;
    const Scene scene(40, 50, channels, 1);
    Setting setting;
    const Answer first = infer(scene, setting, call.get());
    const int made = cache.made;
    EXPECT_GT(made, 0);
    EXPECT_EQ(infer(scene, setting, call.get()).logits, first.logits);
    EXPECT_EQ(infer(scene, setting).logits, first.logits);
    setting.kernels.bilateral_compat = 4;  // of no consequence to what is kept
    infer(scene, setting, call.get());
    EXPECT_EQ(cache.made, made);
    setting.kernels.bilateral_srgb = 9;
    infer(scene, setting, call.get());
    EXPECT_GT(cache.made, made);
  }
}

}  // namespace
}  // namespace osteon::test
