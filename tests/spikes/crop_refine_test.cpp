// SPDX-License-Identifier: Apache-2.0
// Can predictors be nested as the hardest entries nest them: a crop refiner over a mirrored sliding window, with
// another such tree as its second predictor? The leaves are functions of the root image's pixels, so what must come out
// is known at every pixel.
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "plugin/descriptor.hpp"
#include "plugin/postprocessor.hpp"
#include "post_plugins.hpp"
#include "predict/predictor.hpp"
#include "predict/resample.hpp"
#include "support/predictions.hpp"

namespace osteon::spikes {
namespace {

constexpr int kHeight = 40, kWidth = 53;

plugin::LoadedComponent component(const std::string& name) {
  // Never destroyed: what it points at lives as long as a library does.
  static auto* const library =
      new sdk::detail::Library("spike", "1.0.0",
                               {sdk::postprocessor<SlidingWindow>({"sliding_window", "1.0.0", "Tiles."}),
                                sdk::postprocessor<Mirror>({"mirror", "1.0.0", "Mirrors."}),
                                sdk::postprocessor<CropRefine>({"crop_refine", "1.0.0", "Looks again."})});
  return plugin::component_of(*library->get(OSTEON_ABI_VERSION), plugin::Kind::kPostprocessor, name);
}

/// What a leaf was asked for.
struct Asked {
  std::int64_t height, width;
  std::uint32_t scale;
  std::vector<std::int32_t> classes;
};

/// A leaf whose logits are a function of the class, the pixel's intensity and its place in the root image.
class FunctionLeaf final : public predict::Predictor {
 public:
  using Logit = std::function<double(std::int32_t c, double value, double root_x, double root_y)>;
  FunctionLeaf(const plugin::ClassContext& classes, Logit logit) : Predictor(classes, {}), logit_(std::move(logit)) {}
  std::string name() const override { return "the function"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request,
               std::vector<predict::OwnedPrediction>& predictions) const override {
    std::vector<std::int32_t> wanted(request.classes, request.classes + request.n_classes);
    for (std::size_t c = 0; request.n_classes == 0 && c < classes().names.size(); ++c)
      wanted.push_back(static_cast<std::int32_t>(c));
    for (std::size_t i = 0; i < images.size(); ++i) {
      const cv::Mat pixels = predict::pixels_of(*images[i]);
      asked.push_back({pixels.rows, pixels.cols, request.scale, wanted});
      const double* m = images[i]->to_root;
      test::fill(
          call, OSTEON_FORM_LOGITS, static_cast<std::int64_t>(wanted.size()), pixels.rows, pixels.cols,
          [&](std::int64_t c, std::int64_t y, std::int64_t x) {
            const auto row = static_cast<double>(y), column = static_cast<double>(x);
            const double value = static_cast<double>(pixels.at<float>(static_cast<int>(y), static_cast<int>(x)));
            return logit_(wanted[static_cast<std::size_t>(c)], value, m[0] * column + m[1] * row + m[2],
                          m[3] * column + m[4] * row + m[5]);
          },
          predictions[i]);
      predict::convert(call, raw(), request, pixels.rows, pixels.cols, predictions[i].raw());
    }
  }
  mutable std::vector<Asked> asked;

 private:
  Logit logit_;
};

/// A post-processor over a predictor, as the host chains them.
class Over final : public predict::Predictor {
 public:
  Over(const predict::Predictor& inner, const std::string& name, const plugin::Parameters& parameters,
       const plugin::PredictorResolver& resolve = {})
      : Over(inner, std::make_unique<plugin::Postprocessor>(component(name), parameters, inner.classes(),
                                                            plugin::Call(), resolve)) {}
  Over(const predict::Predictor& inner, std::unique_ptr<plugin::Postprocessor> post)
      : Predictor(inner.classes(), {post->info().gives_forms, post->info().gives_grids}),
        inner_(inner),
        post_(std::move(post)) {}
  std::string name() const override { return post_->component().name(); }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request,
               std::vector<predict::OwnedPrediction>& predictions) const override {
    sdk::detail::OutPredictions out(predictions);
    post_->process(call, inner_.raw(), images.size(), images.data(), request, out.data());
    out.take();
  }

 private:
  const predict::Predictor& inner_;
  std::unique_ptr<plugin::Postprocessor> post_;
};

const plugin::Parameters kTiles = {std::vector<std::int64_t>{16}, std::vector<std::int64_t>{5}};
plugin::ClassContext three_classes() { return {false, {"bone", "left", "right"}, {}}; }

// Class 0 lies at x 20..29, y 10..16; elsewhere the logits are waves.
double coarse(std::int32_t c, double value, double x, double y) {
  if (c == 0) return x > 19.5 && x < 29.5 && y > 9.5 && y < 16.5 ? 3 + value : -3 - value;
  return 2 * std::sin(0.3 * x + c) * std::cos(0.2 * y) + value;
}
double fine(std::int32_t c, double value, double x, double y) { return 1.5 * std::cos(0.4 * x - 0.1 * y + c) - value; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

class CropRefineTree : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { predict::install_resample_service(); }
  CropRefineTree() : pixels_(kHeight, kWidth, CV_32F) {
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) pixels_.at<float>(y, x) = static_cast<float>((7 * x + 13 * y) % 32) / 32;
  }
  predict::OwnedPrediction run(const predict::Predictor& predictor, const std::vector<std::int32_t>& wanted,
                               std::uint32_t form) {
    const predict::RootImage root(pixels_, "image");
    osteon_predict_request request = predict::make_request(form, OSTEON_GRID_IMAGE);
    request.n_classes = wanted.size();
    request.classes = wanted.data();
    std::vector<predict::OwnedPrediction> predictions(1);
    predictor.predict(call_.raw(), {root.get()}, request, predictions);
    return std::move(predictions[0]);
  }
  double value(int y, int x) const { return static_cast<double>(pixels_.at<float>(y, x)); }

