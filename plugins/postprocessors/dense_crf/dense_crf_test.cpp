// SPDX-License-Identifier: Apache-2.0
// Compared with the definition, over all pairs of pixels (support/brute_force_crf.hpp), on images of some hundred
// pixels.
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/postprocessor.hpp>
#include <osteon/sdk/random.hpp>
#include <osteon/sdk/testing.hpp>

#include "base/error.hpp"
#include "image_kernels.hpp"
#include "plugin/postprocessor.hpp"
#include "support/brute_force_crf.hpp"
#include "support/linked_plugin.hpp"

namespace osteon::test {
namespace {

using dense_crf::ImageKernels;
using dense_crf::KernelOptions;
using dense_crf::Labels;
using dense_crf::MeanField;
using dense_crf::MeanFieldOptions;
using dense_crf::MeanFieldReport;
using dense_crf::Normalization;
using dense_crf::Tiling;

using Names = std::vector<std::string>;

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

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

Answer infer(const Scene& scene, const Setting& setting, const sdk::Call& call) {
  const ImageOf image(scene);
  const Tiling tiling(scene.height, scene.width);
  const ImageKernels kernels(call, image.raw, tiling, setting.kernels);
  Answer answer{scene.logits, {}};
  answer.report = MeanField(tiling, kernels.kernels(), setting.options).run(call, answer.logits.data(), scene.classes);
  return answer;
}
Answer infer(const Scene& scene, const Setting& setting, std::uint32_t threads = 1) {
  const sdk::testing::TestCall call(threads);
  return infer(scene, setting, call.get());
}

std::vector<double> reference(const Scene& scene, const Setting& setting) {
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
TEST(DenseCrf, IsTheDefinitionOnGreyImages) {
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

TEST(DenseCrf, IsNearTheDefinitionOnColourImages) {
  const Scene scene(36, 40, 3, 2);
  Setting setting;
  setting.kernels.bilateral_srgb = 20;
  const Apart apart = compare(infer(scene, setting), reference(scene, setting));
  EXPECT_LE(apart.mean, 6e-3);
  EXPECT_LE(apart.decisions, 6e-3);
}

TEST(DenseCrf, NormalizesInEachOfItsWays) {
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

TEST(DenseCrf, LetsExclusiveClassesCompete) {
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
TEST(DenseCrf, IsTheExclusiveProblemOfTwoLabels) {
  Scene scene(40, 37, 1, 1);
  Setting setting;
  const Answer one = infer(scene, setting);
  scene.classes = 2;
  scene.logits.resize(2 * scene.logits.size(), 0.0f);
  setting.options.labels = Labels::kExclusive;
  const Answer two = infer(scene, setting);
  for (std::int64_t p = 0; p < scene.pixels(); ++p) ASSERT_NEAR(one.q(p), std::exp(two.logits[Scene::index(p)]), 2e-3);
}

// Without edges, place alone is left: the kernels are one and the same.
TEST(DenseCrf, BlursByPlaceAloneWhereTheImageIsUniform) {
  Scene scene(50, 41, 1, 1);
  scene.image.assign(scene.image.size(), 0.5f);
  Setting both, place;
  both.kernels.gaussian_compat = 0;
  both.kernels.bilateral_sxy = 4;
  place.kernels.bilateral_compat = 0;
  place.kernels.gaussian_sxy = 4;
  place.kernels.gaussian_compat = both.kernels.bilateral_compat;
  const Answer a = infer(scene, both), b = infer(scene, place);
  for (std::int64_t p = 0; p < scene.pixels(); ++p) ASSERT_NEAR(a.q(p), b.q(p), 1e-4);
}

TEST(DenseCrf, FollowsTheEdgesOfTheImage) {
  Scene scene(40, 40, 1, 1);
  for (std::int64_t p = 0; p < scene.pixels(); ++p) {
    scene.image[Scene::index(p)] = p % 40 < 20 ? 0.7f : 0.3f;
    scene.logits[Scene::index(p)] = p % 40 < 24 ? 1.0f : -1.0f;  // 4 px beyond the edge
  }
  const Answer answer = infer(scene, {});
  for (std::int64_t p = 0; p < scene.pixels(); ++p) ASSERT_EQ(answer.q(p) > 0.5f, p % 40 < 20) << p;
}

TEST(DenseCrf, KeepsAThinBone) {
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

TEST(DenseCrf, TakesAnySize) {
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
TEST(DenseCrf, TakesExtremeSigmas) {
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
TEST(DenseCrf, LeavesOutOnlyWhatCannotMatter) {
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

TEST(DenseCrf, GivesTheSameBitsOnAnyNumberOfThreads) {
  for (const std::int64_t channels : {1, 3})
    for (const Labels labels : {Labels::kOverlapping, Labels::kExclusive}) {
      const Scene scene(150, 90, channels, 18);
      Setting setting;
      setting.options.labels = labels;
      EXPECT_EQ(infer(scene, setting, 1).logits, infer(scene, setting, 2).logits);
    }
}

TEST(DenseCrf, EndsEarlyWhereNothingChanges) {
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

TEST(DenseCrf, StopsWhereItIsCancelled) {
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

TEST(DenseCrf, MakesOnceWhatBelongsToTheImage) {
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

/// The plugin over a predictor that gives a scene's logits.
class DenseCrfPlugin : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const osteon_resample_service kNothingToDo = {
        sizeof(osteon_resample_service), 0,
        [](const osteon_call*, const osteon_predictor*, const osteon_predict_request*, std::int64_t, std::int64_t,
           osteon_prediction*, osteon_error*) -> osteon_status { return OSTEON_OK; }};
    plugin::install_service(OSTEON_SERVICE_RESAMPLE, &kNothingToDo);
  }

  static std::vector<float> predict(const Scene& scene, bool multiclass,
                                    const std::map<std::string, plugin::ParameterValue>& given = {},
                                    std::vector<std::int32_t> wanted = {}) {
    const plugin::Call call;
    const auto component = linked_component(plugin::Kind::kPostprocessor, "dense_crf");
    std::vector<std::string> names;
    for (std::int64_t c = 0; c < scene.classes; ++c) names.push_back("c" + std::to_string(c));
    const plugin::Postprocessor post(component, parameters_of(component, given), {multiclass, names, {}}, call);
    osteon_predictor inner{};
    inner.struct_size = sizeof inner;
    inner.labels = multiclass ? OSTEON_LABELS_MULTICLASS : OSTEON_LABELS_MULTILABEL;
    inner.n_classes = scene.classes;
    inner.gives_forms = OSTEON_SET(OSTEON_FORM_LOGITS);
    inner.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    inner.host = const_cast<Scene*>(&scene);
    inner.predict = [](const osteon_call* raw, const osteon_predictor* self, std::uint64_t, const osteon_image* const*,
                       const osteon_predict_request* request, osteon_prediction* const* out,
                       osteon_error*) -> osteon_status {
      const auto& from = *static_cast<const Scene*>(self->host);
      const auto count = request->n_classes > 0 ? static_cast<std::int64_t>(request->n_classes) : from.classes;
      sdk::OwnedTensor values = sdk::Call(raw).allocate<float>({count, from.height, from.width});
      for (std::int64_t k = 0; k < count; ++k) {
        const std::int64_t c = request->n_classes > 0 ? request->classes[k] : k;
        std::copy_n(from.logits.data() + c * from.pixels(), from.pixels(), values.data<float>() + k * from.pixels());
      }
      out[0]->form = request->form;
      out[0]->to_image[0] = out[0]->to_image[4] = 1;
      values.move_to(&out[0]->values);
      return OSTEON_OK;
    };
    const ImageOf image(scene);
    osteon_predict_request request = sdk::make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE);
    request.n_classes = wanted.size();
    request.classes = wanted.data();
    sdk::Prediction prediction;
    osteon_prediction* out[] = {&prediction.raw()};
    const osteon_image* images[] = {&image.raw};
    post.process(call.raw(), inner, 1, images, request, out);
    return {prediction.data(), prediction.data() + sdk::element_count(prediction.view())};
  }
};

TEST_F(DenseCrfPlugin, GivesTheClassesThatAreWanted) {
  const Scene scene(33, 40, 1, 3);
  const std::vector<float> all = predict(scene, false), some = predict(scene, false, {}, {0, 2});
  ASSERT_EQ(some.size(), 2 * Scene::index(scene.pixels()));
  EXPECT_TRUE(std::equal(some.begin(), some.begin() + scene.pixels(), all.begin()));
  EXPECT_TRUE(std::equal(some.begin() + scene.pixels(), some.end(), all.begin() + 2 * scene.pixels()));
  // Exclusive classes are worked on together, whichever are wanted.
  const std::vector<float> rivals = predict(scene, true), one = predict(scene, true, {}, {1});
  EXPECT_TRUE(std::equal(one.begin(), one.end(), rivals.begin() + scene.pixels()));
}

TEST_F(DenseCrfPlugin, RefusesWhatIsNoNumber) {
  for (const bool multiclass : {false, true}) {
    Scene scene(40, 33, 1, 2);
    scene.logits[1330] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THROW(predict(scene, multiclass), Error);
    scene.logits[1330] = std::numeric_limits<float>::infinity();
    for (const float logit : predict(scene, multiclass)) ASSERT_TRUE(std::isfinite(logit));
    scene.image[7] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THROW(predict(scene, multiclass), Error);
  }
}

// One softmax over bones has no background to give a pixel to.
TEST_F(DenseCrfPlugin, RefusesToLetOverlappingClassesCompeteUnawares) {
  const Scene scene(33, 40, 1, 3);
  try {
    predict(scene, false, {{"exclusive", Names{"always"}}});
    FAIL() << "it was not refused";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("without_background"), std::string::npos) << error.what();
  }
  EXPECT_EQ(predict(scene, true, {{"exclusive", Names{"always"}}}), predict(scene, true));
  EXPECT_THROW(predict(scene, true, {{"exclusive", Names{"without_background"}}}), Error);
  const std::vector<float> logits = predict(scene, false, {{"exclusive", Names{"without_background"}}});
  for (std::int64_t p = 0; p < scene.pixels(); ++p) {
    double sum = 0;
    for (std::int64_t c = 0; c < 3; ++c) sum += double{sigmoid(logits[Scene::index(c * scene.pixels() + p)])};
    ASSERT_NEAR(sum, 1, 1e-4);
  }
}

}  // namespace
}  // namespace osteon::test
