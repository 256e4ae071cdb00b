// SPDX-License-Identifier: Apache-2.0
#include "data/augment.hpp"

#include <array>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "data/label_ops.hpp"
#include "data/loader.hpp"
#include "support/found_plugins.hpp"
#include "toy_dataset.hpp"

namespace osteon::data {
namespace {

using Given = std::map<std::string, plugin::ParameterValue>;

recipe::AugmentStep step(const std::string& name, double p = 1, const Given& given = {}) {
  const plugin::ComponentSchema* schema = test::registry().find(plugin::Kind::kAugmentation, name);
  recipe::AugmentStep made;
  made.p = p;
  made.component.kind = plugin::Kind::kAugmentation;
  made.component.plugin = name;
  for (const plugin::ParameterSpec& spec : schema->parameters) {
    const auto found = given.find(spec.name);
    made.component.parameters.push_back(found != given.end() ? found->second : spec.default_value.value());
  }
  return made;
}

// A shift that leaves nothing to chance, so that pixels tell which steps ran.
recipe::AugmentStep brighter(double by, double p = 1) {
  return step("random_brightness_contrast", p,
              {{"brightness", std::vector<double>{by, by}}, {"contrast", std::vector<double>{0, 0}}});
}

recipe::AugmentStep group(const std::string& kind, std::vector<recipe::AugmentStep> steps, int count = 1,
                          double p = 1) {
  recipe::AugmentStep made;
  made.group = kind;
  made.p = p;
  made.count = count;
  made.steps = std::move(steps);
  return made;
}

plugin::ClassContext classes(int n, std::vector<std::int32_t> mirrored = {}) {
  plugin::ClassContext made;
  for (int c = 0; c < n; ++c) made.names.push_back("c" + std::to_string(c));
  made.mirrored = std::move(mirrored);
  return made;
}

struct View {
  Image image;
  Labels labels;
};

void apply(const AugmentPipeline& pipeline, const RandomKey& key, View& view) {
  pipeline.apply(plugin::Call(), key, view.image, view.labels);
}

/// Pixels and labels of all bit patterns.
View noise(cv::Size size, int type, int n_classes) {
  cv::RNG rng(7);
  View view{{cv::Mat(size, type), CV_MAT_DEPTH(type) == CV_8U ? 255.0 : 65535.0}, Labels(n_classes, size)};
  rng.fill(view.image.pixels, cv::RNG::UNIFORM, 0, view.image.maximum + 1);
  for (int c = 0; c < n_classes; ++c) {
    cv::Mat mask(size, CV_8U);
    rng.fill(mask, cv::RNG::UNIFORM, 0, 2);
    view.labels.add(c, mask);
  }
  return view;
}

View copy(const View& view) { return {{view.image.pixels.clone(), view.image.maximum}, clone(view.labels)}; }

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0;
}

RandomKey key_of(std::uint64_t i) { return sample_key(5, 0, "image", i); }

TEST(AugmentPipeline, FlipsEveryBitPatternExactly) {
  std::vector<std::int32_t> mirrored(33);
  for (std::int32_t c = 0; c < 33; ++c) mirrored[static_cast<std::size_t>(c)] = c;
  std::swap(mirrored[31], mirrored[32]);  // over the border between two planes, and the sign bit
  const AugmentPipeline pipeline({step("horizontal_flip")}, test::registry(), classes(33, mirrored));
  for (const int type : {CV_8UC1, CV_8UC3, CV_16UC1, CV_16UC3}) {
    const View before = noise({150, 70}, type, 33);
    View after = copy(before);
    apply(pipeline, key_of(0), after);
    cv::Mat expected;
    cv::flip(before.image.pixels, expected, 1);
    EXPECT_TRUE(same(after.image.pixels, expected)) << type;
    for (int c = 0; c < 33; ++c) {
      cv::flip(before.labels.mask(mirrored[static_cast<std::size_t>(c)]), expected, 1);
      EXPECT_TRUE(same(after.labels.mask(c), expected)) << "class " << c;
    }
  }
}

TEST(AugmentPipeline, FlippedTwiceIsWhatItWas) {
  const AugmentPipeline pipeline({step("horizontal_flip"), step("horizontal_flip")}, test::registry(),
                                 classes(3, {1, 0, 2}));
  const View before = noise({31, 65}, CV_8UC3, 3);
  View after = copy(before);
  apply(pipeline, key_of(0), after);
  EXPECT_TRUE(same(after.image.pixels, before.image.pixels));
  EXPECT_TRUE(equal(after.labels, before.labels));
}

TEST(AugmentPipeline, APhotometricStepBetweenFlipsSeesTheFlippedImageAndLeavesLabels) {
  const AugmentPipeline pipeline({step("horizontal_flip"), brighter(0.1), step("horizontal_flip")}, test::registry(),
                                 classes(2));
  const View before = noise({20, 10}, CV_16UC1, 2);
  View after = copy(before);
  apply(pipeline, key_of(0), after);
  EXPECT_TRUE(equal(after.labels, before.labels));
  for (int y = 0; y < 10; ++y)
    for (int x = 0; x < 20; ++x)
      EXPECT_EQ(after.image.pixels.at<std::uint16_t>(y, x),
                std::lround(std::min(before.image.pixels.at<std::uint16_t>(y, x) + 6553.5, 65535.0)));
}

TEST(AugmentPipeline, NeverWritesToWhatCameIn) {
  const AugmentPipeline pipeline({brighter(0.1), step("horizontal_flip"), brighter(0.1), step("rotate")},
                                 test::registry(), classes(2));
  const View given = noise({24, 24}, CV_8UC1, 2);
  const View kept = copy(given);
  View shared = given;
  apply(pipeline, key_of(0), shared);
  EXPECT_FALSE(same(shared.image.pixels, kept.image.pixels));
  EXPECT_TRUE(same(given.image.pixels, kept.image.pixels));
  EXPECT_TRUE(equal(given.labels, kept.labels));
}

TEST(AugmentPipeline, ComposesWarpsInARowInTheirOrder) {
  // Away from borders an image of coordinates shows where each pixel came from.
  const int n = 101;
  View view{{cv::Mat(n, n, CV_32FC1), 1.0}, Labels(1, {n, n})};
  for (int y = 0; y < n; ++y)
    for (int x = 0; x < n; ++x) view.image.pixels.at<float>(y, x) = static_cast<float>(x + 1000 * y);
  const Given limit = {{"limit", std::vector<double>{-20, 20}}};
  const AugmentPipeline pipeline({step("rotate", 1, limit), step("horizontal_flip"), step("rotate", 1, limit)},
                                 test::registry(), classes(1));
  // The angles that the steps draw from their keys, by the plugin alone.
  const RandomKey key = key_of(3);
  const plugin::Call call;
  const plugin::Augmentation rotate(test::registry().load(plugin::Kind::kAugmentation, "rotate"),
                                    step("rotate", 1, limit).component.parameters, classes(1), call);
  double m[2][6];
  for (const int i : {0, 1}) {
    const RandomKey child = key.derive(static_cast<std::uint64_t>(2 * i));
    const auto warp = rotate.sample_warp(call, {{child.words[0], child.words[1]}}, n, n);
    std::copy(warp.get().matrix, warp.get().matrix + 6, m[i]);
  }
  apply(pipeline, key, view);
  for (int y = 30; y <= 70; ++y)
    for (int x = 30; x <= 70; ++x) {
      const double x2 = m[1][0] * x + m[1][1] * y + m[1][2], y2 = m[1][3] * x + m[1][4] * y + m[1][5];
      const double x1 = n - 1 - x2;
      const double x0 = m[0][0] * x1 + m[0][1] * y2 + m[0][2], y0 = m[0][3] * x1 + m[0][4] * y2 + m[0][5];
      // cv::remap rounds to 1/32 pixel.
      ASSERT_NEAR(view.image.pixels.at<float>(y, x), x0 + 1000 * y0, 1001.0 / 64 + 0.5) << x << ", " << y;
    }
}

TEST(AugmentPipeline, LabelsFollowTheImage) {
  const int n = 120;
  View view{{cv::Mat(n, n, CV_8UC1, cv::Scalar(0)), 255.0}, Labels(32, {n, n})};
  view.image.pixels(cv::Rect(30, 45, 50, 20)).setTo(255);
  view.labels.add(31, view.image.pixels);
  const AugmentPipeline pipeline({step("rotate"), brighter(-0.01), step("horizontal_flip"), step("rotate")},
                                 test::registry(), classes(32));
  for (std::uint64_t k = 0; k < 8; ++k) {
    View after = copy(view);
    apply(pipeline, key_of(k), after);
    const cv::Mat bright = after.image.pixels > 127, mask = after.labels.mask(31);
    // They may part along the outline only, where one is interpolated and the other is not.
    EXPECT_LT(cv::countNonZero(bright != mask), 0.1 * cv::countNonZero(mask)) << k;
    EXPECT_GT(cv::countNonZero(mask), 800) << k;
  }
}

TEST(AugmentPipeline, AConstantBorderIsFilledAndHasNoClass) {
  View view{{cv::Mat(64, 64, CV_16UC1, cv::Scalar(60000)), 65535.0}, Labels(1, {64, 64})};
  view.labels.add(0, cv::Mat(64, 64, CV_8U, cv::Scalar(1)));
  const AugmentPipeline pipeline({step("rotate", 1,
                                       {{"limit", std::vector<double>{-45, 45}},
                                        {"border", std::vector<std::string>{"constant"}},
                                        {"fill", std::vector<double>{0.25}}})},
                                 test::registry(), classes(1));
  apply(pipeline, key_of(1), view);
  int outside = 0;
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x) {
      const bool in = view.labels.mask(0).at<std::uint8_t>(y, x) != 0;
      outside += in ? 0 : 1;
      EXPECT_EQ(view.image.pixels.at<std::uint16_t>(y, x), in ? 60000 : 16384) << x << ", " << y;
    }
  EXPECT_GT(outside, 10);
  EXPECT_TRUE(view.labels.valid().empty());
}

