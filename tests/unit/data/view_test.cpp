// SPDX-License-Identifier: Apache-2.0
#include "data/view.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "data/loader.hpp"
#include "files.hpp"
#include "predict/predict.hpp"
#include "support/found_plugins.hpp"
#include "unit/predict/leaf_fixture.hpp"

namespace osteon::data {
namespace {

/// A file, and the view that is made of it.
struct Case {
  const char* name;
  int bits, file_channels, model_channels;
  cv::Size file, view;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

/// Noise, so that every pixel's last bit counts.
void write_noise(const std::filesystem::path& path, const Case& c) {
  cv::RNG rng(7);
  std::vector<std::string> rows;
  for (int y = 0; y < c.file.height; ++y) {
    rows.emplace_back();
    for (int i = 0; i < c.file.width * c.file_channels * c.bits / 8; ++i)
      rows.back() += static_cast<char>(rng.uniform(0, 256));
  }
  tests::write_bytes(
      path, tests::make_png(static_cast<std::uint32_t>(c.file.width), rows, c.bits, c.file_channels == 3 ? 2 : 0));
}

recipe::AugmentStep step(const std::string& name, double p) {
  recipe::AugmentStep made;
  made.p = p;
  made.component.kind = plugin::Kind::kAugmentation;
  made.component.plugin = name;
  made.component.parameters = test::default_parameters(*test::registry().find(plugin::Kind::kAugmentation, name));
  return made;
}

class OneView : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const Case& c = GetParam();
    write_noise(folder_ / "images" / "a.png", c);
    const std::vector<std::string> empty(static_cast<std::size_t>(c.file.height),
                                         std::string(static_cast<std::size_t>(c.file.width), '\0'));
    tests::write_bytes(folder_ / "masks" / "a.png",
                       tests::make_png(static_cast<std::uint32_t>(c.file.width), empty, 8, 0));
    DatasetOptions given;
    given.classes = {LabelKind::kMulticlass, {"a", "b"}, {}};
    dataset_ = open_dataset("index_png", folder_.path(), given);
    mean_ = c.model_channels == 3 ? std::vector<double>{0.485, 0.456, 0.406} : std::vector<double>{0.37};
    std_ = c.model_channels == 3 ? std::vector<double>{0.229, 0.224, 0.225} : std::vector<double>{0.21};
  }

  std::vector<std::vector<float>> loaded(const AugmentPipeline* augment, int cache_mb, int epochs) const {
    const Case& c = GetParam();
    LoaderOptions options;
    options.size = c.view;
    options.channels = c.model_channels;
    options.mean = mean_;
    options.std = std_;
    options.intensity = intensity_of(data_);
    options.cache_mb = cache_mb;
    Loader loader(*dataset_, {0}, augment, options);
    std::vector<std::vector<float>> samples;
    for (int epoch = 0; epoch < epochs; ++epoch) {
      loader.start_epoch(epoch);
      const Batch batch = loader.next().value();
      samples.emplace_back(batch.image.data(), batch.image.data() + batch.image.size());
    }
    return samples;
  }

  std::vector<float> predicted_from() const {
    const Case& c = GetParam();
    predict::probe = {};
    predict::probe.channels = c.model_channels;
    recipe::Recipe recipe;
    recipe.data = data_;
    recipe.data.image_size = {c.view.height, c.view.width};
    recipe.data.channels = c.model_channels;
    recipe.data.mean = mean_;
    recipe.data.std = std_;
    const plugin::ClassContext classes = test::classes(2);
    const predict::Leaf leaf(predict::probe_model(classes), recipe, classes);
    const predict::FileImage root(dataset_->read_image(0), "a.png");
    const plugin::Call call;
    std::vector<predict::OwnedPrediction> predictions(1);
    leaf.predict(call.raw(), {root.get()}, predict::make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_MODEL), predictions);
    return predict::probe.last;
  }

  static void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i)
      ASSERT_EQ(std::memcmp(&a[i], &b[i], sizeof a[i]), 0) << i << ": " << a[i] << " and " << b[i];
  }

  tests::TemporaryFolder folder_;
  std::unique_ptr<Dataset> dataset_;
  recipe::DataSection data_;
  std::vector<double> mean_, std_;
};