  cv::Mat pixels_;
  plugin::Call call_;
};

TEST_F(CropRefineTree, KeepsTrackOfTheRootThroughMirroredTiles) {
  const FunctionLeaf leaf(three_classes(), coarse);
  const Over tiles(leaf, "sliding_window", kTiles);
  const Over mirrored(tiles, "mirror", {});
  const auto prediction = run(mirrored, {0, 2}, OSTEON_FORM_LOGITS);
  ASSERT_EQ(sdk::shape_text(prediction.view()), "[2, 40, 53]");
  const float* out = sdk::data_of<const float>(prediction.view(), "values");
  for (int k = 0; k < 2; ++k)
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x)
        ASSERT_NEAR(out[(k * kHeight + y) * kWidth + x], coarse(2 * k, value(y, x), x, y), 1e-5);
  for (const Asked& asked : leaf.asked) {
    EXPECT_EQ(asked.height, 16);
    EXPECT_EQ(asked.width, 16);
    EXPECT_EQ(asked.scale, std::uint32_t{OSTEON_SCALE_NATIVE});
    EXPECT_EQ(asked.classes, (std::vector<std::int32_t>{0, 2}));
  }
}

TEST_F(CropRefineTree, RefinesWhatLiesAroundTheAnchorByItsSecondPredictor) {
  const FunctionLeaf leaf(three_classes(), coarse), second_leaf(three_classes(), fine);
  const Over tiles(leaf, "sliding_window", kTiles), mirrored(tiles, "mirror", {});
  const Over second_mirrored(second_leaf, "mirror", {}),
      second(second_mirrored, "sliding_window", {std::vector<std::int64_t>{8}, std::vector<std::int64_t>{3}});
  std::string named;
  const Over refine(mirrored, "crop_refine",
                    {std::vector<std::string>{"other/run"}, std::vector<std::int64_t>{0}, std::vector<std::int64_t>{2}},
                    [&](const std::string& path) {
                      named = path;
                      return &second.raw();
                    });
  EXPECT_EQ(named, "other/run");
  for (const std::vector<std::int32_t>& wanted : {std::vector<std::int32_t>{}, {1, 2}}) {
    const auto prediction = run(refine, wanted, OSTEON_FORM_PROBABILITIES);
    const int k = wanted.empty() ? 3 : 2;
    ASSERT_EQ(prediction.view().shape[0], k);
    const float* out = sdk::data_of<const float>(prediction.view(), "values");
    for (int i = 0; i < k; ++i)
      for (int y = 0; y < kHeight; ++y)
        for (int x = 0; x < kWidth; ++x) {
          const std::int32_t c = wanted.empty() ? i : wanted[static_cast<std::size_t>(i)];
          const bool inside = x >= 18 && x <= 31 && y >= 8 && y <= 18;
          const double expected = sigmoid(inside ? fine(c, value(y, x), x, y) : coarse(c, value(y, x), x, y));
          ASSERT_NEAR(out[(i * kHeight + y) * kWidth + x], expected, 1e-5) << c << " " << y << " " << x;
        }
  }
  for (const Asked& asked : second_leaf.asked) EXPECT_LE(asked.height * asked.width, 64);
}

TEST_F(CropRefineTree, AsksNoSecondPredictorWhereThereIsNothingToRefine) {
  const FunctionLeaf leaf(three_classes(), [](std::int32_t, double, double, double) { return -1.0; }),
      second(three_classes(), fine);
  const Over refine(leaf, "crop_refine",
                    {std::vector<std::string>{"other"}, std::vector<std::int64_t>{0}, std::vector<std::int64_t>{2}},
                    [&](const std::string&) { return &second.raw(); });
  const auto prediction = run(refine, {1}, OSTEON_FORM_PROBABILITIES);
  EXPECT_NEAR(sdk::data_of<const float>(prediction.view(), "values")[0], sigmoid(-1), 1e-6);
  EXPECT_TRUE(second.asked.empty());
}

TEST_F(CropRefineTree, SaysWhatFailedAtTheBottom) {
  const FunctionLeaf leaf(three_classes(), [](std::int32_t, double, double, double) -> double {
    throw std::runtime_error("the leaf fell");
  });
  const Over tiles(leaf, "sliding_window", kTiles), mirrored(tiles, "mirror", {});
  try {
    run(mirrored, {}, OSTEON_FORM_LOGITS);
    FAIL() << "nothing was thrown";
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find("the leaf fell"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace osteon::spikes