TEST(AugmentPipeline, AStepCanMakePixelsInvalidWhereAllWereValid) {
  const auto dropout = [](const std::string& labels) {
    return step("coarse_dropout", 1, {{"fill", std::vector<double>{1}}, {"labels", std::vector<std::string>{labels}}});
  };
  View view{{cv::Mat::zeros(20, 30, CV_8U), 255}, Labels(3, {30, 20})};
  view.labels.add(1, cv::Mat::ones(20, 30, CV_8U));
  const View before = copy(view);
  apply(AugmentPipeline({dropout("keep")}, test::registry(), classes(3)), key_of(1), view);
  EXPECT_TRUE(view.labels.valid().empty());
  EXPECT_EQ(cv::countNonZero(view.labels.mask(1)), 600);

  view = copy(before);
  apply(AugmentPipeline({dropout("ignore")}, test::registry(), classes(3)), key_of(1), view);
  EXPECT_EQ(cv::countNonZero(view.image.pixels), 64);
  EXPECT_EQ(cv::countNonZero((view.image.pixels == 255) & (view.labels.valid() == 1)), 0);
  EXPECT_EQ(cv::countNonZero(view.labels.valid()), 600 - 64);
  EXPECT_EQ(cv::countNonZero(view.labels.mask(1)), 600);
  EXPECT_TRUE(before.labels.valid().empty());

  view = copy(before);
  apply(AugmentPipeline({dropout("empty")}, test::registry(), classes(3)), key_of(1), view);
  EXPECT_TRUE(view.labels.valid().empty());
  EXPECT_EQ(cv::countNonZero(view.labels.mask(1)), 600 - 64);
}