std::vector<Case> cases() {
  struct Sizes {
    const char* name;
    cv::Size file, view;
  };
  static const Sizes kSizes[] = {{"as it is", {37, 29}, {37, 29}},
                                 {"enlarged", {19, 13}, {40, 32}},
                                 {"shrunk by less than 2", {61, 50}, {40, 32}},
                                 {"shrunk by 2", {80, 64}, {40, 32}},
                                 {"shrunk by more than 2", {131, 97}, {40, 32}},
                                 {"shrunk by 4", {160, 128}, {40, 32}},
                                 {"narrower and higher", {131, 20}, {40, 32}}};
  static std::vector<std::string> names;  // what the cases' names lie in
  std::vector<Case> all;
  names.reserve(64);
  for (const Sizes& sizes : kSizes)
    for (const int bits : {8, 16})
      for (const int in : {1, 3})
        for (const int out : {1, 3}) {
          names.push_back(std::string(sizes.name) + ", " + std::to_string(bits) + " bits, " + std::to_string(in) +
                          " to " + std::to_string(out) + " channels");
          all.push_back({names.back().c_str(), bits, in, out, sizes.file, sizes.view});
        }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Files, OneView, testing::ValuesIn(cases()));

TEST_P(OneView, TrainingSeesWhatPredictionSees) {
  for (const char* intensity : {"fixed", "percentile", "zscore", "window"}) {
    SCOPED_TRACE(intensity);
    data_.intensity = intensity;
    if (data_.intensity == "window") data_.intensity_range = {0.2, 0.7};
    const std::vector<float> predicted = predicted_from();
    const auto uncached = loaded(nullptr, 0, 1), cached = loaded(nullptr, 1, 2);
    expect_same_bits(uncached[0], predicted);
    expect_same_bits(cached[0], predicted);
    expect_same_bits(cached[1], predicted);
  }
}

TEST_P(OneView, AStepThatDoesNotRunChangesNothing) {
  const AugmentPipeline never({step("horizontal_flip", 0), step("clahe", 0)}, test::registry(), {true, {"a", "b"}, {}});
  expect_same_bits(loaded(&never, 0, 1)[0], predicted_from());
}

TEST_P(OneView, StepsWorkInTheDepthOfTheFile) {
  const Case& c = GetParam();
  const AugmentPipeline flip({step("horizontal_flip", 1)}, test::registry(), {true, {"a", "b"}, {}});
  Image view = view_of(dataset_->read_image(0), c.view);
  const cv::Mat before = view.pixels;
  Labels labels(2, c.view);
  cv::Mat expected;
  root_pixels(view).convertTo(expected, c.bits == 8 ? CV_8U : CV_16U, greatest_of(c.bits == 8 ? CV_8U : CV_16U));
  cv::Mat mirrored(expected.size(), expected.type());
  for (int x = 0; x < expected.cols; ++x) expected.col(x).copyTo(mirrored.col(expected.cols - 1 - x));
  const cv::Mat kept = before.clone();
  flip.apply(plugin::Call(), sample_key(1, 0, "a"), view, labels);
  ASSERT_EQ(view.pixels.type(), mirrored.type());
  EXPECT_EQ(view.maximum, greatest_of(mirrored.depth()));
  EXPECT_EQ(cv::norm(view.pixels, mirrored, cv::NORM_INF), 0);
  EXPECT_EQ(cv::norm(before, kept, cv::NORM_INF), 0) << "what the cache holds was written to";
  // And the cache holds what is not rounded.
  const auto uncached = loaded(&flip, 0, 2), cached = loaded(&flip, 1, 2);
  for (std::size_t epoch = 0; epoch < 2; ++epoch) expect_same_bits(uncached[epoch], cached[epoch]);
}

TEST(View, ShrinkingByMoreThanTwoKeepsThinBones) {
  cv::Mat thin(256, 256, CV_32F, cv::Scalar(0));
  thin.col(101).setTo(1);
  const cv::Mat view = resize_image(thin, {32, 32});
  for (int y = 0; y < 32; ++y) EXPECT_NEAR(view.at<float>(y, 12), 1.0 / 8, 1e-6);
  EXPECT_NEAR(cv::sum(view)[0], 32.0 / 8, 1e-4);
}

}  // namespace
}  // namespace osteon::data