TEST(AugmentPipeline, TheKeyDecidesEverything) {
  const AugmentPipeline pipeline({step("horizontal_flip", 0.5), group("one_of", {step("rotate"), brighter(0.2)}),
                                  step("random_brightness_contrast")},
                                 test::registry(), classes(2));
  const View before = noise({40, 40}, CV_8UC3, 2);
  int different = 0;
  for (std::uint64_t k = 0; k < 10; ++k) {
    View a = copy(before), b = copy(before), other = copy(before);
    apply(pipeline, key_of(k), a);
    apply(pipeline, key_of(k), b);
    apply(pipeline, key_of(k + 100), other);
    EXPECT_TRUE(same(a.image.pixels, b.image.pixels));
    EXPECT_TRUE(equal(a.labels, b.labels));
    different += same(a.image.pixels, other.image.pixels) ? 0 : 1;
  }
  EXPECT_EQ(different, 10);
}

TEST(SampleKey, DependsOnEachOfItsParts) {
  std::set<std::array<std::uint64_t, 2>> keys;
  for (const RandomKey& key : {sample_key(1, 1, "a"), sample_key(2, 1, "a"), sample_key(1, 2, "a"),
                               sample_key(1, 1, "b"), sample_key(1, 1, "a", 1), sample_key(1, 1, "a", 0, 1)})
    keys.insert({key.words[0], key.words[1]});
  EXPECT_EQ(keys.size(), 6u);
}

/// How often each value comes out of a black pixel, over many keys.
std::map<int, int> outcomes(const recipe::AugmentStep& given, int draws) {
  const AugmentPipeline pipeline({given}, test::registry(), classes(1));
  std::map<int, int> counts;
  for (int k = 0; k < draws; ++k) {
    View view{{cv::Mat(1, 1, CV_8UC1, cv::Scalar(0)), 255.0}, Labels(1, {1, 1})};
    apply(pipeline, key_of(static_cast<std::uint64_t>(k)), view);
    ++counts[view.image.pixels.at<std::uint8_t>(0, 0)];
  }
  return counts;
}

constexpr int kDraws = 2000;
constexpr double kSlack = 5 * 0.5 / 44.7;  // five standard deviations of a share in 2000 draws, at most

double share(const std::map<int, int>& counts, int value) {
  return counts.count(value) ? static_cast<double>(counts.at(value)) / kDraws : 0;
}

TEST(AugmentPipeline, AStepRunsWithItsProbability) {
  const auto counts = outcomes(brighter(0.2, 0.3), kDraws);
  EXPECT_NEAR(share(counts, 51), 0.3, kSlack);
  EXPECT_NEAR(share(counts, 0), 0.7, kSlack);
}

TEST(AugmentPipeline, OneOfRunsExactlyOneByWeight) {
  const auto counts =
      outcomes(group("one_of", {brighter(1 / 255.0, 1), brighter(2 / 255.0, 0.5), brighter(4 / 255.0, 0.5)}), kDraws);
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_NEAR(share(counts, 1), 0.5, kSlack);
  EXPECT_NEAR(share(counts, 2), 0.25, kSlack);
  EXPECT_NEAR(share(counts, 4), 0.25, kSlack);
}

TEST(AugmentPipeline, SomeOfRunsThatManyDifferentOnes) {
  const auto counts =
      outcomes(group("some_of", {brighter(1 / 255.0), brighter(2 / 255.0), brighter(4 / 255.0)}, 2), kDraws);
  EXPECT_EQ(counts.size(), 3u);
  for (const int value : {3, 5, 6}) EXPECT_NEAR(share(counts, value), 1 / 3.0, kSlack) << value;
}

TEST(AugmentPipeline, ASequenceRunsAsAWholeAndItsStepsByTheirOwnProbability) {
  const auto counts = outcomes(group("sequence", {brighter(1 / 255.0), brighter(2 / 255.0, 0.5)}, 1, 0.5), kDraws);
  EXPECT_NEAR(share(counts, 0), 0.5, kSlack);
  EXPECT_NEAR(share(counts, 1), 0.25, kSlack);
  EXPECT_NEAR(share(counts, 3), 0.25, kSlack);
}

TEST(Loader, GivesTheSameAugmentedBatchesWithAnyNumberOfWorkers) {
  const tests::TemporaryFolder folder;
  const auto dataset = tests::toy_dataset(folder.path(), 9);
  std::vector<recipe::AugmentStep> steps = {
      step("elastic_transform", 0.7, {{"alpha", std::vector<double>{15}}, {"sigma", std::vector<double>{2}}})};
  for (const char* name : {"horizontal_flip", "gaussian_blur", "affine", "grid_distortion", "rotate", "clahe",
                           "gaussian_noise", "coarse_dropout", "random_brightness_contrast"})
    steps.push_back(step(name, 0.7));
  const AugmentPipeline pipeline(steps, test::registry(), classes(3));
  std::vector<std::vector<Batch>> runs;
  for (const int workers : {0, 1, 3, 8}) {
    LoaderOptions options = tests::toy_options();
    options.workers = workers;
    options.shuffle = true;
    options.seed = 11;
    options.cache_mb = workers;  // nor does the cache change what comes
    Loader loader(*dataset, {0, 1, 2, 3, 4, 5, 6, 7, 8}, &pipeline, options);
    std::vector<Batch> batches;
    for (const int epoch : {0, 1}) {
      loader.start_epoch(epoch);
      while (auto batch = loader.next()) batches.push_back(std::move(*batch));
    }
    ASSERT_EQ(batches.size(), 10u);
    runs.push_back(std::move(batches));
  }
  for (std::size_t r = 1; r < runs.size(); ++r)
    for (std::size_t b = 0; b < 10; ++b)
      EXPECT_TRUE(tests::same_batch(runs[0][b], runs[r][b])) << "run " << r << ", batch " << b;
}

}  // namespace
}  // namespace osteon::data
